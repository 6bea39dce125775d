"""Shapley estimators under their field's names: one game, the mean over all fills."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from blackbox_xai._checks import check_int
from blackbox_xai.coalitions.shapley import (
    antithetic_chains,
    n_all_pairs,
    paired_coalitions,
)
from blackbox_xai.errors import BudgetError
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray
from blackbox_xai.results import Attribution
from blackbox_xai.solvers.shapley import chain_values, paired_values
from blackbox_xai.values import Query, Steps, ValueFunction

__all__ = ["KernelShap", "LeverageShapley", "PermutationShapley"]

_DEFAULT_PAIRS = 1024
_Found = tuple[FloatArray, FloatArray | None, int]
"""Values and standard errors, both ``(n, k)``, and how many pairs were scored."""


@dataclass(frozen=True, kw_only=True)
class _GridShapley(LocalExplainer):
    """One design of coalitions, each scored under every fill.

    Parameters
    ----------
    budget : int, optional
        Model rows for one input. None: those of 2,048 coalitions and two for each feature.
    random_state : int
    """

    efficient: ClassVar[bool] = True

    budget: int | None = None

    def _check(self) -> None:
        super()._check()
        if self.budget is not None:
            check_int("budget", self.budget, minimum=1)

    def _max_rows(self) -> int | None:
        return self.budget

    def _attribute(self, v: ValueFunction, rng: np.random.Generator) -> Steps[Attribution]:
        d = v.n_features
        active = np.flatnonzero(v.masked.varies.any(axis=0))
        n = len(active)
        size = self._size(n, v.n_fills) if n > 1 else 0
        ends = yield Query(np.array([[False] * d, [True] * d]))
        total = ends[1] - ends[0]
        values, std_err = np.zeros((d, len(total))), np.zeros((d, len(total)))
        note: dict[str, Any] = {"varying_features": n, "coalitions": 2}
        if n == 1:
            values[active] = total
        if n > 1:
            found, error, half = yield from self._solve(v, active, total, size, rng)
            values[active] = found
            note["coalitions"] += 2 * half
            if error is None:
                return Attribution(values, ends[0], None, note)
            std_err[active] = error
        return Attribution(values, ends[0], std_err, note)

    @abstractmethod
    def _size(self, n: int, r: int) -> int:
        """Return how large a design the budget pays for; refuse one that is too small."""

    @abstractmethod
    def _solve(
        self,
        v: ValueFunction,
        active: IntArray,
        total: FloatArray,
        size: int,
        rng: np.random.Generator,
    ) -> Steps[_Found]:
        """Return what is found of the varying features ``active``, by a design of that size."""


class _PairedShapley(_GridShapley):
    """Solves for pairs of complements; a subclass says which."""

    by_leverage: ClassVar[bool] = True
    """Whether coalitions are drawn by leverage scores; by the Shapley kernel otherwise."""

    def _size(self, n: int, r: int) -> int:
        """Return the pairs of coalitions that the budget pays for, at least one a feature.

        The full coalition costs 1 row, the empty one ``r``, and a pair ``2 r``.
        """
        everything = n_all_pairs(n)
        if self.budget is None:
            return min(everything, n + _DEFAULT_PAIRS)
        needed = min(n, everything)
        n_pairs = min((self.budget - 1 - r) // (2 * r), everything)
        if n_pairs < needed:
            raise BudgetError(
                f"{type(self).__name__} needs at least {1 + r + 2 * r * needed} model rows for "
                f"{n} varying features and {r} background rows, but budget is {self.budget}. Raise "
                "budget, give fewer background rows, or use Shapley."
            )
        return n_pairs

    def _solve(
        self,
        v: ValueFunction,
        active: IntArray,
        total: FloatArray,
        size: int,
        rng: np.random.Generator,
    ) -> Steps[_Found]:
        n = len(active)
        design = paired_coalitions(n, size, rng, leverage=self.by_leverage)
        odd = yield from _odd_parts(design.half, v.n_features, active)
        values, std_err = paired_values(design, odd, total)
        return values, std_err, len(design.half)


class KernelShap(_PairedShapley):
    """Shapley values by weighted regression on coalitions drawn by the Shapley kernel.

    Coalitions come in pairs of complements, sizes that fit are taken whole, nothing is drawn
    twice, values sum exactly to the score less the base, and none is forced to zero.
    Five pairs more than features have standard errors; fewer cannot tell.

    Parameters
    ----------
    budget : int, optional
        Model rows for one input, each coalition costing one row for every background row. None:
        those of 2,048 coalitions and two for each feature.
    random_state : int
        Seed.

    References
    ----------
    Lundberg & Lee (2017), A Unified Approach to Interpreting Model Predictions, theorem 2.
    Covert & Lee (2021), Improving KernelSHAP, section 4.2.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> model = lambda X: X[:, 0] * X[:, 1] + X[:, 2]
    >>> masker = bx.TabularMasker(np.zeros((1, 3)))
    >>> why = bx.KernelShap(budget=8).explain(model, np.array([2.0, 3.0, 1.0]), masker)
    >>> why.values[:, 0].round(6)
    array([3., 3., 1.])
    """

    by_leverage: ClassVar[bool] = False


class LeverageShapley(_PairedShapley):
    """Shapley values by weighted regression on coalitions drawn by their leverage scores.

    Five pairs more than features have standard errors; fewer cannot tell.

    Parameters
    ----------
    budget : int, optional
        Model rows for one input, each coalition costing one row for every background row. None:
        those of 2,048 coalitions and two for each feature.
    random_state : int
        Seed.

    References
    ----------
    Musco & Witter (2025), Provably Accurate Shapley Value Estimation via Leverage Score
    Sampling, algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> model = lambda X: X[:, 0] * X[:, 1] + X[:, 2]
    >>> masker = bx.TabularMasker(np.zeros((1, 3)))
    >>> why = bx.LeverageShapley(budget=8).explain(model, np.array([2.0, 3.0, 1.0]), masker)
    >>> why.values[:, 0].round(6)
    array([3., 3., 1.])
    """


class PermutationShapley(_GridShapley):
    """Shapley values as mean additions along random orders, each walked forth and back.

    Five orders and more have standard errors, by how much they differ; fewer cannot tell.

    Parameters
    ----------
    budget : int, optional
        Model rows for one input, each coalition costing one row for every background row. None:
        those of 2,048 coalitions and two for each feature.
    random_state : int
        Seed.

    References
    ----------
    Castro, Gomez & Tejada (2009), Polynomial Calculation of the Shapley Value Based on Sampling,
    section 3. Mitchell, Cooper, Frank & Holmes (2022), Sampling Permutations for Shapley Value
    Estimation, section 4.1.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> model = lambda X: X[:, 0] * X[:, 1] + X[:, 2]
    >>> masker = bx.TabularMasker(np.zeros((1, 3)))
    >>> why = bx.PermutationShapley(budget=20).explain(model, np.array([2.0, 3.0, 1.0]), masker)
    >>> why.values[:, 0].round(6)
    array([3., 3., 1.])
    """

    def _solve(
        self,
        v: ValueFunction,
        active: IntArray,
        total: FloatArray,
        size: int,
        rng: np.random.Generator,
    ) -> Steps[_Found]:
        n = len(active)
        if n == 2:  # the single pair is the whole game
            design = paired_coalitions(n, n_all_pairs(n), rng)
            odd = yield from _odd_parts(design.half, v.n_features, active)
            return *paired_values(design, odd, total), len(odd)
        chains = antithetic_chains(n, size, rng)
        odd = yield from _odd_parts(chains.reshape(-1, n), v.n_features, active)
        values, std_err = chain_values(chains, odd.reshape(size, n - 1, -1), total)
        return values, std_err, len(odd)

    def _size(self, n: int, r: int) -> int:
        if self.budget is None:
            return max((n + _DEFAULT_PAIRS) // (n - 1), 1)
        n_chains = (self.budget - 1 - r) // (2 * r * (n - 1))
        if n_chains < 1:
            raise BudgetError(
                f"PermutationShapley needs at least {1 + r + 2 * r * (n - 1)} model rows for one "
                f"order of {n} varying features and {r} background rows, but budget is "
                f"{self.budget}. Raise budget, give fewer background rows, or use Shapley."
            )
        return n_chains


def _odd_parts(
    half: BoolArray, d: int, active: IntArray
) -> Generator[Query, FloatArray, FloatArray]:
    """Score pairs of complements and return ``(v(S) - v(N - S)) / 2``, shape ``(p, k)``."""
    p = len(half)
    kept = np.ones((2 * p, d), dtype=bool)
    kept[:p, active] = half
    kept[p:, active] = ~half
    scores = yield Query(kept)
    return (scores[:p] - scores[p:]) / 2
