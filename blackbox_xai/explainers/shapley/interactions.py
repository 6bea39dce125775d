"""Pairwise Shapley interactions, and the values that go with them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from blackbox_xai._checks import check_choice, check_int
from blackbox_xai.coalitions.shapley import all_subsets, n_all_pairs
from blackbox_xai.errors import BudgetError, InputError
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.explainers.shapley.links import any_link
from blackbox_xai.explainers.shapley.maps import shared_map, solve_pairs
from blackbox_xai.plotting.interactions import interaction_heatmap
from blackbox_xai.protocols import FloatArray, IntArray
from blackbox_xai.results import Attribution, Explanation
from blackbox_xai.solvers.interactions import (
    EvenMap,
    even_map,
    exact_interactions,
    pairs_needed,
)
from blackbox_xai.solvers.kriging import OddMap
from blackbox_xai.solvers.shapley import exact_values
from blackbox_xai.values import Link, Query, Steps, ValueFunction

__all__ = ["Interactions", "ShapleyInteractions"]

_MAX_EXACT = 14
_MAX_ESTIMATED = 40
_MAX_PAIRS = 1024
_SCALE, _NOISE = 0.25, 0.01


@dataclass(frozen=True, eq=False)
class Interactions:
    """Pairwise interactions of one explanation.

    Parameters
    ----------
    values, std_err : ndarray of shape (d, d, k)
        Interaction of each pair of features for each output, symmetric, 0 on the diagonal.
    main : ndarray of shape (d, k)
        What each feature gets by itself.
    feature_names, output_names : tuple of str
    """

    values: FloatArray
    std_err: FloatArray
    main: FloatArray
    feature_names: tuple[str, ...]
    output_names: tuple[str, ...]

    def plot(self, *, output: int = 0, top: int = 12, ax: Any = None) -> Any:
        """Draw the strongest features' interactions as a heat map; return the Axes."""
        return interaction_heatmap(
            self.values[:, :, output],
            self.main[:, output],
            self.feature_names,
            std_err=self.std_err[:, :, output],
            top=top,
            ax=ax,
        )


@dataclass(frozen=True, kw_only=True)
class ShapleyInteractions(LocalExplainer):
    """How much two features do together beyond what each does alone, with standard errors.

    ``explain`` returns an ``Explanation`` whose values are the features' own parts; ``pairs``
    takes the interactions out of it. With index "k-SII" and "FSII" own parts and interactions of
    all pairs sum to the score less the base, and "FSII" is the sum that fits the scores of all
    coalitions best; with "SII" values are Shapley values. What the interactions of one feature sum
    to (but those of "FSII") is known exactly, from hiding it alone and keeping it alone.

    Parameters
    ----------
    index : {"k-SII", "SII", "FSII"}
    budget : int, optional
        Model rows for one input, each coalition costing one row for each background row. None:
        all coalitions of up to 10 varying features, otherwise three coalitions for each pair.
        With 7 features that is 76,201 rows under 600 background rows, and 6,351 under 50
        centroids of them.
    link : {"identity", "logit"} or callable
        Applied to the scores of every row, before the mean over the background.
    random_state : int
        Seed.

    References
    ----------
    Grabisch & Roubens (1999), An Axiomatic Approach to the Concept of Interaction among Players
    in Cooperative Games, definition 2. Bordt & von Luxburg (2023), From Shapley Values to
    Generalized Additive Models and back, section 4 (k-SII, of order 2). Tsai, Yeh & Ravikumar
    (2023), Faith-Shap: The Faithful Shapley Interaction Index (FSII, of order 2).

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> model = lambda X: X[:, 0] * X[:, 1] + X[:, 2]
    >>> explainer = bx.ShapleyInteractions()
    >>> masker = bx.TabularMasker(np.zeros((1, 3)))
    >>> why = explainer.explain(model, np.array([2.0, 3.0, 1.0]), masker)
    >>> explainer.pairs(why).values[:, :, 0].round(6) + 0.0
    array([[0., 6., 0.],
           [6., 0., 0.],
           [0., 0., 0.]])
    >>> why.values[:, 0].round(6) + 0.0
    array([0., 0., 1.])
    """

    index: str = "k-SII"
    budget: int | None = None
    link: Any = "identity"

    def _check(self) -> None:
        super()._check()
        check_choice("index", self.index, ("k-SII", "SII", "FSII"))
        if self.budget is not None:
            check_int("budget", self.budget, minimum=1)
        if not callable(self.link):
            check_choice("link", self.link, ("identity", "logit"))

    def _max_rows(self) -> int | None:
        return self.budget

    def _link(self) -> Link | None:
        return any_link(self.link)

    def pairs(self, explanation: Explanation) -> Interactions:
        """Return the interactions that an explanation holds.

        Raises
        ------
        InputError
            When it holds none.
        """
        note = explanation.diagnostics
        if "interactions" not in note:
            raise InputError("explanation must come from ShapleyInteractions.explain.")
        return Interactions(
            np.array(note["interactions"], dtype=np.float64),
            np.array(note["interactions_std_err"], dtype=np.float64),
            explanation.values,
            explanation.feature_names,
            explanation.output_names,
        )

    def _attribute(self, v: ValueFunction, _rng: np.random.Generator) -> Steps[Attribution]:
        d = v.n_features
        active = np.flatnonzero(v.masked.varies.any(axis=0))
        n = len(active)
        n_pairs = self._n_pairs(n, v.n_fills)
        ends = yield Query(np.array([[False] * d, [True] * d]))
        if n_pairs >= n_all_pairs(max(n, 1)):
            kept = np.ones((2**n, d), dtype=bool)
            kept[:, active] = all_subsets(n)
            scores = yield Query(kept)
            found = _exact(scores, faithful=self.index == "FSII")
        else:
            odd_map = shared_map(n, n_pairs, self.random_state)
            kept = np.ones((2 * n_pairs, d), dtype=bool)
            kept[:n_pairs, active] = odd_map.design.half
            kept[n_pairs:, active] = ~odd_map.design.half
            scores = yield Query(kept)
            maps = shared_map(n, n_pairs, self.random_state), self._even_map(n, n_pairs)
            found = _estimated(*maps, scores, ends)
        return _dressed(self.index, found, active, ends[0], d, n_pairs)

    def _even_map(self, n: int, n_pairs: int) -> EvenMap:
        return _shared_even_map(n, n_pairs, self.random_state, faithful=self.index == "FSII")

    def _n_pairs(self, n: int, r: int) -> int:
        """Return how many pairs of coalitions to score."""
        whole, needed = n_all_pairs(max(n, 1)), pairs_needed(n)
        if self.budget is None:
            n_pairs = whole if n <= 10 else needed
        else:
            n_pairs = (self.budget - 1 - r) // (2 * r)
        if n <= _MAX_EXACT and n_pairs >= whole:
            return whole
        if n > _MAX_ESTIMATED:
            raise InputError(
                f"ShapleyInteractions takes at most {_MAX_ESTIMATED} varying features, got {n}. "
                "Merge features into groups with the masker."
            )
        if n_pairs < min(needed, whole):
            raise BudgetError(
                f"ShapleyInteractions needs at least {1 + r + 2 * r * min(needed, whole)} model "
                f"rows for the pairs of {n} varying features and {r} background rows, but budget "
                f"is {self.budget}. Raise budget, give fewer background rows, or merge features."
            )
        return min(n_pairs, max(2 * needed, _MAX_PAIRS), whole - 1)


