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
from blackbox_xai.explainers.shapley.fitting import Scored, fit_kernel, fitted_values
from blackbox_xai.explainers.shapley.maps import solve_all
from blackbox_xai.explainers.shapley.plan import MIN_REGRESSION, Plan
from blackbox_xai.protocols import FloatArray, IntArray
from blackbox_xai.solvers.kriging import ChainMap, OddMap
from blackbox_xai.values import Steps, ValueFunction

__all__ = ["Round", "run_round"]

_RESIDUAL_WORK = 1 << 24  # multiplications for the standard errors of equal designs
_RESIDUAL_FILLS = 24  # fills that they come from at least


@dataclass(frozen=True, eq=False)
class Round:
    """Values of one round.

    Parameters
    ----------
    values, variance : ndarray of shape (d, k)
    base : ndarray of shape (k,)
    fitted : bool
        Whether a kernel fitted to the scores was used.
    """

    values: FloatArray
    variance: FloatArray
    base: FloatArray
    fitted: bool = False


@dataclass
class _Spread:
    """Variances of fills with equal designs: their sum, how many, and their squared shares."""

    total: FloatArray | float = 0.0
    fills: int = 0
    share: float = 0.0


class _Sums:
    """Running sums over fills: all that is kept of a round."""

    def __init__(
        self, d: int, full: FloatArray, hidden: FloatArray, plan: Plan, *, fit: bool
    ) -> None:
        shape = (d, len(full))
        self.full, self.hidden = full, hidden
        self.fit, self.repeats = fit, plan.repeats
        self.values = np.zeros(shape)
        self.groups: dict[tuple[int, int], _Spread] = {}
        self.square, self.cross = np.zeros(shape), np.zeros(shape)
        self.waiting: list[tuple[Scored, FloatArray, FloatArray]] = []
        self.common = np.zeros(shape)
        self.fitted = False

    def take(self, piece: Hidden | Block, scores: FloatArray) -> None:
        """Receive the scores of a piece; one without rows has an array without columns."""
        scores = scores.reshape(-1, len(self.full))
        if isinstance(piece, Hidden):
            self.hidden[piece.fills] = scores
            return
        total = self.full - self.hidden[piece.fills]
        both = scores.reshape(-1, 2, len(total), len(self.full))
        odd = (both[:, 0] - both[:, 1]) / 2
        group = self._group(piece)
        values, variance = _solve(piece, odd, total, seen=group.fills)
        if self.fit and isinstance(piece.odd_map, OddMap) and piece.odd_map.precision is not None:
            self.waiting.append((Scored(piece, odd, total), values, variance))
            self.common += np.tensordot(piece.share, values, 1)
            return
        if isinstance(piece.odd_map, ChainMap) and self.repeats > 1:
            shape = (-1, self.repeats, *values.shape[1:])
            variance = values.reshape(shape).var(axis=1, ddof=1)
        self._add(piece, values, variance, total)

    def finish(self) -> None:
        """Add what waited for the kernel to be fitted."""
        kernel = fit_kernel([scored for scored, _, _ in self.waiting], self.common)
        for scored, values, variance in self.waiting:
            if kernel is not None:
                values, variance = fitted_values(scored, kernel)
            self._add(scored.block, values, variance, scored.total)
        self.fitted = kernel is not None
        self.waiting.clear()

    def _group(self, block: Block) -> _Spread:
        return self.groups.setdefault((block.odd_map.n_features, block.odd_map.n_pairs), _Spread())

    def _add(
        self, block: Block, values: FloatArray, variance: FloatArray, total: FloatArray
    ) -> None:
        share, group = block.share, self._group(block)
        self.values += np.tensordot(share, values, 1)
        self.square += np.tensordot(share, values**2, 1)
        self.cross += np.tensordot(share, values * total[:, None], 1)
        group.share += float(share**2 @ block.chance)
        group.total = group.total + variance.sum(axis=0)
        group.fills += len(variance)

    def within(self) -> FloatArray:
        """Variance of the values of the fills, ``(d, k)``."""
        variance = np.zeros_like(self.values)
        for group in self.groups.values():
            if group.fills:
                variance += group.share / group.fills * group.total
        return variance


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
    sums = _Sums(v.n_features, full, hidden, plan, fit=fit)
    varies = np.asarray(v.masked.varies)
    new = plan.base_fills[np.isnan(hidden[plan.base_fills]).any(axis=1)]

    def pieces() -> Iterator[Hidden | Block]:
        yield Hidden(new, v.n_features)
        yield from cut_blocks(plan, varies, seed, rng, orders or any_order)

    yield from score_pieces(v, pieces(), sums.take)
    sums.finish()
    return _close(sums, plan, v.masked.fill_weights)


def _solve(
    block: Block, odd: FloatArray, total: FloatArray, *, seen: int
) -> tuple[FloatArray, FloatArray]:
    """Return values ``(f, d, k)`` of the fills and variances ``(g, d, k)`` of the first ``g``.

    Where designs are large, variances come from some of the fills; ``seen`` have theirs already.
    """
    p, _, k = odd.shape
    wanted = max(_RESIDUAL_WORK // (p * p * k + 1), _RESIDUAL_FILLS)
    beyond, variance = solve_all(block.odd_map, odd, total, some=max(wanted - seen, 0))
    some = variance.shape[1]
    return _to_features(beyond, block.place), _to_features(variance, block.place[:some])


def _to_features(by_place: FloatArray, place: IntArray) -> FloatArray:
    """Return ``(f, d, k)`` from values ``(n, f, k)`` by place; 0 where nothing varies."""
    _, f, k = by_place.shape
    padded = np.concatenate([by_place, np.zeros((1, f, k))])
    return padded[place, np.arange(f)[:, None]]


def _close(sums: _Sums, plan: Plan, fill_weights: FloatArray) -> Round:
    """Return the values of a round, and how far they may be off."""
    if len(plan.fills) == 0:
        return Round(sums.values, sums.within(), sums.full.copy())
    share, total = plan.share, sums.full - sums.hidden[plan.fills]
    n = len(share)
    weight = share.sum()
    sample = share @ total
    beta, variance = np.zeros_like(sums.values), sums.within()
    sampled = float(plan.chance.min()) < 1
    chains = plan.repeats == 1 and plan.has_chains
    if sampled or chains:
        spread = share @ (total - sample / weight) ** 2
        if n >= MIN_REGRESSION:
            safe = np.where(spread > 0, spread, 1.0)
            beta = np.where(spread > 0, (sums.cross - sums.values * sample / weight) / safe, 0.0)
        rest = (sums.square - sums.values**2 / weight) - beta**2 * spread
        lost = 2 if n >= MIN_REGRESSION else 1
        open_share = share**2 if chains else share**2 * (1 - plan.chance)
        scale = open_share.sum() / weight * n / (n - lost) if n > lost else np.nan
        variance = variance + np.maximum(rest, 0) * scale
    if len(plan.base_fills) > len(np.unique(plan.fills)) or not sampled:
        target = fill_weights[plan.base_fills] @ (sums.full - sums.hidden[plan.base_fills])
    else:
        target = sample
    values = sums.values + beta * (target - sample) if sampled else sums.values
    return Round(values, variance, sums.full - target, sums.fitted)
