"""Fills tell something of each other: what few pairs leave open in one, others have seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from blackbox_xai.explainers.shapley.blocks import Block
from blackbox_xai.protocols import FloatArray
from blackbox_xai.solvers.kriging import OddMap
from blackbox_xai.solvers.pooling import pool

__all__ = ["Solved", "error_shape", "pool_fills", "pools"]

_MOST_PAIRS = 4  # for each feature, from which fills are better left alone
_FEWEST = 6  # fills
_CELLS = 1 << 18  # of the covariances held
_WORK = 1 << 26  # multiplications of one step, for all outputs
_OWN = 0.5  # of the size of a fill's error is its own, the rest that of all fills


@dataclass(frozen=True, eq=False)
class Solved:
    """What the scores of a block's fills say.

    Parameters
    ----------
    block : Block
    values : ndarray of shape (f, d, k)
    variance : ndarray of shape (g, d, k)
        Of the values of the first ``g`` fills.
    total : ndarray of shape (f, k)
    shape : ndarray of shape (f, d, d)
        How the errors of features go together, up to a factor; of no fills when they are not
        to be pooled.
    """

    block: Block
    values: FloatArray
    variance: FloatArray
    total: FloatArray
    shape: FloatArray


def pools(block: Block, k: int, held: int) -> bool:
    """Whether the fills of a block, with ``held`` others, are worth pooling."""
    f, d = block.place.shape
    f += held
    few = block.odd_map.n_pairs <= _MOST_PAIRS * block.odd_map.n_features
    return few and f * d * d <= _CELLS and k * f * d**3 <= _WORK


def error_shape(block: Block, odd_map: OddMap) -> FloatArray:
    """Return the covariance ``(f, d, d)`` of errors if all pairs have residuals of size 1."""
    shape = np.pad(odd_map.weights @ odd_map.weights.T, (0, 1))
    return np.asarray(shape[block.place[:, :, None], block.place[:, None, :]])


def pool_fills(solved: Sequence[Solved]) -> list[Solved]:
    """Return the fills with values and variances that lean on each other's."""
    sizes = [len(s.values) for s in solved]
    measured = [_all_variances(s) for s in solved]
    if sum(sizes) < _FEWEST or any(not np.isfinite(m).all() for m in measured):
        return list(solved)
    values, variance = np.concatenate([s.values for s in solved]), np.concatenate(measured)
    shape = np.concatenate([s.shape for s in solved])
    share = np.concatenate([s.block.share for s in solved])
    active = np.concatenate([s.block.place < s.block.odd_map.n_features for s in solved])
    for j in range(values.shape[2]):
        size = variance[:, :, j].sum(axis=1) / np.maximum(np.einsum("gii->g", shape), 1e-300)
        size = _OWN * size + (1 - _OWN) * size.mean()
        if (unit := float(np.sqrt(size.mean()))) > 0:
            errors = shape * (size / unit**2)[:, None, None]
            best, shrink = pool(values[:, :, j] / unit, errors, active, share)
            values[:, :, j] = best * unit
            # Fills are not quite draws about one mean: half of the gain is counted.
            variance[:, :, j] *= (1 + shrink) / 2
    ends = np.cumsum(sizes)[:-1]
    parts = zip(solved, np.split(values, ends), np.split(variance, ends), strict=True)
    return [replace(s, values=value, variance=error) for s, value, error in parts]


def _all_variances(solved: Solved) -> FloatArray:
    """Return a variance for every fill, the mean where it was not computed."""
    values, known = solved.values, solved.variance
    if len(known) == len(values):
        return known.copy()
    rest = known.mean(axis=0) if len(known) else np.full(values.shape[1:], np.nan)
    return np.concatenate([known, np.broadcast_to(rest, (len(values) - len(known), *rest.shape))])
