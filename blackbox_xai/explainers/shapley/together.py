"""Fills solved together: all are the same model, which one process describes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from blackbox_xai.coalitions.shapley import n_all_pairs
from blackbox_xai.explainers.shapley.alike import Solved
from blackbox_xai.explainers.shapley.fitting import Scored
from blackbox_xai.explainers.shapley.maps import left_open
from blackbox_xai.protocols import Closeness, FloatArray, IntArray
from blackbox_xai.solvers.shared_process import Sight, shared_values

__all__ = ["need_others", "solve_together"]

_MOST_FEATURES = 300
_MOST_PAIRS = 1200  # in one process; its cost is their cube
_WORK = 3e10  # pairs of all fills times the square of those in one process
_STRENGTH = 10.0  # sum of the scales: how much weight interactions have
_LEAST, _MOST = 0.02, 20.0  # of a feature's size, relative to the mean
_POWER = 0.75  # of a feature's size in its scale
_UNSURE = 1.25
_OPEN = 0.4  # of the variance: where a fill's own pairs leave less, they need no help


def solve_together(
    scored: Sequence[Scored], solved: Sequence[Solved], closeness: Closeness
) -> tuple[FloatArray, FloatArray] | None:
    """Return the weighted sum of the values of all fills, and its variance, both ``(d, k)``.

    None where the fills are too few or their designs too large.

    Parameters
    ----------
    scored, solved : sequence
        Blocks of fills, and what each fill says by itself.
    closeness : Closeness
    """
    index = [(s, i) for s, block in enumerate(scored) for i in range(len(block.block.fills))]
    if not index:
        return None
    pairs = np.array([scored[s].block.odd_map.n_pairs + 1 for s, _ in index])
    d, k = solved[0].values.shape[1:]
    most = min(_MOST_PAIRS, np.sqrt(_WORK / pairs.sum()))
    if 2 * pairs.max() > most or len(index) < 2 or d > _MOST_FEATURES:
        return None
    scales = _scales(solved)
    values, variance = np.zeros((2, d, k))
    for group in _groups(pairs, most):
        members = [index[at] for at in group]
        fills = np.array([scored[s].block.fills[i] for s, i in members], dtype=np.intp)
        sights = [_sight(scored[s], solved[s].values[i], i) for s, i in members]
        more, error = shared_values(sights, closeness(fills), scales)
        guess = sum(
            (t.share * solved[s].values[i] for t, (s, i) in zip(sights, members, strict=True)), 0.0
        )
        values += guess + more
        variance += error * np.mean([_open(len(t.kept), int(t.active.sum())) for t in sights])
    return values, variance


def need_others(scored: Sequence[Scored]) -> bool:
    """Whether some fill's own pairs leave so much open that those of others can tell more."""
    maps = [s.block.odd_map for s in scored]
    return any(left_open(m.n_features, m.n_pairs) > _OPEN for m in maps if m.n_features > 1)


def _groups(pairs: IntArray, most: float) -> Iterator[IntArray]:
    """Yield runs of fills with about equal numbers of pairs, none with more than ``most``."""
    n_groups = int(np.ceil(pairs.sum() / (most - pairs.max())))
    number = (np.cumsum(pairs) - pairs) * n_groups // pairs.sum()
    for group in range(n_groups):
        if len(members := np.flatnonzero(number == group)):
            yield members


def _sight(scored: Scored, guess: FloatArray, i: int) -> Sight:
    """Return what was scored of fill ``i`` of a block, less the guess ``(d, k)``."""
    block = scored.block
    kept = block.odd_map.kept(block.place[[i]], 0, block.odd_map.n_pairs)[:, 0]
    odd = scored.odd[:, i] - np.where(kept, 0.5, -0.5) @ guess
    active = block.place[i] < block.odd_map.n_features
    return Sight(kept, odd, active, float(block.share[i]))


def _scales(solved: Sequence[Solved]) -> FloatArray:
    """Return how much each feature takes part in interactions: the more, the more it does."""
    square = np.concatenate([(s.values**2) for s in solved]).mean(axis=0)
    size = np.sqrt((square / np.maximum(square.mean(axis=0), 1e-300)).mean(axis=1))
    size = np.clip(size / max(size.mean(), 1e-300), _LEAST, _MOST) ** _POWER
    return np.asarray(_STRENGTH / size.sum() * size)


def _open(n_pairs: int, n: int) -> float:
    """Return the factor on the variance for pairs that are not left to chance.

    And for the scales, which are taken for known.
    """
    return _UNSURE * (1 - n_pairs / n_all_pairs(n))
