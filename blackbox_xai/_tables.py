"""Tables as numbers: what each column holds, and the way there and back.

A table is read into a matrix of floats, one column for each of its own; categories become codes
``0 .. c - 1``, and ``-1`` where a category was not there when the table was learnt. ``decode``
gives rows back in the form the model takes; ``design`` spreads categories over columns of 0 and 1.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import shown
from blackbox_xai._inputs import is_pandas, is_polars, n_rows
from blackbox_xai.errors import InputError

__all__ = ["Column", "Table", "learn_table"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Column:
    """One column: its name, its categories (None for numbers), whether its numbers are whole."""

    name: str
    categories: tuple[Any, ...] | None = None
    integer: bool = False


@dataclass(frozen=True, eq=False)
class Table:
    """The columns of a table and the container it came in.

    Parameters
    ----------
    columns : tuple of Column
    container : {"array", "pandas", "polars"}
    dtypes : tuple
        Type of each column (frames), or one entry: the type of the array.
    """

    columns: tuple[Column, ...]
    container: str
    dtypes: tuple[Any, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def categorical(self) -> NDArray[np.bool_]:
        """Which columns hold categories, shape ``(d,)``."""
        return np.array([column.categories is not None for column in self.columns])

    @property
    def integer(self) -> NDArray[np.bool_]:
        """Which columns hold whole numbers only, shape ``(d,)``."""
        return np.array([column.integer for column in self.columns])

    def encode(self, inputs: Any, argument: str = "X") -> FloatArray:
        """Return ``inputs`` as floats ``(n, d)``; unseen categories are -1.

        Raises
        ------
        InputError
            For missing or other columns, a missing value, or text where numbers are expected.
        """
        raw = _columns_of(inputs, self.names, argument)
        if isinstance(raw, np.ndarray):
            _check_width(raw.shape[1], len(self.columns), argument)
            if not self.categorical.any():
                return _numbers(raw, self.names, argument)
            raw = [raw[:, j] for j in range(raw.shape[1])]
        coded = [
            _codes(values, column)
            if column.categories is not None
            else _number_column(values, column.name, argument)
            for values, column in zip(raw, self.columns, strict=True)
        ]
        return np.column_stack(coded) if coded[0].size else np.empty((0, len(coded)))

    def decode(self, matrix: FloatArray) -> Any:
        """Return rows of codes in the container and types of the table that was learnt."""
        columns = [_decoded(matrix[:, j], column) for j, column in enumerate(self.columns)]
        if self.container == "array":
            dtype = self.dtypes[0]
            if not self.categorical.any():
                return _as_type(matrix, dtype)
            out = np.empty(matrix.shape, dtype=dtype)
            for j, values in enumerate(columns):
                out[:, j] = values
            return out
        frames = importlib.import_module(self.container)
        if self.container == "pandas":
            pairs = zip(self.names, columns, self.dtypes, strict=True)
            return frames.DataFrame({n: frames.Series(v).astype(t) for n, v, t in pairs})
        pairs = zip(self.names, columns, self.dtypes, strict=True)
        return frames.DataFrame([frames.Series(n, v.tolist()).cast(t) for n, v, t in pairs])

    def design(self, matrix: FloatArray) -> FloatArray:
        """Return numbers as they are and each category as a column of 0 and 1: ``(n, p)``."""
        if not self.categorical.any():
            return matrix
        parts = []
        for j, column in enumerate(self.columns):
            if column.categories is None:
                parts.append(matrix[:, j : j + 1])
            else:
                parts.append(matrix[:, j : j + 1] == np.arange(len(column.categories)))
        return np.concatenate(parts, axis=1, dtype=np.float64)

    @property
    def is_category(self) -> NDArray[np.bool_]:
        """Which columns of the design stand for a category, shape ``(p,)``."""
        return np.array([code >= 0 for _, code in self.design_columns()])

    def design_columns(self) -> list[tuple[int, int]]:
        """Return ``(column, category)`` of each design column; category -1 for numbers."""
        pairs: list[tuple[int, int]] = []
        for j, column in enumerate(self.columns):
            codes = [-1] if column.categories is None else range(len(column.categories))
            pairs += [(j, code) for code in codes]
        return pairs


def learn_table(
    inputs: Any, categorical: Sequence[Any] | None = None, argument: str = "X"
) -> tuple[Table, FloatArray]:
    """Return the table that ``inputs`` is an example of, and its codes ``(n, d)``.

    Parameters
    ----------
    inputs : array, pandas or polars frame
    categorical : sequence of str or int, optional
        Columns, by name or position, to be read as categories although they hold numbers.
        Columns of text, booleans or categories always are.

    Raises
    ------
    InputError
        For no rows, no columns, missing values, duplicate names or an unknown column.
    """
    raw = _columns_of(inputs, None, argument)
    if is_pandas(inputs) or is_polars(inputs):
        names = [str(name) for name in inputs.columns]
        dtypes = tuple(inputs.dtypes)
        container = "pandas" if is_pandas(inputs) else "polars"
    else:
        names = [f"x{j}" for j in range(raw.shape[1])]
        dtypes, container = (raw.dtype,), "array"
        raw = [raw[:, j] for j in range(raw.shape[1])]
    _check_size(n_rows(inputs), names, argument)
    chosen = _chosen(categorical, names)
    columns = tuple(
        _learn_column(values, name, j in chosen, argument)
        for j, (values, name) in enumerate(zip(raw, names, strict=True))
    )
    table = Table(columns, container, dtypes)
    return table, table.encode(inputs, argument)


def _check_size(n: int, names: list[str], argument: str) -> None:
    if n == 0 or not names:
        raise InputError(f"{argument} must have rows and columns, got {n} x {len(names)}.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"{argument} has two columns named {twice!r}. Rename one.")


def _check_width(got: int, expected: int, argument: str) -> None:
    if got != expected:
        raise InputError(f"{argument} must have {expected} columns as in fit, got {got}.")


def _columns_of(inputs: Any, names: tuple[str, ...] | None, argument: str) -> Any:
    """Return a 2-D array, or the list of a frame's columns in the order of ``names``."""
    if is_pandas(inputs) or is_polars(inputs):
        there = [str(name) for name in inputs.columns]
        missing = [name for name in names or () if name not in there]
        if missing:
            raise InputError(
                f"{argument} lacks the column {missing[0]!r} that fit saw; it has {shown(there)}."
            )
        order = range(len(there)) if names is None else [there.index(name) for name in names]
        if is_pandas(inputs):
            return [inputs.iloc[:, j].to_numpy() for j in order]
        return [inputs[:, j].to_numpy() for j in order]
    if hasattr(inputs, "toarray"):
        raise InputError(f"{argument} is sparse; pass {argument}.toarray().")
    array = np.asarray(inputs)
    if array.dtype.kind == "c":
        raise InputError(f"{argument} must hold real numbers, got {array.dtype}.")
    if array.ndim != 2:
        raise InputError(
            f"{argument} must be a table of shape (n, d), got shape {array.shape}. "
            "For one row, pass a table of one row."
        )
    return array


