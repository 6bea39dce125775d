"""Shapley values from every coalition: the truth, for few features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from blackbox_xai._checks import check_int
from blackbox_xai.coalitions.shapley import all_subsets
from blackbox_xai.errors import InputError
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.results import Attribution
from blackbox_xai.solvers.shapley import exact_values
from blackbox_xai.values import Query, Steps, ValueFunction

__all__ = ["ExactShapley"]


@dataclass(frozen=True, kw_only=True)
class ExactShapley(LocalExplainer):
    """Shapley values from all coalitions of the features that vary.

    Parameters
    ----------
    max_features : int
        More varying features than this are refused: ``2**max_features`` coalitions is the price.
    random_state : int
        Not needed: nothing is random.

    References
    ----------
    Shapley (1953), A Value for n-Person Games, equation 12.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> model = lambda X: X @ np.array([1.0, -2.0])
    >>> masker = bx.TabularMasker(np.zeros((1, 2)))
    >>> bx.ExactShapley().explain(model, np.array([3.0, 1.0]), masker).values[:, 0]
    array([ 3., -2.])
    """

    efficient: ClassVar[bool] = True

    max_features: int = 16

    def _check(self) -> None:
        super()._check()
        check_int("max_features", self.max_features, minimum=1)

    def _attribute(self, v: ValueFunction, _rng: np.random.Generator) -> Steps[Attribution]:
        active = np.flatnonzero(v.masked.varies.any(axis=0))
        n = len(active)
        if n > self.max_features:
            raise InputError(
                f"ExactShapley needs 2**{n} coalitions of {n} varying features, but max_features "
                f"is {self.max_features}. Raise max_features, merge features, or use Shapley."
            )
        kept = np.ones((2**n, v.n_features), dtype=bool)
        kept[:, active] = all_subsets(n)
        scores = yield Query(kept)
        values = np.zeros((v.n_features, scores.shape[1]))
        if n:
            values[active] = exact_values(scores)
        return Attribution(
            values, scores[0], np.zeros_like(values), {"coalitions": len(kept), "exact": True}
        )
