"""Reading tables: a background of any kind into blocks of columns, one row into its cells."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import shown
from blackbox_xai._inputs import is_frame, is_pandas, is_polars
from blackbox_xai.errors import InputError
from blackbox_xai.maskers import _pandas, _polars
from blackbox_xai.maskers.coded import CodedBlock
from blackbox_xai.maskers.columns import RawBlock
from blackbox_xai.protocols import IntArray

__all__ = ["Table", "column_names", "column_place", "read_table"]

Block = RawBlock | CodedBlock


@dataclass(frozen=True, eq=False)
class Table:
    """A background, cut into blocks of columns.

    Parameters
    ----------
    names : tuple of str
        Column names, in the order in which the model receives them.
    named : bool
        Whether the names came with the data, so that rows are matched by name.
    categorical : frozenset of str
        Columns declared categorical.
    blocks : tuple of block
        Together they hold every column once.
    build : callable or None
        ``build(buffers, n)`` makes a frame; None: the only buffer is handed on as it is.
    """

    names: tuple[str, ...]
    named: bool
    categorical: frozenset[str]
    blocks: tuple[Block, ...]
    build: Callable[[Any, int], Any] | None

    @property
    def n_rows(self) -> int:
        """Number of background rows."""
        return len(self.blocks[0].fill)

    def encode(self, x: Any) -> tuple[Any, ...]:
        """Return the cells of one row, block by block.

        Raises
        ------
        InputError
            When ``x`` is not one row of this table; the message names the column.
        """
        values = self._cells(x)
        return tuple(block.encode(_take(values, block.columns)) for block in self.blocks)

    def take(self, rows: IntArray) -> Table:
        """Return the table with these background rows alone."""
        blocks = tuple(
            replace(block, fill=block.fill[rows].copy(order="A")) for block in self.blocks
        )
        return replace(self, blocks=blocks)

    def _cells(self, x: Any) -> Sequence[Any] | NDArray[Any]:
        """Return the values of ``x`` in the order of the columns."""
        labelled = _labelled(x)
        if labelled is None:
            return self._fit(_plain_row(x))
        labels, values = labelled
        if not self.named and not isinstance(x, Mapping):
            return self._fit(values)
        ordered: Sequence[Any] | NDArray[Any] = _take(values, self._order(labels))
        return ordered

    def _order(self, labels: Sequence[Any]) -> Sequence[int]:
        """Return where each column stands among ``labels``."""
        found = {name: i for i, name in enumerate(str(label) for label in labels)}
        if len(found) < len(labels):
            raise InputError(f"x has the column {_repeated(labels)!r} more than once.")
        missing = [name for name in self.names if name not in found]
        if missing:
            raise InputError(f"x lacks the column {missing[0]!r} of the background.")
        if len(found) > len(self.names):
            extra = next(name for name in found if name not in set(self.names))
            raise InputError(
                f"x has the column {extra!r}, which the background lacks. "
                "Drop it, or add it to the background."
            )
        return [found[name] for name in self.names]

    def _fit(self, values: Sequence[Any] | NDArray[Any]) -> Sequence[Any] | NDArray[Any]:
        if len(values) != len(self.names):
            raise InputError(
                f"x must have {len(self.names)} values, one for each column of the background, "
                f"got {len(values)}."
            )
        return values


def read_table(
    background: Any, feature_names: Sequence[str] | None, categorical: Sequence[str | int] | None
) -> Table:
    """Cut a background into blocks.

    Raises
    ------
    InputError
        When it is not a table with rows and distinct columns, or holds infinite values.
    """
    if is_frame(background):
        table = _read_frame(background, feature_names, categorical)
    else:
        table = _read_array(background, feature_names, categorical)
    for block in table.blocks:
        if isinstance(block, RawBlock) and block.fill.dtype.kind == "f":
            _check_finite(block)
    return table


def column_names(labels: Sequence[Any], argument: str) -> tuple[str, ...]:
    """Return ``labels`` as distinct strings.

    Raises
    ------
    InputError
        When two are alike.
    """
    names = tuple(str(label) for label in labels)
    if len(set(names)) < len(names):
        raise InputError(f"{argument} has the column {_repeated(labels)!r} more than once.")
    return names


def _read_frame(
    frame: Any, feature_names: Sequence[str] | None, categorical: Sequence[str | int] | None
) -> Table:
    if feature_names is not None:
        raise InputError("feature_names is for arrays; a frame has column names of its own.")
    names = column_names(list(frame.columns), "background")
    _check_shape(frame.shape)
    dialect: Any = _pandas if is_pandas(frame) else _polars
    declared = _declared(names, categorical)
    blocks, build = dialect.read(frame, names, declared)
    return Table(names, True, declared, blocks, build)


def _read_array(
    background: Any, feature_names: Sequence[str] | None, categorical: Sequence[str | int] | None
) -> Table:
    matrix = _matrix(background)
    _check_shape(matrix.shape)
    d = matrix.shape[1]
    if feature_names is None:
        names = tuple(f"x{j}" for j in range(d))
    else:
        names = column_names(list(feature_names), "feature_names")
        if len(names) != d:
            raise InputError(
                f"feature_names must have {d} names, one for each column of the background, "
                f"got {len(names)}."
            )
    declared = _declared(names, categorical)
    block = RawBlock.read(list(range(d)), names, matrix, "C", declared)
    return Table(names, feature_names is not None, declared, (block,), None)


def _declared(names: tuple[str, ...], categorical: Sequence[str | int] | None) -> frozenset[str]:
    if isinstance(categorical, str):
        raise InputError(f"categorical must list columns, got {shown(categorical)}.")
    columns = [] if categorical is None else list(categorical)
    return frozenset(names[column_place(names, c, "categorical")] for c in columns)


def column_place(names: tuple[str, ...], column: Any, argument: str) -> int:
    """Return where a column stands, given by name or position.

    Raises
    ------
    InputError
        When there is none.
    """
    if str(column) in names:
        return names.index(str(column))
    whole = isinstance(column, int | np.integer) and not isinstance(column, bool)
    if whole and 0 <= column < len(names):
        return int(column)
    raise InputError(f"{argument} has the unknown column {shown(column)}.")


def _matrix(background: Any) -> NDArray[Any]:
    """Return a background without column names as an owned matrix."""
    if isinstance(background, np.ma.MaskedArray) or hasattr(background, "toarray"):
        raise InputError(
            f"background must be a plain array or a frame, got {type(background).__name__}. "
            "Pass background.toarray(), or fill the masked cells."
        )
    try:
        matrix = np.array(background, order="C")
        if matrix.dtype.kind in "US":
            matrix = np.array(background, dtype=object)
    except ValueError as error:
        raise InputError("background must have rows of equal length.") from error
    if matrix.dtype.kind not in "fiubmMO" or matrix.dtype.itemsize > 8:
        raise InputError(f"background must hold numbers, dates or objects, got {matrix.dtype}.")
    return matrix


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) != 2:
        raise InputError(
            f"background must have shape (rows, columns), got {shape}. "
            "Use background.reshape(1, -1) for a single row."
        )
    if 0 in shape:
        raise InputError(f"background must have at least one row and one column, got {shape}.")


def _check_finite(block: RawBlock) -> None:
    bad = np.argwhere(np.isinf(block.fill))
    if len(bad):
        i, j = bad[0]
        raise InputError(
            f"background is infinite in row {i}, column {block.names[j]!r}; values must be finite."
        )


def _labelled(x: Any) -> tuple[list[Any], Any] | None:
    """Return the labels and values of a row that has labels, else None."""
    if isinstance(x, Mapping):
        return list(x), list(x.values())
    if is_frame(x):
        if len(x) != 1:
            raise InputError(f"x must be one row, got {len(x)}. Use explain_many for several.")
        return list(x.columns), list(x.row(0)) if is_polars(x) else _pandas.row(x)
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(x, pandas.Series):
        values = x.to_numpy() if isinstance(x.dtype, np.dtype) else x.tolist()
        return list(x.index), values
    return None


def _plain_row(x: Any) -> Sequence[Any] | NDArray[Any]:
    """Return the values of a row without labels."""
    if isinstance(x, str | bytes) or x is None:
        raise InputError(f"x must be one row of the table, got {shown(x)}.")
    if isinstance(x, list | tuple):
        inner = x[0] if len(x) == 1 and isinstance(x[0], list | tuple) else x
        return list(inner)
    row = np.asarray(x)
    if row.ndim == 2 and row.shape[0] == 1:
        row = row[0]
    if row.ndim != 1:
        raise InputError(f"x must be one row of the table, got shape {row.shape}.")
    return row


def _take(values: Any, columns: Any) -> Any:
    if isinstance(values, np.ndarray):
        return values[columns]
    return [values[j] for j in columns]


def _repeated(labels: Sequence[Any]) -> str:
    names = [str(label) for label in labels]
    return next(name for i, name in enumerate(names) if name in names[:i])