def _chosen(categorical: Sequence[Any] | None, names: list[str]) -> set[int]:
    chosen = set()
    for item in categorical or ():
        if isinstance(item, str) and item in names:
            chosen.add(names.index(item))
        elif isinstance(item, int | np.integer) and 0 <= item < len(names):
            chosen.add(int(item))
        else:
            raise InputError(f"categorical names {item!r}, which is no column of X.")
    return chosen


def _learn_column(values: NDArray[Any], name: str, forced: bool, argument: str) -> Column:
    numeric = values.dtype.kind in "fiu"
    if values.dtype.kind == "O":
        kinds = {bool if isinstance(v, bool | np.bool_) else type(v) for v in values.tolist()}
        numeric = all(issubclass(t, int | float | np.number) and t is not bool for t in kinds)
    if numeric and not forced:
        numbers = _number_column(values, name, argument)
        return Column(name, integer=bool(np.all(numbers == np.round(numbers))))
    kinds_of = values.tolist()
    _check_categories(kinds_of, name, argument)
    try:
        categories = sorted(set(kinds_of))
    except TypeError:
        categories = sorted(set(kinds_of), key=lambda value: (type(value).__name__, str(value)))
    return Column(name, tuple(categories))


def _check_categories(values: list[Any], name: str, argument: str) -> None:
    for i, value in enumerate(values):
        if _is_missing(value):
            raise InputError(_missing(argument, name, i))
        try:
            hash(value)
        except TypeError as error:
            raise InputError(
                f"{argument} has {shown(value)} in column {name!r}, row {i}; cells must be "
                "numbers, texts, booleans or categories."
            ) from error


def _is_missing(value: Any) -> bool:
    nan = isinstance(value, float) and value != value
    return value is None or nan or type(value).__name__ in ("NAType", "NaTType")


def _missing(argument: str, name: str, i: int) -> str:
    return (
        f"{argument} has a missing value in column {name!r}, row {i}. "
        "Fill it in or drop the row first."
    )


def _numbers(raw: NDArray[Any], names: tuple[str, ...], argument: str) -> FloatArray:
    if raw.dtype.kind == "O":
        columns = [_number_column(raw[:, j], name, argument) for j, name in enumerate(names)]
        return np.column_stack(columns)
    if raw.dtype.kind not in "fiub":
        raise InputError(f"{argument} must hold numbers as in fit, got {raw.dtype}.")
    numbers = raw.astype(np.float64)
    bad = np.argwhere(~np.isfinite(numbers))
    if len(bad):
        _refuse(float(numbers[tuple(bad[0])]), names[bad[0][1]], int(bad[0][0]), argument)
    return numbers


def _number_column(values: NDArray[Any], name: str, argument: str) -> FloatArray:
    try:
        numbers = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{argument} must hold numbers in column {name!r}, got {shown(values[:3].tolist())}."
        ) from error
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        _refuse(float(numbers[bad[0]]), name, int(bad[0]), argument)
    return numbers


def _refuse(value: float, name: str, i: int, argument: str) -> None:
    if np.isnan(value):
        raise InputError(_missing(argument, name, i))
    raise InputError(f"{argument} has the value {value} in column {name!r}, row {i}.")


def _codes(values: NDArray[Any], column: Column) -> FloatArray:
    known = {value: float(i) for i, value in enumerate(column.categories or ())}
    return np.array([known.get(value, -1.0) for value in values.tolist()], dtype=np.float64)


def _decoded(codes: FloatArray, column: Column) -> NDArray[Any]:
    if column.categories is None:
        return np.round(codes) if column.integer else codes
    categories = np.empty(len(column.categories), dtype=object)
    categories[:] = column.categories
    return categories[codes.astype(np.intp)]


def _as_type(matrix: FloatArray, dtype: Any) -> NDArray[Any]:
    if dtype.kind in "iu":
        return np.round(matrix).astype(dtype)
    return matrix.astype(dtype, copy=False)
