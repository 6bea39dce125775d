"""One round of coalitions, from a plan to values with standard errors; memory stays flat."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np

from blackbox_xai.coalitions.shapley import PairDesign, n_all_pairs, paired_coalitions
from blackbox_xai.explainers.shapley.plan import MIN_REGRESSION, Plan
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray
from blackbox_xai.solvers.kriging import OddMap, chain_map, exact_map, odd_map
from blackbox_xai.solvers.scales import fit_scales
from blackbox_xai.values import Query, Steps, ValueFunction

__all__ = ["Orders", "Round", "any_order", "run_round", "shared_map", "solve_pairs"]

Orders = Callable[[BoolArray, np.random.Generator], IntArray]

_QUERY_BYTES = 1 << 19  # coalitions of one input held at a time
_BLOCK_ROWS = 1 << 15
_RESIDUAL_WORK = 1 << 24  # multiplications for the standard errors of equal designs
_RESIDUAL_FILLS = 24  # fills that they come from at least
_MAX_FITTED = 300  # features
_MIN_FITTED = 3  # pairs for each feature
_SCALE, _NOISE = 0.25, 0.01  # of the kernel; see docs/shapley.md


@dataclass(frozen=True, eq=False)
class Round:
    """Values of one round.

    Parameters
    ----------
    values, variance : ndarray of shape (d, k)
    base : ndarray of shape (k,)
    """

    values: FloatArray
    variance: FloatArray
    base: FloatArray


@dataclass(frozen=True, eq=False)
class _Hidden:
    """The empty coalition of each fill."""

    fills: IntArray
    d: int

    def kept(self) -> BoolArray:
        return np.zeros((len(self.fills), self.d), dtype=bool)

    def row_fills(self) -> IntArray:
        return self.fills


@dataclass(frozen=True, eq=False)
class _Block:
    """Fills that share a design, each with the features in an order of its own.

    ``place`` has shape (f, d): where each feature stands in the design, or ``n`` when it does not
    vary under the fill. Rows are ordered by pair, the fill changing fastest; complements follow.
    """

    odd_map: OddMap
    fills: IntArray
    share: FloatArray
    chance: FloatArray
    place: IntArray

    def kept(self) -> BoolArray:
        half = self.odd_map.design.half
        p, d = len(half), self.place.shape[1]
        always = np.hstack([half, np.ones((p, 1), dtype=bool)])
        rows = np.empty((2, p, len(self.fills), d), dtype=bool)
        places = self.place.ravel()
        np.take(always, places, axis=1, out=rows[0].reshape(p, -1), mode="clip")
        np.logical_not(rows[0], out=rows[1])
        still = self.place == half.shape[1]
        if still.any():
            rows[1] |= still
        return rows.reshape(-1, d)

    def row_fills(self) -> IntArray:
        return np.tile(self.fills, 2 * len(self.odd_map.design.half))


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

    def take(self, piece: _Hidden | _Block, scores: FloatArray) -> None:
        """Receive the scores of a piece."""
        if isinstance(piece, _Hidden):
            self.hidden[piece.fills] = scores
            return
        total = self.full - self.hidden[piece.fills]
        group = self.groups.setdefault(piece.odd_map.design.half.shape, _Spread())
        values, variance = _solve(piece, scores, total, fit=self.fit, seen=group.fills)
        if piece.odd_map.precision is None and self.repeats > 1:
            shape = (-1, self.repeats, *values.shape[1:])
            variance = values.reshape(shape).var(axis=1, ddof=1)
        share = piece.share
        self.values += np.tensordot(share, values, 1)
        self.square += np.tensordot(share, values**2, 1)
        self.cross += np.tensordot(share, values * total[:, None], 1)
        group.share += float(share**2 @ piece.chance)
        group.total = group.total + variance.sum(axis=0)
        group.fills += len(variance)

    def within(self) -> FloatArray:
        """Variance of the values of the fills, ``(d, k)``."""
        parts = [g.share / g.fills * g.total for g in self.groups.values() if g.fills]
        return np.sum([np.zeros_like(self.values), *parts], axis=0)


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
        Fit the kernel to the scores where there is one fill only.
    orders : callable, optional
        Draws the orders of features, from ``varies`` of some fills and the generator. None: any.
    """
    sums = _Sums(v.n_features, full, hidden, plan, fit=fit)
    varies = np.asarray(v.masked.varies)
    new = plan.base_fills[np.isnan(hidden[plan.base_fills]).any(axis=1)]

    def pieces() -> Iterator[_Hidden | _Block]:
        yield _Hidden(new, v.n_features)
        yield from _blocks(plan, varies, seed, rng, orders or any_order)

    yield from _score(v, pieces(), sums.take)
    return _close(sums, plan, v.masked.fill_weights)


