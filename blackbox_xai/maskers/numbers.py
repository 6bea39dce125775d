"""The columns of numbers of a background, and what does not depend on the input."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from blackbox_xai.coalitions.quartiles import Quartiles, cut_at_quartiles
from blackbox_xai.maskers.columns import RawBlock
from blackbox_xai.maskers.tables import Table
from blackbox_xai.protocols import BoolArray, FloatArray

__all__ = ["Numbers"]


@dataclass(frozen=True, eq=False)
class Numbers:
    """The columns of numbers of a background, measured once for all inputs.

    Parameters
    ----------
    table : Table
    weights : ndarray of shape (r,)
        Weight of each background row, summing to 1.
    """

    table: Table
    weights: FloatArray

    @cached_property
    def there(self) -> BoolArray:
        """Which columns hold numbers that may take other values, shape ``(d,)``."""
        there = np.zeros(len(self.table.names), dtype=bool)
        for block in self.table.blocks:
            if isinstance(block, RawBlock) and block.fill.dtype.kind in "fiu":
                there[block.columns] = [name not in self.table.categorical for name in block.names]
        return there

    @cached_property
    def whole(self) -> BoolArray:
        """Which of them hold integers, shape ``(d,)``."""
        whole = np.zeros(len(self.table.names), dtype=bool)
        for block in self.table.blocks:
            if isinstance(block, RawBlock) and block.fill.dtype.kind in "iu":
                whole[block.columns] = self.there[block.columns]
        return whole

    def rows(self) -> FloatArray:
        """Return the background, shape ``(r, d)``; 0 in columns without numbers."""
        rows = np.zeros((self.table.n_rows, len(self.table.names)))
        for block in self.table.blocks:
            own = self.there[block.columns]
            if isinstance(block, RawBlock) and own.any():
                rows[:, block.columns[own]] = block.fill[:, own]
        return rows

    @cached_property
    def spread(self) -> FloatArray:
        """Standard deviation of the background, shape ``(d,)``; 0 in columns without numbers."""
        data, weights = self.rows(), self.weights[:, None]
        known = ~np.isnan(data)
        mass = np.maximum((weights * known).sum(axis=0), 1e-300)
        held = np.where(known, data, 0.0)
        mean = (weights * held).sum(axis=0) / mass
        variance = (weights * np.where(known, held - mean, 0.0) ** 2).sum(axis=0) / mass
        return np.asarray(np.sqrt(variance), dtype=np.float64)

    @cached_property
    def quartiles(self) -> Quartiles:
        """The columns of numbers alone, cut at their quartiles."""
        return cut_at_quartiles(self.rows()[:, self.there], self.weights)