# Shapley values, their variances; interactions, their variances; variances of their row sums.
_Found = tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]


def _exact(scores: FloatArray, *, faithful: bool) -> _Found:
    values, pairs = exact_values(scores), exact_interactions(scores, faithful=faithful)
    return values, np.zeros_like(values), pairs, np.zeros_like(pairs), np.zeros_like(values)


@lru_cache(maxsize=8)
def _shared_even_map(n: int, n_pairs: int, seed: int, *, faithful: bool) -> EvenMap:
    design = shared_map(n, n_pairs, seed).design
    return even_map(design, _SCALE / np.sqrt(n), _NOISE, faithful=faithful)


def _estimated(odd_map: OddMap, of_even: EvenMap, scores: FloatArray, ends: FloatArray) -> _Found:
    """Return everything from one set of pairs: odd parts give values, even parts interactions."""
    n, n_pairs, k = odd_map.n_features, odd_map.n_pairs, ends.shape[1]
    both = scores.reshape(2, n_pairs, -1)
    values, variance = solve_pairs(odd_map, (both[0] - both[1]) / 2, ends[1] - ends[0])
    found, error, of_sums = of_even.solve(both.mean(axis=0) - ends.mean(axis=0))
    rows, columns = np.triu_indices(n, 1)
    pairs, spread = np.zeros((n, n, k)), np.zeros((n, n, k))
    pairs[rows, columns] = pairs[columns, rows] = found
    spread[rows, columns] = spread[columns, rows] = error
    return values, variance, pairs, spread, of_sums


def _dressed(
    index: str, found: _Found, active: IntArray, base: FloatArray, d: int, n_pairs: int
) -> Attribution:
    """Return the attribution, with what does not vary filled in by zeros."""
    values, variance, pairs, spread, of_rows = found
    if index != "SII":  # each feature leaves half of its interactions to them
        values = values - pairs.sum(axis=1) / 2
        variance = variance + of_rows / 4
    k = len(base)
    main, std_err = np.zeros((d, k)), np.zeros((d, k))
    all_pairs, all_errors = np.zeros((d, d, k)), np.zeros((d, d, k))
    if len(active):
        main[active], std_err[active] = values, np.sqrt(variance)
        all_pairs[np.ix_(active, active)] = pairs
        all_errors[np.ix_(active, active)] = np.sqrt(spread)
    note = {
        "index": index,
        "coalitions": 2 * n_pairs + 2,
        "exact": not spread.any(),
        "interactions": all_pairs.tolist(),
        "interactions_std_err": all_errors.tolist(),
    }
    return Attribution(main, base, std_err, note)
