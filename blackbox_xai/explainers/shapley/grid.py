"""One design for all fills: for games that are no mean over them."""

from __future__ import annotations

import numpy as np

from blackbox_xai.coalitions.shapley import n_all_pairs
from blackbox_xai.errors import BudgetError
from blackbox_xai.explainers.shapley.maps import shared_map, solve_pairs
from blackbox_xai.protocols import BoolArray, FloatArray
from blackbox_xai.results import Attribution
from blackbox_xai.values import Link, Query, Steps, ValueFunction, check_linked, linked

__all__ = ["fewest_rows", "grid_round"]

_MAX_PAIRS = 1024
_MAX_EXACT = 15


def grid_round(
    v: ValueFunction,
    link: Link,
    rows: int,
    full: FloatArray,
    *,
    rng: np.random.Generator,
) -> Steps[Attribution]:
    """Return the Shapley values of ``S -> link(mean score of S)``.

    Parameters
    ----------
    v : ValueFunction
    link : callable
    rows : int
        Model rows, the full coalition not counted.
    full : ndarray of shape (k,)
        Scores with everything kept.
    rng : Generator
    """
    d, r = v.n_features, v.n_fills
    varies = np.asarray(v.masked.varies)
    active = np.flatnonzero(varies.any(axis=0))
    n = len(active)
    n_pairs = _affordable(varies, rows)
    hidden = _linked(link, (yield Query(np.zeros((1, d), dtype=bool))))[0]
    score = _linked(link, full[None])[0]
    values, std_err = np.zeros((d, len(full))), np.zeros((d, len(full)))
    if n:
        odd_map = shared_map(n, n_pairs, int(rng.integers(1 << 31)))
        kept = np.ones((2 * n_pairs, d), dtype=bool)
        kept[:n_pairs, active] = odd_map.design.half
        kept[n_pairs:, active] = ~odd_map.design.half
        scores = _linked(link, (yield Query(kept))) if n_pairs else np.zeros((0, len(full)))
        odd = (scores[:n_pairs] - scores[n_pairs:]) / 2
        values[active], variance = solve_pairs(odd_map, odd, score - hidden)
        std_err[active] = np.sqrt(variance)
    note = {
        "design": "all coalitions" if n_pairs == n_all_pairs(max(n, 1)) else "regression",
        "why": "The link is applied after the mean, so all fills share one design.",
        "varying_features": n,
        "fills": r,
        "coalitions_per_fill": 2 * n_pairs,
    }
    return Attribution(values, hidden, std_err, note, scores=score)


def _linked(link: Link, mean: FloatArray) -> FloatArray:
    answer = linked(link, mean)
    check_linked(answer, mean)
    return answer


def fewest_rows(varies: BoolArray) -> int:
    """Return the model rows below which nothing is estimated: two pairs for each feature.

    Examples
    --------
    >>> fewest_rows(np.ones((600, 10), dtype=bool))
    24601
    """
    r, n = len(varies), int(varies.any(axis=0).sum())
    return 1 + r + 2 * r * _fewest_pairs(n)


def _fewest_pairs(n: int) -> int:
    return min(2 * n, n_all_pairs(n), _MAX_PAIRS) if n > 1 else 0


def _affordable(varies: BoolArray, rows: int) -> int:
    """Return the pairs that ``rows`` rows pay for; each coalition costs one for each fill."""
    r, n = len(varies), int(varies.any(axis=0).sum())
    if n <= 1:
        return 0
    whole = n_all_pairs(n)
    n_pairs = (rows - r) // (2 * r)
    if n_pairs < _fewest_pairs(n):
        raise BudgetError(
            f"Shapley with link_after_mean=True needs at least {fewest_rows(varies)} model rows "
            f"for {n} varying features and {r} background rows; budget is {rows + 1}. Raise "
            "budget, give fewer background rows (as TabularMasker(n_centroids=50)), or apply the "
            "link per row."
        )
    return whole if n <= _MAX_EXACT and n_pairs >= whole else min(n_pairs, whole - 1, _MAX_PAIRS)