def _score(
    v: ValueFunction,
    pieces: Iterator[_Hidden | _Block],
    take: Callable[[_Hidden | _Block, FloatArray], None],
) -> Generator[Query, FloatArray, None]:
    """Score pieces in queries of whole batches, however long the pieces are."""
    batch = v.model.rows_per_batch(v.masked.row_bytes)
    size = max(_QUERY_BYTES // v.n_features // batch, 1) * batch
    waiting: deque[tuple[_Hidden | _Block, int]] = deque()
    parts: list[tuple[BoolArray, IntArray]] = []
    n_rows, scores = 0, np.zeros((0, 0))
    for piece in chain(pieces, [None]):
        if piece is not None:
            parts.append((piece.kept(), piece.row_fills()))
            n_rows += len(parts[-1][1])
            waiting.append((piece, len(parts[-1][1])))
        while n_rows >= size or (piece is None and n_rows):
            kept = np.concatenate([part for part, _ in parts])
            fills = np.concatenate([part for _, part in parts])
            fresh = yield Query(kept[:size], fills[:size])
            parts, n_rows = [(kept[size:], fills[size:])], max(n_rows - size, 0)
            scores = np.concatenate([scores, fresh]) if len(scores) else fresh
            while waiting and waiting[0][1] <= len(scores):
                done, n = waiting.popleft()
                take(done, scores[:n])
                scores = scores[n:]


def _blocks(
    plan: Plan, varies: BoolArray, seed: int, rng: np.random.Generator, orders: Orders
) -> Iterator[_Block]:
    """Cut a plan into runs of fills with equal designs, of bounded size."""
    f = len(plan.fills)
    if f == 0:
        return
    alike = (np.diff(plan.n_varying) == 0) & (np.diff(plan.n_pairs) == 0)
    starts = np.concatenate([[0], np.flatnonzero(~alike) + 1, [f]])
    for start, stop in zip(starts[:-1], starts[1:], strict=True):
        n, n_pairs = int(plan.n_varying[start]), int(plan.n_pairs[start])
        step = max(_BLOCK_ROWS // max(2 * n_pairs, 1) // plan.repeats, 1) * plan.repeats
        for a in range(start, stop, step):
            part = slice(a, min(a + step, stop))
            fills = plan.fills[part]
            place = np.full((len(fills), varies.shape[1]), n, dtype=np.intp)
            place[varies[fills]] = orders(varies[fills], rng).ravel()
            yield _Block(
                shared_map(n, n_pairs, seed), fills, plan.share[part], plan.chance[part], place
            )


def any_order(varies: BoolArray, rng: np.random.Generator) -> IntArray:
    """Return the place of each varying feature in a random order, shape ``(f, n)``."""
    n = int(varies[0].sum())
    return rng.permuted(np.broadcast_to(np.arange(n), (len(varies), n)), axis=1)


@lru_cache(maxsize=64)
def shared_map(n: int, n_pairs: int, seed: int) -> OddMap:
    """Return the design of ``n_pairs`` pairs of ``n`` features, and what makes values of it."""
    if n == 1:  # the whole total is its own
        empty = np.zeros(0)
        return OddMap(
            PairDesign(np.zeros((0, 1), dtype=bool), empty, empty), np.zeros((1, 0)), None
        )
    if n_pairs == n - 1 and n_pairs < n_all_pairs(n):
        return chain_map(n)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(n, n_pairs)))
    design = paired_coalitions(n, n_pairs, rng)
    if n_pairs >= n_all_pairs(n):
        return exact_map(design)
    return odd_map(design, np.full(n, _SCALE / np.sqrt(n)), _NOISE)


