"""What a budget buys: how many coalitions of which background rows. Arithmetic alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from blackbox_xai.coalitions.shapley import round_sum, water_fill
from blackbox_xai.errors import BudgetError
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray

__all__ = ["MIN_REGRESSION", "Plan", "chain_plan", "default_rows", "describe_plan", "make_plan"]

MAX_PAIRS = 1024  # of one design; a map of more costs more time than it saves rows
MAX_EXACT = 15  # features of a game that is enumerated
MIN_REGRESSION = 8  # drawn fills from which the totals of the others correct the values
_REGRESSION = 1.5  # pairs for each feature from which regression beats a chain
_WHY = {
    "all coalitions": "The budget pays for every coalition of the features that vary.",
    "chains": "Fewer pairs of coalitions than 1.5 for each varying feature: orders walked forth "
    "and back.",
    "regression": "At least 1.5 pairs of coalitions for each varying feature: kriging regression.",
}
_WHY_SOME = " The budget reaches a random part of the fills."
_DEFAULT_COALITIONS = 2048
_DEFAULT_FILLS = 100


@dataclass(frozen=True, eq=False)
class Plan:
    """Which fills to use, with which weight, and how many pairs of coalitions of each.

    Parameters
    ----------
    fills : ndarray of shape (f,)
        Fills that get coalitions; a fill stands here more than once when one design of it does
        not use up the budget.
    share : ndarray of shape (f,)
        Weight of each in the result; the shares sum to that of the fills under which something
        varies.
    chance : ndarray of shape (f,)
        Chance of each fill of being here, 1 when all are.
    n_pairs : ndarray of shape (f,)
    n_varying : ndarray of shape (f,)
        Features that vary under the fill.
    base_fills : ndarray of int
        Fills whose empty coalition is scored.
    rows : int
        Model rows this costs, besides the full coalition.
    repeats : int
        How often each fill stands here with a chain of its own.
    """

    fills: IntArray
    share: FloatArray
    chance: FloatArray
    n_pairs: IntArray
    n_varying: IntArray
    base_fills: IntArray
    rows: int
    repeats: int = 1

    @property
    def has_chains(self) -> bool:
        """Whether some fills get no more coalitions than a chain has."""
        chain = (self.n_pairs == self.n_varying - 1) & (self.n_varying > 2)
        return bool(chain.any())


def default_rows(varies: BoolArray) -> int:
    """Return a budget in model rows when the user names none.

    As many coalitions as is usual for one background row, or ten for each feature under each of
    up to 100 background rows.
    """
    n = int(varies.any(axis=0).sum())
    fills = min(int(varies.any(axis=1).sum()), _DEFAULT_FILLS)
    return 2 + max(_DEFAULT_COALITIONS, fills * (1 + 10 * n))


def make_plan(varies: BoolArray, weights: FloatArray, rows: int, rng: np.random.Generator) -> Plan:
    """Return what ``rows`` model rows buy, the full coalition not counted.

    Raises
    ------
    BudgetError
        When they do not suffice for one chain of coalitions each of two fills.
    """
    n_varying = varies.sum(axis=1)
    active = np.flatnonzero(n_varying > 0)
    if len(active) and _REGRESSION * n_varying.max() > MAX_PAIRS:
        return chain_plan(varies, weights, rows, rng)
    whole = _all_pairs(n_varying[active])
    n_pairs = _spread(whole, (rows - len(active)) / 2)
    enough = np.minimum(n_varying[active] - 1, whole)
    if (n_pairs >= enough).all() and rows >= len(active):
        mixed = rng.permutation(len(active))  # so that any first few stand for all
        return _all_fills(active[mixed], weights, n_varying, n_pairs[mixed], whole[mixed])
    return _some_fills(active, weights, n_varying, rows, rng)


def chain_plan(varies: BoolArray, weights: FloatArray, rows: int, rng: np.random.Generator) -> Plan:
    """Return how many chains ``rows`` model rows buy, the same number for every fill.

    Raises
    ------
    BudgetError
        When they do not suffice for one chain each of two fills.
    """
    n_varying = varies.sum(axis=1)
    active = np.flatnonzero(n_varying > 0)
    n = n_varying[active]
    price = int(2 * (n - 1).sum())
    repeats = (rows - len(active)) // price if price else 1
    if repeats < 1 or rows < len(active):
        return _some_fills(active, weights, n_varying, rows, rng)
    order = np.repeat(np.argsort(n, kind="stable"), repeats)
    return Plan(
        fills=active[order],
        share=weights[active[order]] / repeats,
        chance=np.ones(len(order)),
        n_pairs=n[order] - 1,
        n_varying=n[order],
        base_fills=active,
        rows=price * repeats + len(active),
        repeats=int(repeats),
    )


def _all_pairs(n_varying: IntArray) -> FloatArray:
    """Pairs of the whole game, infinite where it will never be enumerated."""
    capped = np.minimum(n_varying, MAX_EXACT)
    return np.where(n_varying > MAX_EXACT, np.inf, 2.0 ** (capped - 1) - 1)


def _spread(whole: FloatArray, pairs: float) -> IntArray:
    """Share ``pairs`` equally among games, none getting more than it has."""
    if len(whole) == 0 or pairs <= 0:
        return np.zeros(len(whole), dtype=np.intp)
    if whole.sum() <= pairs:
        return whole.astype(np.intp)
    capped = np.minimum(whole, pairs)
    return np.floor(water_fill(capped, np.ones(len(whole)), pairs) + 1e-9).astype(np.intp)


def _all_fills(
    active: IntArray,
    weights: FloatArray,
    n_varying: IntArray,
    n_pairs: IntArray,
    whole: FloatArray,
) -> Plan:
    n = n_varying[active]
    chains = (n_pairs < np.floor(_REGRESSION * n)) & (n_pairs < whole)
    n_pairs = np.where(chains, n - 1, n_pairs)
    repeats = np.where(chains | (n_pairs >= whole), 1, -(-n_pairs // MAX_PAIRS))
    order = np.argsort(n, kind="stable")
    index = np.repeat(order, repeats[order])
    pairs = (n_pairs // repeats)[index]
    return Plan(
        fills=active[index],
        share=weights[active[index]] / repeats[index],
        chance=np.ones(len(index)),
        n_pairs=pairs,
        n_varying=n[index],
        base_fills=np.sort(active),
        rows=int(2 * pairs.sum() + len(active)),
    )


def _some_fills(
    active: IntArray,
    weights: FloatArray,
    n_varying: IntArray,
    rows: int,
    rng: np.random.Generator,
) -> Plan:
    """Draw fills without replacement, by weight, each for one chain."""
    n = n_varying[active]
    most = int(n.max())
    price = 2 * (most - 1)
    base = len(active) if 3 * len(active) <= rows else 0
    n_fills = (rows - base) // price if base else 0
    if n_fills < MIN_REGRESSION:
        base, n_fills = 0, rows // (price + 1)
    if n_fills < min(2, len(active)):
        needed = 1 + min(2, len(active)) * (price + 1)
        raise BudgetError(
            f"Shapley needs at least {needed} model rows: a chain of coalitions of {most} varying "
            f"features for {min(2, len(active))} of {len(active)} background rows; the budget left "
            f"is {rows + 1}. Raise budget, or merge features with a coarser masker."
        )
    share = weights[active] / weights[active].sum()
    prices = 2 * (n - 1) + (0 if base else 1)
    chance = _chances(share, prices, rows - base, min(n_fills, len(active)))
    line = rng.permutation(len(active))
    line = line[np.argsort(n[line], kind="stable")]  # along which prices rise
    drawn = np.sort(line[np.flatnonzero(round_sum(chance[line], rng))])
    drawn = drawn[np.argsort(n[drawn], kind="stable")]
    raw = share[drawn] / chance[drawn]
    pairs = n[drawn] - 1
    base_fills = active if base else np.sort(active[drawn])
    return Plan(
        fills=active[drawn],
        share=raw / raw.sum() * weights[active].sum(),
        chance=chance[drawn],
        n_pairs=pairs,
        n_varying=n[drawn],
        base_fills=base_fills,
        rows=int(2 * pairs.sum() + len(base_fills)),
    )


def _chances(share: FloatArray, prices: IntArray, rows: int, least: int) -> FloatArray:
    """Return the chance of each fill when as many are drawn as ``rows`` pay for.

    Fills drawn evenly along a line on which prices rise cost no more than is expected of them and
    the range of prices.
    """
    everything, spare = np.ones(len(share)), rows - int(np.ptp(prices))
    n_fills = min(int(spare // (share @ prices)), len(share))
    while n_fills > least:
        chance = water_fill(everything, share, n_fills)
        if chance @ prices <= spare:
            return chance
        n_fills -= 1
    return water_fill(everything, share, least)


def describe_plan(plan: Plan, varies: BoolArray) -> dict[str, Any]:
    """Return what was done and why, as plain data."""
    n_pairs, n = plan.n_pairs, plan.n_varying
    whole = n_pairs >= _all_pairs(n)
    chains = ~whole & (n_pairs == n - 1)
    counts = {
        "all coalitions": int(whole.sum()),
        "chains": int(chains.sum()),
        "regression": int((~whole & ~chains).sum()),
    }
    used, active = len(np.unique(plan.fills)), int(varies.any(axis=1).sum())
    most = max(counts, key=lambda name: counts[name]) if len(n) else "all coalitions"
    return {
        "design": most,
        "designs": counts,
        "fills": int(varies.shape[0]),
        "fills_used": used,
        "varying_features": int(varies.any(axis=0).sum()),
        "coalitions_per_fill": float(np.round(2 * n_pairs.sum() / max(used, 1), 1)),
        "why": _WHY[most] + _WHY_SOME * (used < active),
    }
