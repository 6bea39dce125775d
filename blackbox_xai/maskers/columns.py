"""Columns of one numpy dtype as a matrix that masked rows are written into."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.errors import InputError
from blackbox_xai.maskers._cells import (
    find_missing,
    is_missing,
    objects_differ,
    unexpected_missing,
    unseen,
    write_cells,
    wrong_type,
)
from blackbox_xai.maskers._select import select_pairs, selects_bits
from blackbox_xai.maskers.closeness import by_equality, by_rank
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray

__all__ = ["RawBlock"]


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
    may_miss : ndarray of shape (c,)
        Which columns may hold missing values.
    categories : dict
        Values allowed in columns that were declared categorical, by place in the block.
    """

    columns: IntArray
    names: tuple[str, ...]
    fill: NDArray[Any]
    order: str
    may_miss: BoolArray
    categories: dict[int, list[Any]]

    @classmethod
    def read(
        cls,
        columns: list[int],
        names: tuple[str, ...],
        fill: NDArray[Any],
        order: str,
        categorical: frozenset[str],
    ) -> RawBlock:
        """Return the block of ``columns`` of a table with these column names."""
        chosen = tuple(names[j] for j in columns)
        missing = find_missing(fill)
        categories = {
            i: list(dict.fromkeys(fill[~missing[:, i], i].tolist()))
            for i, name in enumerate(chosen)
            if name in categorical
        }
        place = np.array(columns, dtype=np.intp)
        return cls(place, chosen, fill, order, np.logical_or.reduce(missing, axis=0), categories)

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
            cells = self._cast(np.array(scalars)) if dtype.kind in "fiub" else np.array(scalars)
            cells = cells.astype(dtype, copy=False)
        self._check(cells)
        return cells

    def _cast(self, values: NDArray[Any]) -> NDArray[Any]:
        dtype = self.fill.dtype
        if dtype.kind not in "fiub":
            raise InputError(wrong_type(self.names[0], values[0], dtype))
        if dtype.kind == "f":
            with np.errstate(over="ignore"):
                return values.astype(dtype)
        missing = np.flatnonzero(~np.isfinite(values))
        if len(missing):
            name, value = self.names[missing[0]], values[missing[0]]
            unexpected = unexpected_missing(name) if np.isnan(value) else None
            raise InputError(unexpected or wrong_type(name, value, dtype))
        with np.errstate(invalid="ignore"):
            cells = values.astype(dtype)
        changed = np.flatnonzero(cells != values)
        if len(changed):
            raise InputError(wrong_type(self.names[changed[0]], values[changed[0]], dtype))
        return cells

    def _check(self, cells: NDArray[Any]) -> None:
        if cells.dtype.kind == "f":
            infinite = np.flatnonzero(np.isinf(cells))
            if len(infinite):
                raise InputError(
                    f"x is infinite in column {self.names[infinite[0]]!r}; "
                    f"values must be finite in {cells.dtype}."
                )
        missing = find_missing(cells)
        unexpected = np.flatnonzero(missing & ~self.may_miss)
        if len(unexpected):
            raise InputError(unexpected_missing(self.names[unexpected[0]]))
        for i, known in self.categories.items():
            if not missing[i] and cells[i] not in known:
                raise InputError(unseen(self.names[i], cells[i], known))

    def varies(self, cells: NDArray[Any]) -> BoolArray:
        """Return where the background differs from ``x``, shape ``(r, c)``; NaN equals NaN."""
        if self.fill.dtype.kind == "O":
            return objects_differ(self.fill, cells)
        differs: BoolArray = self.fill != cells
        if self.fill.dtype.kind in "fmM":
            both = np.flatnonzero(find_missing(cells))
            differs[:, both] = ~find_missing(self.fill[:, both])
        return differs

    def contrast(self, cells: NDArray[Any], weights: FloatArray) -> FloatArray:
        """Return how far each cell is from the background: standard deviations, or a share.

        One background row has no deviation: there, numbers count by plain distance.
        """
        share: FloatArray = weights @ self.varies(cells)
        if self.fill.dtype.kind not in "fiu":
            return share
        fill, row = self.fill.astype(np.float64), cells.astype(np.float64)
        there = ~np.isnan(fill) & ~np.isnan(row)
        distance = weights @ np.abs(np.where(there, fill - row, 0.0))
        mean = weights @ np.where(there, fill, 0.0)
        spread = np.sqrt(weights @ np.where(there, (fill - mean) ** 2, 0.0))
        spread = np.where(len(fill) == 1, 1.0, spread)
        measured = there.all(axis=0) & (spread > 0)
        return np.where(measured, distance / np.where(spread > 0, spread, 1.0), share)

    def closeness(self, cells: NDArray[Any], fills: IntArray) -> FloatArray:
        """Return how close values are, ``(c, 1 + f, 1 + f)``: of ``x``, then of some fills."""
        values = np.concatenate([cells[None], self.fill[fills]])
        ordered = self.fill.dtype.kind in "fiu"
        parts = [
            by_rank(values[:, j], self.fill[:, j])
            if ordered and j not in self.categories
            else by_equality(values[:, j])
            for j in range(len(self.columns))
        ]
        return np.stack(parts)

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

    @property
    def writes_pairs(self) -> bool:
        """Whether ``write_pairs`` can be used."""
        return self.order == "C" and selects_bits(self.fill.dtype)

    def write_pairs(
        self,
        buffer: NDArray[Any],
        at: int,
        cells: NDArray[Any],
        kept: BoolArray,
        fills: IntArray,
        always: BoolArray,
    ) -> None:
        """Write coalitions ``(p, f, c)`` and complements; ``always`` ``(f, c)`` are kept in both.

        Rows are ordered by pair, then coalition and complement, then fill.
        """
        fill = np.where(always, cells, self.fill[fills])
        select_pairs(buffer[at : at + 2 * kept.shape[0] * len(fills)], fill, cells, kept)

    def show(self, buffer: NDArray[Any], n: int) -> list[Any]:
        """Return the first ``n`` cells of each column."""
        return [buffer[:n, j] for j in range(len(self.columns))]


def _scalar(value: Any, dtype: np.dtype[Any], name: str) -> Any:
    """Return ``value`` as something numpy casts to ``dtype`` without a change of meaning."""
    if dtype.kind in "mM":
        try:
            return np.array("NaT" if is_missing(value) else value, dtype)
        except (TypeError, ValueError) as error:
            raise InputError(wrong_type(name, value, dtype)) from error
    if is_missing(value):
        return np.nan
    item = np.asarray(value)
    if item.ndim or item.dtype.kind not in "fiub":
        raise InputError(wrong_type(name, value, dtype))
    return item.item()
