"""One round of coalitions, from a plan to values with standard errors; memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from blackbox_xai.explainers.shapley.blocks import (
    Block,
    Hidden,
    Orders,
    any_order,
    cut_blocks,
    score_pieces,
)
from blackbox_xai.explainers.shapley.plan import MIN_REGRESSION, Plan
from blackbox_xai.explainers.shapley.sums import Sums
from blackbox_xai.protocols import BoolArray, FloatArray
from blackbox_xai.solvers.student import student_factor
from blackbox_xai.values import Steps, ValueFunction

__all__ = ["Round", "run_round"]

_UNSEEN = 4  # fills of average spread added to those drawn, as Agresti & Coull (1998) do


@dataclass(frozen=True, eq=False)
class Round:
    """Values of one round.

    Parameters
    ----------
    values, variance : ndarray of shape (d, k)
    base : ndarray of shape (k,)
    kernel : str
        "common": one scale for all features; "fitted": scales fitted to the scores; "shared": one
        process for all fills.
    """

    values: FloatArray
    variance: FloatArray
    base: FloatArray
    kernel: str = "common"


def run_round(
    v: ValueFunction,
    plan: Plan,
    full: FloatArray,
    hidden: FloatArray,
    *,
    seed: int,
    rng: np.random.Generator,
    fit: bool = False,
    orders: Orders | None = None,
) -> Steps[Round]:
    """Score what the plan says and return the values.

    Parameters
    ----------
    v : ValueFunction
    plan : Plan
    full : ndarray of shape (k,)
        Scores with everything kept.
    hidden : ndarray of shape (r, k)
        Scores with everything hidden, NaN where not known yet; filled in.
    seed : int
        Seed of the designs, which all inputs share.
    rng : Generator
        Of this input: which feature stands where in the design of each fill.
    fit : bool
        Fit the kernel to the scores.
    orders : callable, optional
        Draws the orders of features, from ``varies`` of some fills and the generator. None: any.
    """
    closeness = getattr(v.masked, "closeness", None)
    sums = Sums(v.n_features, full, hidden, plan, fit=fit, closeness=closeness, seed=seed)
    varies = np.asarray(v.masked.varies)
    new = plan.base_fills[np.isnan(hidden[plan.base_fills]).any(axis=1)]

    def pieces() -> Iterator[Hidden | Block]:
        yield Hidden(new, v.n_features)
        yield from cut_blocks(plan, varies, seed, rng, orders or any_order)

    yield from score_pieces(v, pieces(), sums.take)
    sums.finish()
    return _close(sums, plan, v.masked.fill_weights, varies)


def _close(sums: Sums, plan: Plan, fill_weights: FloatArray, varies: BoolArray) -> Round:
    """Return the values of a round, and how far they may be off."""
    if len(plan.fills) == 0:
        return Round(sums.values, sums.within(), sums.full.copy())
    total = sums.full - sums.hidden[plan.fills]
    target = sample = plan.share @ total
    if len(plan.base_fills) > len(np.unique(plan.fills)) or not sums.drawn:
        target = fill_weights[plan.base_fills] @ (sums.full - sums.hidden[plan.base_fills])
    values, variance = sums.values, sums.within()
    if sums.drawn:
        values, spread = _by_spread(sums, plan, total, target, plan.share**2)
        rest = _by_spread(sums, plan, total, target, plan.share**2 * (1 - plan.chance))[1]
        variance = np.minimum(variance + rest, spread)
        active = np.flatnonzero(varies.any(axis=0))
        # Contributions that are rare need not have been drawn.
        variance[active] += _UNSEEN * rest.sum(axis=0) / len(active) / len(total)
    elif sums.chains and plan.repeats == 1 and len(total) >= MIN_REGRESSION:
        spread = _by_spread(sums, plan, total, sample, plan.share**2)[1]
        variance = np.minimum(variance, spread)  # either holds more than the error
    return Round(values, variance, sums.full - target, sums.kernel)


def _by_spread(
    sums: Sums, plan: Plan, total: FloatArray, target: FloatArray, left: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return values at the total ``target`` of all fills, and variances by how fills differ.

    ``left`` is the squared share of each fill, times the chance that it might not be here where
    what its own coalitions leave open is counted apart.

    Values are corrected by regression on the totals (Cochran, 1977, Sampling Techniques, section
    7.3), where those of more fills are known than were drawn.
    """
    share, n = plan.share, len(total)
    weight, sample = share.sum(), share @ total
    spread = share @ (total - sample / weight) ** 2
    regress = n >= MIN_REGRESSION
    lost = 2 if regress else 1
    safe = np.where(spread > 0, spread, 1.0)
    beta = (sums.cross - sums.values * sample / weight) / safe * (regress & (spread > 0))
    known = float(plan.chance.min()) == 1 or len(plan.base_fills) > len(np.unique(plan.fills))
    if not known:
        beta, lost = np.zeros_like(beta), 1
    rest = np.maximum((sums.square - sums.values**2 / weight) - beta**2 * spread, 0.0)
    scale = left.sum() / weight * n / (n - lost) if n > lost else np.nan
    scale *= student_factor(n - lost + 1) ** 2 if n > lost else np.nan
    further = 1 + np.where(spread > 0, (target - sample) ** 2 / (weight * safe), 0.0) * (lost > 1)
    return sums.values + beta * (target - sample), rest * scale * further
