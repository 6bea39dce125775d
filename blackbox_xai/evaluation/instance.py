"""The faithfulness of several attributions of one input, from one stream of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from blackbox_xai.evaluation.metrics import (
    area,
    cut_sizes,
    infidelity,
    keep_least,
    keep_most,
    pearson,
    ranks,
    shares,
)
from blackbox_xai.evaluation.queries import choose_fills, score
from blackbox_xai.evaluation.references import input_map, occlusion_map, random_map
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray, MaskedInput
from blackbox_xai.values import Steps

__all__ = ["METRICS", "Measured", "Plan", "measure"]

METRICS = (
    "abpc",
    "comprehensiveness",
    "sufficiency",
    "faithfulness_correlation",
    "infidelity",
    "deletion",
    "insertion",
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is asked about each input.

    Parameters
    ----------
    n_steps : int
        Steps of the deletion and insertion curves.
    n_subsets : int
        Random sets of features for the correlation, and as many for infidelity.
    max_fills : int
        Fills that each coalition is scored under, at most.
    references : tuple of str
        Reference maps to add.
    """

    n_steps: int
    n_subsets: int
    max_fills: int
    references: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Measured:
    """Faithfulness of ``a`` attributions of one input.

    Parameters
    ----------
    scores : ndarray of shape (a, len(METRICS))
    curves : ndarray of shape (2, a, n_steps + 1)
        Deletion and insertion curves, at equal steps of the share of features.
    """

    scores: FloatArray
    curves: FloatArray


def measure(
    values: Sequence[FloatArray], masked: MaskedInput, plan: Plan, rng: np.random.Generator
) -> Steps[Measured]:
    """Yield queries; return the faithfulness of attributions ``values``, each ``(d,)``.

    The value function must keep one output. The same random sets and fills serve every
    attribution, so that methods are compared in pairs.
    """
    d = len(masked.feature_names)
    fills = choose_fills(masked, plan.max_fills, rng)
    maps = list(values)
    for name in plan.references:
        if name == "occlusion":
            maps.append((yield from occlusion_map(d, fills)))
        else:
            maps.append(random_map(d, rng) if name == "random" else input_map(masked))
    alike = _subsets(np.full(plan.n_subsets, -(-d // 4), dtype=np.intp), d, rng)
    varied = _subsets(rng.integers(1, d + 1, plan.n_subsets), d, rng)
    ties = rng.random(d)
    place = [ranks(phi, ties) for phi in maps]
    cuts, few = cut_sizes(d, plan.n_steps), shares(d)
    asked = [np.ones((1, d), dtype=bool), ~alike, ~varied]
    for rank in place:
        asked += [keep_least(rank, cuts), keep_most(rank, cuts)]
        asked += [keep_least(rank, few), keep_most(rank, few)]
    scores = (yield from score(np.concatenate(asked), fills))[:, 0]
    parts = np.split(scores, np.cumsum([len(part) for part in asked])[:-1])
    whole, drops_alike, drops_varied = parts[0][0], parts[0] - parts[1], parts[0] - parts[2]
    steps = np.linspace(0, 1, plan.n_steps + 1)
    rows, curves = [], []
    for i, phi in enumerate(maps):
        deletion, insertion, without, alone = parts[3 + 4 * i : 7 + 4 * i]
        lost, gained = area(cuts / d, np.stack([deletion, insertion]))
        correlation = pearson(alike @ phi, drops_alike)
        unexplained = infidelity(varied @ phi, drops_varied)
        comprehensive, sufficient = whole - without.mean(), whole - alone.mean()
        # insertion is deletion of the least important first, read backwards: equal areas
        row = (gained - lost, comprehensive, sufficient, correlation, unexplained, lost, gained)
        rows.append(row)
        curves.append([np.interp(steps, cuts / d, curve) for curve in (deletion, insertion)])
    return Measured(np.array(rows), np.array(curves).transpose(1, 0, 2))


def _subsets(sizes: IntArray, d: int, rng: np.random.Generator) -> BoolArray:
    """Return random sets of these sizes, shape ``(n, d)``."""
    order = rng.random((len(sizes), d)).argsort(axis=1).argsort(axis=1)
    chosen: BoolArray = order < sizes[:, None]
    return chosen
