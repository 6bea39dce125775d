"""Columns that no numpy array holds, as codes into pools of values.

Categories, strings, nullable numbers, dates with a zone: masking moves integer codes, which are
turned back into columns when the model is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import shown
from blackbox_xai.errors import InputError
from blackbox_xai.maskers._cells import is_missing, unexpected_missing, unseen, write_cells
from blackbox_xai.maskers.closeness import by_equality
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray

__all__ = ["CodedBlock", "Pool"]


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
    hold : callable
        Returns a value as the column's type holds it; raises when it cannot.
    """

    codes: dict[Any, int]
    make: Callable[[IntArray, list[Any]], Any]
    hold: Callable[[Any], Any]
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
            raise InputError(unexpected_missing(name))
        if not pool.open:
            raise InputError(unseen(name, value, [v for v in pool.codes if v is not None]))
        refusal = f"x has {shown(value)} in column {name!r}, which the column's type cannot hold"
        try:
            held = pool.hold(value)
        except Exception as error:
            raise InputError(f"{refusal}: {shown(str(error), 120)}") from error
        if held != value:
            raise InputError(f"{refusal}; it would become {shown(held)}.")

    def varies(self, cells: tuple[Any, ...]) -> BoolArray:
        """Return where the background differs from ``x``, shape ``(r, c)``."""
        differs: BoolArray = self.fill != self._known_codes(cells)
        return differs

    def _known_codes(self, cells: tuple[Any, ...]) -> IntArray:
        """Return the codes of the cells of ``x``, -1 for a value that no fill has."""
        known = zip(cells, self.names, self.pools, strict=True)
        codes = [_code(pool, cell, name) for cell, name, pool in known]
        return np.array([-1 if c is None else c for c in codes], dtype=np.intp)

    def closeness(self, cells: tuple[Any, ...], fills: IntArray) -> FloatArray:
        """Return how close values are, ``(c, 1 + f, 1 + f)``: of ``x``, then of some fills."""
        codes = np.concatenate([self._known_codes(cells)[None], self.fill[fills]])
        return np.stack([by_equality(column) for column in codes.T])

    def contrast(self, cells: tuple[Any, ...], weights: FloatArray) -> FloatArray:
        """Return the share of background rows that differ from each cell."""
        share: FloatArray = weights @ self.varies(cells)
        return share

    def write(
        self,
        buffer: _CodedBuffer,
        at: int,
        cells: tuple[Any, ...],
        kept: BoolArray,
        fills: IntArray | None,
    ) -> None:
        """Write masked rows from row ``at`` on; ``kept`` has shape ``(m, c)``."""
        row = self.codes_of(buffer, cells)
        n = len(kept) * (len(self.fill) if fills is None else 1)
        write_cells(buffer.codes[at : at + n], self.fill, row, kept, fills)

    def codes_of(self, buffer: _CodedBuffer, cells: tuple[Any, ...]) -> NDArray[np.int32]:
        """Return the codes of the cells of ``x``, shape ``(c,)``; new ones join the buffer."""
        return np.array([self._intern(buffer, j, cell) for j, cell in enumerate(cells)], np.int32)

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
