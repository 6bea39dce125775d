"""Inputs, checked before anything is sent, and cut into batches without copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import shown
from blackbox_xai._inputs import is_frame, is_pandas, n_rows
from blackbox_xai.adapters.http.columns import NUMERIC, column_of, plain, texts_of
from blackbox_xai.errors import InputError

__all__ = ["Rows", "as_rows"]


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of one call.

    Exactly one of the two holds the data: ``data`` is a numeric array ``(n, ...)`` or ``n``
    texts (an object array); ``columns`` are the columns of a table of mixed types, each numeric
    or of texts with None where missing.
    """

    data: NDArray[Any] | None = None
    columns: tuple[NDArray[Any], ...] | None = None
    names: tuple[str, ...] | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.columns[0] if self.columns is not None else self.array)

    @property
    def array(self) -> NDArray[Any]:
        """The data as one array; InputError for a table of mixed types."""
        if self.data is None:
            raise InputError(
                "inputs have columns of several types, but this protocol takes one array of "
                "numbers. Encode the columns as numbers, or use a protocol with named columns."
            )
        return self.data

    @property
    def texts(self) -> bool:
        """Whether the rows are texts."""
        return self.data is not None and self.data.dtype == object

    @property
    def width(self) -> int | None:
        """Number of columns of a table; None for anything else."""
        if self.columns is not None:
            return len(self.columns)
        return self.array.shape[1] if self.array.ndim == 2 else None

    def cut(self, start: int, stop: int) -> Rows:
        """Return rows ``start`` to ``stop``, sharing memory."""
        if self.columns is not None:
            return Rows(columns=tuple(c[start:stop] for c in self.columns), names=self.names)
        return Rows(data=self.array[start:stop], names=self.names)

    def after(self, first: Rows) -> Rows:
        """Return ``first`` followed by these rows."""
        if self.columns is not None and first.columns is not None:
            pairs = zip(first.columns, self.columns, strict=True)
            return Rows(columns=tuple(np.concatenate(pair) for pair in pairs), names=self.names)
        return Rows(data=np.concatenate([first.array, self.array]), names=self.names)

    def column(self, j: int) -> NDArray[Any]:
        """Return column ``j``."""
        return self.columns[j] if self.columns is not None else self.array[:, j]

    def to_lists(self) -> list[Any]:
        """Return the rows as JSON values; missing values become None."""
        if self.columns is None:
            return list(plain(self.array))
        return [list(row) for row in zip(*(plain(c) for c in self.columns), strict=True)]

    def to_columns(self) -> dict[str, list[Any]]:
        """Return the columns by name as JSON values."""
        return {name: list(plain(self.column(j))) for j, name in enumerate(self.named())}

    def named(self) -> tuple[str, ...]:
        """Return the column names.

        Raises
        ------
        InputError
            When there are none.
        """
        if self.names is None:
            raise InputError(
                "inputs have no column names, but this protocol sends columns by name. "
                "Give columns=[...] to HttpModel, or pass a data frame."
            )
        return self.names

    def arranged(self, columns: Sequence[str]) -> Rows:
        """Return the rows with their columns in the order of ``columns``.

        Raises
        ------
        InputError
            When a column is missing or unknown, or the number of columns differs.
        """
        expected = tuple(columns)
        if self.names is None:
            if self.width != len(expected):
                raise InputError(
                    f"inputs must have {len(expected)} columns ({shown(list(expected))}), "
                    f"got {self.width}."
                )
            return Rows(data=self.data, columns=self.columns, names=expected)
        if self.names == expected:
            return self
        missing = [name for name in expected if name not in self.names]
        extra = [name for name in self.names if name not in expected]
        if missing or extra:
            raise InputError(
                f"inputs must have the columns {shown(list(expected))}; "
                f"missing: {shown(missing)}, unknown: {shown(extra)}."
            )
        order = [self.names.index(name) for name in expected]
        if self.columns is not None:
            return Rows(columns=tuple(self.columns[j] for j in order), names=expected)
        return Rows(data=self.array[:, order], names=expected)


