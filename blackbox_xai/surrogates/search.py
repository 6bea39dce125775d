"""Which rows to learn from, and how much to shrink: decided by cross-validation, free of queries.

A synthetic row counts as seen by a fold when any of the reference rows it was made from lies in
that fold, so cross-validation needs no model rows of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blackbox_xai.protocols import BoolArray, FloatArray, IntArray
from blackbox_xai.surrogates.lines import Lines, constant_lines, evaluate, fit_lines
from blackbox_xai.surrogates.nodes import Nodes, cut, grow, refit, route, shrink, tidy

__all__ = [
    "STANDING",
    "STRENGTHS",
    "Growth",
    "Material",
    "Plan",
    "Searched",
    "build",
    "preferred",
    "say",
    "search",
]

STRENGTHS = (0.0, 0.005, 0.02, 0.08, 0.2)  # shares of the weight of all rows
STANDING = 0.02
_SURE, _LIKELY = 5.0, 1.0  # standard errors over the folds, which are few
_MATTERS = 0.02  # of R2, or half of what is lost


@dataclass(frozen=True, eq=False)
class Material:
    """Rows with known scores: first the reference rows, then the synthetic ones.

    Parameters
    ----------
    design : ndarray of shape (n + m, p)
    scores : ndarray of shape (n + m, k)
    parents : ndarray of shape (m, 3)
        Reference rows that each synthetic row was made from.
    group : ndarray of shape (n,)
        Which reference rows are copies of each other: those with the same number.
    weight : ndarray of shape (n,)
        How much each reference row counts.
    """

    design: FloatArray
    scores: FloatArray
    parents: IntArray
    group: IntArray
    weight: FloatArray

    @property
    def n_reference(self) -> int:
        """Number of reference rows."""
        return len(self.group)


@dataclass(frozen=True)
class Plan:
    """Whether synthetic rows are used, and the share of the weight that reference rows get."""

    name: str
    synthetic: bool = True
    reference_share: float | None = None


@dataclass(frozen=True, eq=False)
class Growth:
    """Settings of the student."""

    max_leaves: int
    min_leaf: int
    terms: int


@dataclass(frozen=True, eq=False)
class Searched:
    """What cross-validation found.

    Parameters
    ----------
    plan : Plan
    strength : float
    said : ndarray of shape (sizes, n, k)
        Cross-fitted predictions of the reference rows, for each number of leaves.
    errors : ndarray of shape (sizes, folds)
        Their squared errors, summed over rows and outputs.
    n_leaves : tuple of int
    r2_by_plan : dict
    """

    plan: Plan
    strength: float
    said: FloatArray
    errors: FloatArray
    n_leaves: tuple[int, ...]
    r2_by_plan: dict[str, float]


def select(material: Material, plan: Plan, held_out: BoolArray) -> tuple[BoolArray, FloatArray]:
    """Return which rows a plan may use when some reference rows are held out, and weights."""
    n = material.n_reference
    clean = ~held_out[material.parents].any(axis=1)
    used = np.concatenate([~held_out, clean & plan.synthetic])
    weights = np.concatenate([material.weight, np.ones(len(used) - n)])
    real, n_made = float(weights[:n][used[:n]].sum()), int(used[n:].sum())
    if plan.reference_share is not None and n_made:
        goal = plan.reference_share / (1 - plan.reference_share) * n_made
        weights[:n] *= max(goal / max(real, 1.0), 1.0)
    return used, weights[used]


def build(
    material: Material,
    plan: Plan,
    growth: Growth,
    rng: np.random.Generator,
    held_out: BoolArray | None = None,
) -> tuple[Nodes, Lines | None]:
    """Grow one tree; with linear leaves, also the line of every node."""
    if held_out is None:
        held_out = np.zeros(material.n_reference, dtype=bool)
    used, weights = select(material, plan, held_out)
    design, scores = material.design[used], material.scores[used]
    nodes = grow(
        design, scores, weights, max_leaves=growth.max_leaves, min_leaf=growth.min_leaf, rng=rng
    )
    nodes = tidy(nodes, design.std(axis=0))
    nodes = refit(nodes, design, scores, weights)
    lines = fit_lines(nodes, design, scores, weights, growth.terms) if growth.terms else None
    return nodes, lines


def say(nodes: Nodes, lines: Lines | None, strength: float, design: FloatArray) -> FloatArray:
    """Return what a tree says of rows ``design``."""
    shrunk = constant_lines(shrink(nodes, strength * nodes.weight[0])) if lines is None else lines
    return evaluate(shrunk, route(nodes, design), design)


def search(
    material: Material,
    plans: list[Plan],
    growth: Growth,
    *,
    n_leaves: int,
    grid: tuple[int, ...],
    folds: IntArray,
    seed: int,
) -> Searched:
    """Try every plan and strength on held-out folds; keep the best at ``n_leaves``.

    Synthetic rows and a little shrinkage make trees that other rows would have led to as well, so
    these stand unless the best is better by more than five standard errors over the folds, or
    doing without synthetic rows by one: no tree may be far behind a plain one. Gains too small
    to matter count for nothing: to follow them makes trees that hang on the luck of the folds.

    Parameters
    ----------
    grid : tuple of int
        Numbers of leaves for which errors are kept; contains ``n_leaves``.
    folds : ndarray of shape (n,)
        Fold of each reference row.
    """
    strengths = STRENGTHS if not growth.terms else (0.0,)
    n, k = material.n_reference, material.scores.shape[1]
    said = np.empty((len(plans), len(strengths), len(grid), n, k))
    for fold in range(int(folds.max()) + 1):
        held_out = folds == fold
        tested = material.design[:n][held_out]
        for p, plan in enumerate(plans):
            rng = np.random.default_rng([seed, fold])
            nodes, lines = build(material, plan, growth, rng, held_out)
            for at, size in enumerate(grid):
                small = cut(nodes, size)
                for s, strength in enumerate(strengths):
                    said[p, s, at, held_out] = say(small, lines, strength, tested)
    square = ((material.scores[:n] - said) ** 2).sum(axis=-1)
    by_fold = np.stack([square[..., folds == f].sum(-1) for f in range(folds.max() + 1)], axis=-1)
    at_size = by_fold[:, :, grid.index(n_leaves)]
    spread = material.scores[:n] - material.scores[:n].mean(axis=0)
    lost = at_size / max(float((spread**2).sum()), np.finfo(float).tiny)
    p, s = preferred(lost, plans, strengths)
    by_plan = 1.0 - lost.sum(axis=-1).min(axis=1)
    return Searched(
        plan=plans[p],
        strength=strengths[s],
        said=said[p, s],
        errors=by_fold[p, s],
        n_leaves=grid,
        r2_by_plan={plan.name: float(r2) for plan, r2 in zip(plans, by_plan, strict=True)},
    )


def preferred(lost: FloatArray, plans: list[Plan], strengths: tuple[float, ...]) -> tuple[int, int]:
    """Return the numbers of the plan and the strength to keep.

    Without synthetic rows nothing stands, and the best is taken.

    Parameters
    ----------
    lost : ndarray of shape (plans, strengths, folds)
        Squared errors as shares of the model's variance; they sum to 1 - R2 over the folds.
    """
    p, s = divmod(int(lost.sum(axis=-1).argmin()), len(strengths))
    standing = 1, strengths.index(STANDING) if STANDING in strengths else 0
    if len(plans) == 1:
        return p, s
    if not _better(lost[p, s], lost[standing], _SURE):
        p, s = standing
    plain = int(lost[0].sum(axis=-1).argmin())
    return (0, plain) if _better(lost[0, plain], lost[p, s], _LIKELY) else (p, s)


def _better(lost: FloatArray, than: FloatArray, margin: float) -> bool:
    """Say whether less is lost ``(folds,)``, by enough to matter and by ``margin`` errors."""
    gain = than - lost
    sure = gain.mean() > margin * gain.std(ddof=1) / np.sqrt(len(gain))
    return bool(sure and gain.sum() > min(_MATTERS, than.sum() / 2))
