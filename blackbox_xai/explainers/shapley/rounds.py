"""One round of coalitions, from a plan to values with standard errors; memory stays flat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from blackbox_xai.explainers.shapley.alike import Solved, error_shape, pool_fills, pools
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
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray
from blackbox_xai.solvers.kriging import ChainMap, OddMap
from blackbox_xai.solvers.student import student_factor
from blackbox_xai.values import Steps, ValueFunction

__all__ = ["Round", "run_round"]

_RESIDUAL_WORK = 1 << 24  # multiplications for the standard errors of equal designs
_UNSEEN = 4  # fills of average spread added to those drawn, as Agresti & Coull (1998) do
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
        self.fit, self.repeats, self.few = fit, plan.repeats, _is_few(plan)
        self.values = np.zeros(shape)
        self.groups: dict[tuple[int, int], _Spread] = {}
        self.square, self.cross = np.zeros(shape), np.zeros(shape)
        self.waiting: list[tuple[Scored, Solved]] = []
        self.held = 0
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
        of_odd = piece.odd_map
        if isinstance(of_odd, OddMap) and of_odd.precision is not None:
            alike = pools(piece, len(self.full), self.held)
            if alike or self.fit:
                self.held += len(values) * alike
                d = piece.place.shape[1]
                shape = error_shape(piece, of_odd) if alike else np.zeros((0, d, d))
                solved = Solved(piece, values, variance, total, shape)
                self.waiting.append((Scored(piece, odd if self.fit else odd[:0], total), solved))
                self.common += np.tensordot(piece.share, values, 1)
                return
        if isinstance(of_odd, ChainMap):
            variance = self._of_chains(piece, both, values, total)
        self._add(Solved(piece, values, variance, total, np.zeros((0, 0, 0))))

    def _of_chains(
        self, block: Block, both: FloatArray, values: FloatArray, total: FloatArray
    ) -> FloatArray:
        """Return variances of values by chains, 0 where the spread of fills will tell them.

        From chains of the same fill, or else from what features add forth and back, whose mean
        the value is.
        """
        if self.repeats > 1:
            shape = (-1, self.repeats, *values.shape[1:])
            return np.asarray(values.reshape(shape).var(axis=1, ddof=1))
        if not self.few:
            return np.zeros_like(values)
        end = (self.full - total / 2)[None]
        apart = np.diff(both.mean(axis=1), axis=0, prepend=end, append=end) ** 2
        return _to_features((apart + apart.mean(axis=0)) / 2, block.place)

    def finish(self) -> None:
        """Add what waited for the kernel to be fitted, or for the other fills."""
        kernel = None
        if self.fit:
            kernel = fit_kernel([scored for scored, _ in self.waiting], self.common)
        found = [solved for _, solved in self.waiting]
        if kernel is not None:
            found = [
                fitted_values(scored, kernel, shaped=len(solved.shape) > 0)
                for scored, solved in self.waiting
            ]
        alike = [len(solved.shape) > 0 for solved in found]
        pooled = pool_fills([s for s, is_alike in zip(found, alike, strict=True) if is_alike])
        alone = [s for s, is_alike in zip(found, alike, strict=True) if not is_alike]
        for solved in [*pooled, *alone]:
            self._add(solved)
        self.fitted = kernel is not None
        self.waiting.clear()

    def _group(self, block: Block) -> _Spread:
        return self.groups.setdefault((block.odd_map.n_features, block.odd_map.n_pairs), _Spread())

    def _add(self, solved: Solved) -> None:
        block, values, variance, total = solved.block, solved.values, solved.variance, solved.total
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
    return _close(sums, plan, v.masked.fill_weights, varies)


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


def _is_few(plan: Plan) -> bool:
    """Whether all fills are there, and too few to tell errors from how values spread."""
    return len(plan.fills) < MIN_REGRESSION and float(plan.chance.min(initial=1.0)) == 1


def _close(sums: _Sums, plan: Plan, fill_weights: FloatArray, varies: BoolArray) -> Round:
    """Return the values of a round, and how far they may be off."""
    if len(plan.fills) == 0:
        return Round(sums.values, sums.within(), sums.full.copy())
    total = sums.full - sums.hidden[plan.fills]
    sampled = float(plan.chance.min()) < 1
    target = sample = plan.share @ total
    if len(plan.base_fills) > len(np.unique(plan.fills)) or not sampled:
        target = fill_weights[plan.base_fills] @ (sums.full - sums.hidden[plan.base_fills])
    values, variance = sums.values, sums.within()
    if sampled or (plan.repeats == 1 and plan.has_chains and not sums.few):
        values, spread = _by_spread(sums, plan, total, target if sampled else sample)
        if sampled:  # contributions that are rare need not have been drawn
            active = np.flatnonzero(varies.any(axis=0))
            spread[active] += _UNSEEN * spread.sum(axis=0) / len(active) / len(total)
        variance = variance + spread
    return Round(values, variance, sums.full - target, sums.fitted)


def _by_spread(
    sums: _Sums, plan: Plan, total: FloatArray, target: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return values at the total ``target`` of all fills, and variances by how fills differ.

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
    open_share = share**2 if plan.has_chains else share**2 * (1 - plan.chance)
    scale = open_share.sum() / weight * n / (n - lost) if n > lost else np.nan
    scale *= student_factor(n - lost + 1) ** 2 if n > lost else np.nan
    further = 1 + np.where(spread > 0, (target - sample) ** 2 / (weight * safe), 0.0) * (lost > 1)
    return sums.values + beta * (target - sample), rest * scale * further
