"""Whether other rows would have led to another tree."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from sklearn.metrics import adjusted_rand_score

from blackbox_xai._parallel import child_rng, pmap
from blackbox_xai.protocols import FloatArray, IntArray
from blackbox_xai.surrogates.copies import row_weights
from blackbox_xai.surrogates.nodes import cut, route
from blackbox_xai.surrogates.search import Growth, Material, Plan, build, say

__all__ = ["Stability", "bootstrap_stability"]


@dataclass(frozen=True, kw_only=True)
class Stability:
    """How alike trees from bootstrap resamples are, on the reference rows; means over pairs.

    Parameters
    ----------
    disagreement : float
        Mean squared difference of two trees, as a share of the model's variance: 0 is perfect.
    leaf_rand : float
        Adjusted Rand index of the groups that their leaves form: 1 is perfect.
    feature_overlap : float
        Columns used by both trees, as a share of those used by either.
    n_boot : int
    """

    disagreement: float
    leaf_rand: float
    feature_overlap: float
    n_boot: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def bootstrap_stability(
    material: Material,
    plan: Plan,
    growth: Growth,
    strength: float,
    *,
    n_boot: int,
    n_jobs: int,
    seed: int,
) -> Stability:
    """Grow a tree on each of ``n_boot`` resamples and compare them in pairs."""
    shared = (material, plan, growth, strength, seed)
    trees: list[Any] = [None] * n_boot
    for i, tree in pmap(_resampled, shared, list(range(n_boot)), n_jobs=n_jobs):
        trees[i] = tree
    truth = material.scores[: material.n_reference]
    variance = float(((truth - truth.mean(axis=0)) ** 2).sum(axis=1).mean())
    pairs = list(combinations(trees, 2))
    apart = float(np.mean([((a[0] - b[0]) ** 2).sum(axis=1).mean() for a, b in pairs]))
    return Stability(
        disagreement=apart / variance if variance > 0 else 0.0,
        leaf_rand=float(np.mean([adjusted_rand_score(a[1], b[1]) for a, b in pairs])),
        feature_overlap=float(np.mean([_overlap(a[2], b[2]) for a, b in pairs])),
        n_boot=n_boot,
    )


def _resampled(shared: Any, i: int) -> tuple[FloatArray, IntArray, set[int]]:
    """Return what a tree of one resample says, its leaves, and the columns it uses."""
    material, plan, growth, strength, seed = shared
    rng = child_rng(seed, i)
    n = material.n_reference
    picks = np.sort(rng.integers(n, size=n))
    inside = np.isin(material.group[material.parents], material.group[picks]).all(axis=1)
    group = np.unique(material.group[picks], return_inverse=True)[1]
    resample = Material(
        design=np.concatenate([material.design[picks], material.design[n:][inside]]),
        scores=np.concatenate([material.scores[picks], material.scores[n:][inside]]),
        parents=np.zeros((int(inside.sum()), 3), dtype=np.intp),
        group=group,
        weight=row_weights(group),
    )
    nodes, lines = build(resample, plan, growth, rng)
    nodes = cut(nodes, growth.max_leaves)
    design = material.design[:n]
    used = {int(feature) for feature in nodes.feature if feature >= 0}
    return say(nodes, lines, strength, design), route(nodes, design), used


def _overlap(a: set[int], b: set[int]) -> float:
    return len(a & b) / len(a | b) if a | b else 1.0
