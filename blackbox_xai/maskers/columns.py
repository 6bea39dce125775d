"""Columns of a table as buffers that masked rows are written into.

Columns of one numpy dtype form a ``RawBlock``, a matrix. Everything else that a frame can hold
(categories, strings, nullable numbers, dates with a zone) goes into a ``CodedBlock``: integer codes
into a pool of values, turned back into columns when the model is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import shown
from blackbox_xai.errors import InputError
from blackbox_xai.maskers._select import select_grid, select_rows
from blackbox_xai.protocols import BoolArray, IntArray

__all__ = ["CodedBlock", "Pool", "RawBlock", "is_missing", "write_cells"]


def is_missing(value: Any) -> bool:
    """Tell whether ``value`` is None, NaN, NaT or another mark that is not equal to itself."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return False


def write_cells(
    out: NDArray[Any],
    fill: NDArray[Any],
    x: NDArray[Any],
    kept: BoolArray,
    fills: IntArray | None,
) -> None:
    """Write masked rows ``(n, d)``: one fill for each row, or every fill for every coalition."""
    if fills is not None:
        select_rows(out, fill, x, kept, fills)
        return
    m, d = kept.shape
    select_grid(out.reshape(m, len(fill), d), fill, x, kept)


@dataclass(frozen=True, eq=False)
class RawBlock:
    """Columns of one numpy dtype.

    Parameters
    ----------
    columns : ndarray of shape (c,)
        Positions in the table.
    names : tuple of str
    fill : ndarray of shape (r, c)
        The background.
    order : str
        "C": rows lie together, as in an array; "F": columns do, as in a frame.
    """

    columns: IntArray
    names: tuple[str, ...]
    fill: NDArray[Any]
    order: str

    @property
    def row_bytes(self) -> int:
        """Memory of one row."""
        return self.fill.itemsize * len(self.columns)

    def allocate(self, n: int) -> NDArray[Any]:
        """Return a buffer for ``n`` rows."""
        if self.order == "C":
            return np.empty((n, len(self.columns)), self.fill.dtype)
        return np.empty((len(self.columns), n), self.fill.dtype).T

    def encode(self, values: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
        """Return the cells of ``x`` in the dtype of the background, shape ``(c,)``."""
        dtype = self.fill.dtype
        if dtype.kind == "O":
            cells = np.empty(len(values), dtype)
            cells[:] = values
        elif isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
            cells = self._cast(values)
        else:
            scalars = [_scalar(v, dtype, name) for v, name in zip(values, self.names, strict=True)]
            cells = self._cast(np.array(scalars)) if dtype.kind in "fiub" else np.array(scalars, dtype)
        self._check(cells)
        return cells

    def _cast(self, values: NDArray[Any]) -> NDArray[Any]:
        dtype = self.fill.dtype
        if dtype.kind not in "fiub":
            raise InputError(_wrong_type(self.names[0], values[0], dtype))
        if dtype.kind == "f":
            with np.errstate(over="ignore"):
                return values.astype(dtype)
        missing = np.flatnonzero(~np.isfinite(values))
        if len(missing):
            name, value = self.names[missing[0]], values[missing[0]]
            unexpected = _unexpected_missing(name) if np.isnan(value) else None
            raise InputError(unexpected or _wrong_type(name, value, dtype))
        with np.errstate(invalid="ignore"):
            cells = values.astype(dtype)
        changed = np.flatnonzero(cells != values)
        if len(changed):
            raise InputError(_wrong_type(self.names[changed[0]], values[changed[0]], dtype))
        return cells

    def _check(self, cells: NDArray[Any]) -> None:
        if cells.dtype.kind == "f":
            infinite = np.flatnonzero(np.isinf(cells))
            if len(infinite):
                raise InputError(
                    f"x is infinite in column {self.names[infinite[0]]!r}; "
                    f"values must be finite in {cells.dtype}."
                )
        missing = np.flatnonzero(_missing(cells))
        if len(missing) == 0:
            return
        complete = missing[~_missing(self.fill[:, missing]).any(axis=0)]
        if len(complete):
            raise InputError(_unexpected_missing(self.names[complete[0]]))

    def varies(self, cells: NDArray[Any]) -> BoolArray:
        """Return where the background differs from ``x``, shape ``(r, c)``; NaN equals NaN."""
        if self.fill.dtype.kind == "O":
            return _objects_differ(self.fill, cells)
        differs: BoolArray = self.fill != cells
        if self.fill.dtype.kind in "fmM":
            both = np.flatnonzero(_missing(cells))
            differs[:, both] = ~_missing(self.fill[:, both])
        return differs

    def write(
        self,
        buffer: NDArray[Any],
        at: int,
        cells: NDArray[Any],
        kept: BoolArray,
        fills: IntArray | None,
    ) -> None:
        """Write masked rows from row ``at`` on; ``kept`` has shape ``(m, c)``."""
        n = len(kept) * (len(self.fill) if fills is None else 1)
        write_cells(buffer[at : at + n], self.fill, cells, kept, fills)

    def show(self, buffer: NDArray[Any], n: int) -> list[Any]:
        """Return the first ``n`` cells of each column."""
        return [buffer[:n, j] for j in range(len(self.columns))]


@dataclass(frozen=True, eq=False)
class Pool:
    """The values that a coded column may hold.

    Parameters
    ----------
    codes : dict
        Code of each value; missing values have the key None.
    make : callable
        ``make(codes, values)`` returns a column; codes beyond the pool point into ``values``.
    open : bool
        Whether values that the background lacks may be added.
    fits : callable
        Raises when a value cannot be held by the column's type.
    """

    codes: dict[Any, int]
    make: Callable[[IntArray, list[Any]], Any]
    fits: Callable[[Any], Any]
    open: bool


class _CodedBuffer:
    """Codes of shape ``(n, c)``, and the values added to each pool."""

    def __init__(self, n: int, c: int) -> None:
        self.codes = np.empty((c, n), np.int32).T
        self.added: list[dict[Any, int]] = [{} for _ in range(c)]
        self.values: list[list[Any]] = [[] for _ in range(c)]


@dataclass(frozen=True, eq=False)
class CodedBlock:
    """Columns held as codes into pools of values.

    Parameters
    ----------
    columns, names
        As for ``RawBlock``.
    fill : ndarray of shape (r, c), int32
        Codes of the background.
    pools : tuple of Pool
    """

    columns: IntArray
    names: tuple[str, ...]
    fill: NDArray[np.int32]
    pools: tuple[Pool, ...]

    @property
    def row_bytes(self) -> int:
        """Memory of one row, its values included."""
        return 12 * len(self.columns)

    def allocate(self, n: int) -> _CodedBuffer:
        """Return a buffer for ``n`` rows."""
        return _CodedBuffer(n, len(self.columns))

    def encode(self, values: Sequence[Any] | NDArray[Any]) -> tuple[Any, ...]:
        """Return the cells of ``x`` after checking that their columns can hold them."""
        cells = []
        for value, name, pool in zip(values, self.names, self.pools, strict=True):
            cell = None if is_missing(value) else value
            if _code(pool, cell, name) is None:
                self._admit(cell, name, pool)
            cells.append(cell)
        return tuple(cells)

    def _admit(self, value: Any, name: str, pool: Pool) -> None:
        if value is None:
            raise InputError(_unexpected_missing(name))
        if not pool.open:
            known = shown([v for v in pool.codes if v is not None], 200)
            raise InputError(
                f"x has the unseen category {shown(value)} in column {name!r}; known are {known}. "
                "Add it to the categories of the background."
            )
        try:
            pool.fits(value)
        except Exception as error:
            raise InputError(
                f"x has {shown(value)} in column {name!r}, which the column's type cannot hold: "
                f"{shown(str(error), 120)}"
            ) from error

    def varies(self, cells: tuple[Any, ...]) -> BoolArray:
        """Return where the background differs from ``x``, shape ``(r, c)``."""
        known = zip(cells, self.names, self.pools, strict=True)
        codes = [_code(pool, cell, name) for cell, name, pool in known]
        return self.fill != np.array([-1 if code is None else code for code in codes])

    def write(
        self,
        buffer: _CodedBuffer,
        at: int,
        cells: tuple[Any, ...],
        kept: BoolArray,
        fills: IntArray | None,
    ) -> None:
        """Write masked rows from row ``at`` on; ``kept`` has shape ``(m, c)``."""
        row = np.array([self._intern(buffer, j, cell) for j, cell in enumerate(cells)], np.int32)
        n = len(kept) * (len(self.fill) if fills is None else 1)
        write_cells(buffer.codes[at : at + n], self.fill, row, kept, fills)

    def _intern(self, buffer: _CodedBuffer, j: int, cell: Any) -> int:
        pool, added = self.pools[j], buffer.added[j]
        if cell in pool.codes:
            return pool.codes[cell]
        if cell not in added:
            added[cell] = len(pool.codes) + len(added)
            buffer.values[j].append(cell)
        return added[cell]

    def show(self, buffer: _CodedBuffer, n: int) -> list[Any]:
        """Return the first ``n`` cells of each column, in the column's own type."""
        return [
            pool.make(buffer.codes[:n, j].astype(np.intp), buffer.values[j])
            for j, pool in enumerate(self.pools)
        ]


def _code(pool: Pool, cell: Any, name: str) -> int | None:
    try:
        return pool.codes.get(cell)
    except TypeError as error:
        raise InputError(
            f"x has {shown(cell)} in column {name!r}; values of such columns must be hashable."
        ) from error


def _scalar(value: Any, dtype: np.dtype[Any], name: str) -> Any:
    """Return ``value`` as something numpy casts to ``dtype`` without a change of meaning."""
    if dtype.kind in "mM":
        try:
            return np.array(np.nan if value is None else value, dtype)
        except (TypeError, ValueError) as error:
            raise InputError(_wrong_type(name, value, dtype)) from error
    if is_missing(value):
        return np.nan
    item = np.asarray(value)
    if item.ndim or item.dtype.kind not in "fiub":
        raise InputError(_wrong_type(name, value, dtype))
    return item.item()


def _missing(cells: NDArray[Any]) -> BoolArray:
    if cells.dtype.kind == "O":
        marks = [is_missing(value) for value in cells.ravel()]
        return np.array(marks, dtype=bool).reshape(cells.shape)
    if cells.dtype.kind in "fmM":
        return cells != cells
    return np.zeros(cells.shape, dtype=bool)


def _objects_differ(fill: NDArray[Any], cells: NDArray[Any]) -> BoolArray:
    def differ(a: Any, b: Any) -> bool:
        if is_missing(a) or is_missing(b):
            return is_missing(a) != is_missing(b)
        return a is not b and bool(np.any(a != b))

    rows = [[differ(a, b) for a, b in zip(line, cells, strict=True)] for line in fill]
    return np.array(rows, dtype=bool).reshape(fill.shape)


def _wrong_type(name: str, value: Any, dtype: np.dtype[Any]) -> str:
    return (
        f"x has {shown(value)} in column {name!r}, which holds {dtype} in the background. "
        "Correct the value, or give the background a type that can hold it."
    )


def _unexpected_missing(name: str) -> str:
    return (
        f"x is missing (NaN) in column {name!r}, where the background has no missing value. "
        "Fill it in, or use a background with missing values there."
    )
