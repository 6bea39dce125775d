"""Arithmetic whose last bit does not depend on the other rows of the call.

Matrix products round differently for different numbers of rows. Everything that scores a row is
therefore computed on blocks of one size, the last one filled up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK", "NearRows", "Scaling", "by_blocks"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

BLOCK = 192


def by_blocks(function: Callable[[FloatArray], FloatArray], rows: FloatArray) -> FloatArray:
    """Return ``function(rows)``, computed on blocks of ``BLOCK`` rows."""
    parts = []
    for start in range(0, len(rows), BLOCK):
        piece = rows[start : start + BLOCK]
        block = np.zeros((BLOCK, *rows.shape[1:]))
        block[: len(piece)] = piece
        block[len(piece) :] = rows[0]
        parts.append(function(block)[: len(piece)])
    return np.concatenate(parts)


@dataclass(frozen=True, eq=False)
class Scaling:
    """Centre and spread of columns; the spread of a nearly constant column is raised."""

    centre: FloatArray
    spread: FloatArray

    @classmethod
    def learn(cls, rows: FloatArray, floor: float = 0.05) -> Scaling:
        """Learn from rows ``(n, p)``; no spread is below ``floor`` times the median spread."""
        spread = rows.std(axis=0)
        positive = spread[spread > 0]
        least = floor * float(np.median(positive)) if len(positive) else 1.0
        return cls(rows.mean(axis=0), np.maximum(spread, least))

    def __call__(self, rows: FloatArray) -> FloatArray:
        """Return scaled rows."""
        return (rows - self.centre) / self.spread


@dataclass(frozen=True, eq=False)
class NearRows:
    """Finds the nearest of the rows it has learnt, in scaled columns."""

    scaling: Scaling
    rows: FloatArray
    squares: FloatArray

    @classmethod
    def learn(cls, rows: FloatArray) -> NearRows:
        """Learn from rows ``(n, p)``."""
        scaling = Scaling.learn(rows)
        z = scaling(rows)
        return cls(scaling, z, (z**2).sum(axis=1))

    def find(self, block: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
        """Return numbers and squared distances ``(n, k)`` of the ``k`` nearest, nearest first.

        Candidates come from the fast formula, a few more than asked for; their distances are
        then computed anew, so that equal rows are at distance 0. Ties go to the lower number.
        """
        z = self.scaling(block)
        near = np.sort(self._candidates(z, min(k + 3, len(self.rows))), axis=1)
        gaps = np.stack([((z - self.rows[column]) ** 2).sum(axis=1) for column in near.T], axis=1)
        order = np.argsort(gaps, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(near, order, axis=1), np.take_along_axis(gaps, order, axis=1)

    def _candidates(self, z: FloatArray, wanted: int) -> IntArray:
        if wanted == len(self.rows):
            return np.tile(np.arange(wanted), (len(z), 1))
        rough = self.squares - 2.0 * (z @ self.rows.T)
        return np.argpartition(rough, wanted - 1, axis=1)[:, :wanted]