def as_rows(inputs: Any, *, allow_missing: bool = False) -> Rows:
    """Return ``inputs`` checked: arrays, frames, sparse matrices, lists of rows, texts, images.

    Parameters
    ----------
    inputs : object
        ``n`` rows.
    allow_missing : bool
        Whether NaN and None may stand for missing values.

    Raises
    ------
    InputError
        Naming the row and the column that cannot be sent.
    """
    n_rows(inputs)
    if is_frame(inputs):
        rows = _from_frame(inputs)
    else:
        rows = _from_array(_as_array(inputs))
    _check_values(rows, allow_missing)
    return rows


def _as_array(inputs: Any) -> NDArray[Any]:
    if hasattr(inputs, "toarray"):
        inputs = inputs.toarray()
    try:
        array = np.asarray(inputs)
    except (ValueError, TypeError) as error:
        raise InputError(
            f"inputs must be rows of equal length, got {shown(inputs)} ({shown(str(error))})."
        ) from None
    if array.dtype.kind == "U" or (array.dtype == object and array.ndim > 1):
        array = np.asarray(inputs, dtype=object)
    return array


def _from_frame(frame: Any) -> Rows:
    names = tuple(str(name) for name in frame.columns)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"inputs have columns of the same name: {shown(twice)}. Rename them.")
    if is_pandas(frame):
        columns = [column_of(frame.iloc[:, j].to_numpy(), names[j]) for j in range(len(names))]
    else:
        columns = [column_of(frame[:, j].to_numpy(), names[j]) for j in range(len(names))]
    return _table(columns, names)


def _from_array(array: NDArray[Any]) -> Rows:
    if array.dtype.kind in NUMERIC:
        data = array.astype(np.float32) if array.dtype == np.float16 else array
        return Rows(data=data)
    if array.dtype != object:
        raise InputError(f"inputs must be numbers or texts, got an array of {array.dtype}.")
    if array.ndim == 1:
        return Rows(data=texts_of(array))
    if array.ndim == 2:
        return _table([column_of(array[:, j], str(j)) for j in range(array.shape[1])], None)
    raise InputError(f"inputs of type object must have 2 dimensions, got {array.ndim}.")


def _table(columns: list[NDArray[Any]], names: tuple[str, ...] | None) -> Rows:
    """Return one array when all columns have one numeric type, else the columns."""
    if not columns:
        raise InputError("inputs must have at least one column, got none.")
    types = {column.dtype for column in columns}
    if len(types) == 1 and columns[0].dtype != object:
        return Rows(data=np.column_stack(columns), names=names)
    return Rows(columns=tuple(columns), names=names)


def _check_values(rows: Rows, allow_missing: bool) -> None:
    parts = [rows.array] if rows.columns is None else rows.columns
    for j, part in enumerate(parts):
        if part.dtype == object:
            bad = np.array([value is None for value in part]) & (not allow_missing)
        elif part.dtype.kind == "f":
            bad = np.isinf(part) if allow_missing else ~np.isfinite(part)
        else:
            continue
        if bad.any():
            _refuse(rows, part, np.argwhere(bad)[0], j)


def _refuse(rows: Rows, part: NDArray[Any], at: NDArray[Any], j: int) -> None:
    column = j if rows.columns is not None else (int(at[1]) if len(at) > 1 else 0)
    name = rows.names[column] if rows.names is not None else column
    value = part[tuple(at)]
    told = None if value is None else float(value)
    hint = "Only finite numbers can be sent."
    if told is None or np.isnan(told):
        hint = "Fill it, or pass allow_missing=True if the model takes missing values."
    raise InputError(f"inputs row {int(at[0])}, column {name!r} is {shown(told)}. {hint}")
