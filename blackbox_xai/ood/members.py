"""Scores of strangeness: what one column says of the others, how near the nearest rows are, range.

Each member is learnt from rows ``(n, p)`` and scores blocks of rows, each row on its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from blackbox_xai._rowwise import NearRows, Scaling
from blackbox_xai.protocols import FloatArray

__all__ = ["Conditional", "Member", "Nearest", "Range"]

_RIDGES = 10.0 ** np.linspace(-4, 1, 11)
_MANY = 100


class Member(Protocol):
    """Scores rows, higher = stranger."""

    def score(self, rows: FloatArray) -> FloatArray:
        """Return scores of shape ``(n,)``."""


@dataclass(frozen=True, eq=False)
class Conditional:
    """How far each column is from what all the others say it should be.

    With the precision matrix ``P = (S + lambda I)^-1`` of scaled columns, the residual of column
    ``j`` given the others is ``r_j = (P z)_j / P_jj``; ``lambda`` is chosen for each column by
    cross-validation, and ``s_j`` is the residual's size there.
    ``score = sum_j log(1 + (r_j / s_j)^2 / 4)``.

    References
    ----------
    Noto, Brodley, Slonim (2012), FRaC: feature regression and classification; here in closed form.
    """

    scaling: Scaling
    weights: FloatArray

    @classmethod
    def learn(cls, rows: FloatArray, rng: np.random.Generator) -> Conditional:
        """Learn from rows ``(n, p)``."""
        scaling = Scaling.learn(rows)
        z = scaling(rows)
        errors = _cross_validated(z, rng)
        best = errors.argmin(axis=0)
        size = np.maximum(np.sqrt(errors.min(axis=0)), 0.05)
        weights = np.empty((z.shape[1], z.shape[1]))
        spectrum = _spectrum(z)
        for step in np.unique(best):
            chosen = best == step
            weights[:, chosen] = _residual_weights(spectrum, float(_RIDGES[step]))[:, chosen]
        return cls(scaling, weights / size)

    def parts(self, rows: FloatArray) -> FloatArray:
        """Return ``(r_j / s_j)^2`` of each column, shape ``(n, p)``."""
        return np.asarray((self.scaling(rows) @ self.weights) ** 2)

    def score(self, rows: FloatArray) -> FloatArray:
        """Return scores of shape ``(n,)``."""
        return np.asarray(np.log1p(self.parts(rows) / 4.0).sum(axis=1))


def _spectrum(z: FloatArray) -> tuple[FloatArray, FloatArray]:
    values, vectors = np.linalg.eigh(z.T @ z / len(z))
    return np.maximum(values, 0.0), vectors


def _residual_weights(spectrum: tuple[FloatArray, FloatArray], ridge: float) -> FloatArray:
    """Return the matrix that turns scaled rows into residuals, one column for each column."""
    values, vectors = spectrum
    precision = (vectors / (values + ridge)) @ vectors.T
    return np.asarray(precision / np.diag(precision))


def _cross_validated(z: FloatArray, rng: np.random.Generator, folds: int = 5) -> FloatArray:
    """Return mean squared held-out residuals, shape ``(ridges, p)``; inf for ridges not tried."""
    n, p = z.shape
    fold = rng.permutation(n) % min(folds, n)
    errors = np.zeros((len(_RIDGES), p))
    tried = np.arange(len(_RIDGES))[:: 1 if p <= _MANY else 3]
    for f in range(int(fold.max()) + 1):
        held_out = z[fold == f]
        spectrum = _spectrum(z[fold != f])
        for step in tried:
            residual = held_out @ _residual_weights(spectrum, float(_RIDGES[step]))
            errors[step] += (residual**2).sum(axis=0) / n
    errors[np.setdiff1d(np.arange(len(_RIDGES)), tried)] = np.inf
    return errors


@dataclass(frozen=True, eq=False)
class Nearest:
    """Mean distance to the nearest reference rows, in scaled columns."""

    rows: NearRows
    k: int

    @classmethod
    def learn(cls, rows: FloatArray, k: int = 2) -> Nearest:
        """Learn from rows ``(n, p)``."""
        return cls(NearRows.learn(rows), min(k, len(rows)))

    def score(self, rows: FloatArray) -> FloatArray:
        """Return scores of shape ``(n,)``."""
        return np.asarray(np.sqrt(self.rows.find(rows, self.k)[1]).mean(axis=1))


@dataclass(frozen=True, eq=False)
class Range:
    """How far columns are outside everything seen."""

    low: FloatArray
    high: FloatArray
    unit: FloatArray

    @classmethod
    def learn(cls, rows: FloatArray) -> Range:
        """Learn from rows ``(n, p)``."""
        unit = Scaling.learn(rows, floor=0.01).spread
        return cls(rows.min(axis=0), rows.max(axis=0), unit)

    def parts(self, rows: FloatArray) -> FloatArray:
        """Return the overshoot of each column in standard deviations, shape ``(n, p)``."""
        return np.asarray(
            np.maximum(np.maximum(self.low - rows, rows - self.high), 0.0) / self.unit
        )

    def score(self, rows: FloatArray) -> FloatArray:
        """Return scores of shape ``(n,)``."""
        return np.asarray(np.log1p(self.parts(rows)).sum(axis=1))