def refined_map(iso: OddMap, odd: FloatArray, each: FloatArray) -> OddMap:
    """Return the map of the same design with a kernel scale of its own for every feature.

    Parameters
    ----------
    iso : OddMap
        With one scale for all features.
    odd : ndarray of shape (p, k)
        Odd parts, less an equal split of the total.
    each : ndarray of shape (k,)
        That equal split.
    """
    p, n = iso.design.half.shape
    values = iso.weights @ odd + each
    size = np.abs(values) / np.maximum(np.sqrt((values**2).mean(axis=0)), 1e-300)
    start = np.clip(_SCALE / np.sqrt(n) * np.sqrt((size**2).mean(axis=1)), 2e-3, 1.0)
    if n > _MAX_FITTED or p < _MIN_FITTED * n or not odd.any():
        return iso
    few = np.linspace(0, p - 1, min(p, 2 * n + 150)).astype(np.intp)  # pairs stand by size
    signs = np.where(iso.design.half[few], 1.0, -1.0)
    theta, noise = fit_scales([signs], [odd[few]], start)
    return odd_map(iso.design, theta, noise)


def _solve(
    block: _Block, scores: FloatArray, total: FloatArray, *, fit: bool, seen: int
) -> tuple[FloatArray, FloatArray]:
    """Return values ``(f, d, k)`` of the fills and variances ``(g, d, k)`` of the first ``g``.

    Where designs are large, variances come from some of the fills; ``seen`` have theirs already.
    """
    odd_map, (f, _), k = block.odd_map, block.place.shape, total.shape[1]
    p = len(odd_map.design.half)
    wanted = max(_RESIDUAL_WORK // (p * p * k + 1), _RESIDUAL_FILLS)
    odd = np.subtract(*scores.reshape(2, p, f * k)) / 2
    beyond, variance = _solve_all(
        odd_map, odd.reshape(p, f, k), total, fit=fit and f == 1, some=max(wanted - seen, 0)
    )
    some = variance.shape[1]
    return _to_features(beyond, block.place), _to_features(variance, block.place[:some])


def solve_pairs(
    odd_map: OddMap, odd: FloatArray, total: FloatArray, *, fit: bool
) -> tuple[FloatArray, FloatArray]:
    """Return values and their variances ``(n, k)`` of one game.

    Parameters
    ----------
    odd_map : OddMap
    odd : ndarray of shape (p, k)
        Odd parts of its pairs.
    total : ndarray of shape (k,)
    fit : bool
        Fit the kernel to the scores.
    """
    values, variance = _solve_all(odd_map, odd[:, None].copy(), total[None], fit=fit, some=1)
    return values[:, 0], variance[:, 0]


def _solve_all(
    odd_map: OddMap, odd: FloatArray, total: FloatArray, *, fit: bool, some: int
) -> tuple[FloatArray, FloatArray]:
    """Return values ``(n, f, k)``, and the variances of the first ``some``, from ``(p, f, k)``."""
    (p, f, k), half = odd.shape, odd_map.design.half
    n = half.shape[1]
    each = total / n
    odd -= (half.sum(axis=1) - n / 2)[:, None, None] * each
    if fit and odd_map.precision is not None:
        odd_map = refined_map(odd_map, odd[:, 0], each[0])
    values = (odd_map.weights @ odd.reshape(p, f * k)).reshape(n, f, k) + each
    chosen = odd[:, :some]
    if odd_map.precision is None or chosen.size == 0:
        return values, np.zeros((n, *chosen.shape[1:]))
    left_out = odd_map.precision @ chosen.reshape(p, -1)
    left_out /= np.diag(odd_map.precision)[:, None]
    # Leave-one-out residuals overstate when there are few pairs for each feature.
    factor = (1 - p / n_all_pairs(n)) * (1 - min(n / p, 1.0) ** 1.5)
    variance = factor * (odd_map.weights**2 @ left_out**2)
    return values, variance.reshape(n, *chosen.shape[1:])


def _to_features(by_place: FloatArray, place: IntArray) -> FloatArray:
    """Return ``(f, d, k)`` from values ``(n, f, k)`` by place; 0 where nothing varies."""
    n, f, k = by_place.shape
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
    return Round(values, variance, sums.full - target)
