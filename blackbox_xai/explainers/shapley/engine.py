"""The Shapley engine: every background row asks coalitions of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from blackbox_xai._checks import check_choice, check_int, check_positive, shown
from blackbox_xai.errors import InputError
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.explainers.shapley.plan import Plan, default_rows, make_plan
from blackbox_xai.explainers.shapley.rounds import Round, run_round
from blackbox_xai.protocols import FloatArray
from blackbox_xai.results import Attribution
from blackbox_xai.values import Link, Query, Steps, ValueFunction

__all__ = ["Shapley"]

_LOGIT_EDGE = 1e-7


def logit(scores: FloatArray) -> FloatArray:
    """Log-odds of probabilities, those nearer than 1e-7 to 0 or 1 taken for that."""
    p = np.clip(scores, _LOGIT_EDGE, 1 - _LOGIT_EDGE)
    return np.log(p) - np.log1p(-p)


@dataclass(frozen=True, kw_only=True)
class Shapley(LocalExplainer):
    """Shapley values with standard errors, from as few model rows as possible.

    The game is the mean score over the background with some features of ``x`` kept. It is a mean
    of one game for each background row, and so are its Shapley values: every background row gets
    coalitions of its own, in pairs of complements, over the features that differ from it, and
    what one row's design misses another's does not.

    Parameters
    ----------
    budget : int, optional
        Model rows for one input. None: 2,048, or ten coalitions for each feature of up to 100
        background rows when that is more.
    link : {"identity", "logit"} or callable
        Applied to the scores of every row, before the mean over the background.
    tol : float, optional
        Stop when no standard error is above it, in units of the (linked) output; the budget
        remains the limit.
    random_state : int
        Seed.

    References
    ----------
    Lundberg & Lee (2017), A Unified Approach to Interpreting Model Predictions. Musco & Witter
    (2025), Provably Accurate Shapley Value Estimation via Leverage Score Sampling.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> rng = np.random.default_rng(0)
    >>> background, weights = rng.normal(size=(500, 8)), np.arange(8.0)
    >>> why = bx.Shapley(budget=10_000).explain(
    ...     lambda X: X @ weights, np.ones(8), bx.TabularMasker(background))
    >>> np.allclose(why.values[:, 0], weights * (1 - background.mean(axis=0)))
    True
    >>> why.cost.rows <= 10_000
    True
    """

    efficient: ClassVar[bool] = True

    budget: int | None = None
    link: Any = "identity"
    tol: float | None = None

    def _check(self) -> None:
        super()._check()
        if self.budget is not None:
            check_int("budget", self.budget, minimum=1)
        if self.tol is not None:
            check_positive("tol", self.tol)
        if not callable(self.link):
            check_choice("link", self.link, ("identity", "logit"))

    def _max_rows(self) -> int | None:
        return self.budget

    def _link(self) -> Link | None:
        if self.link == "identity":
            return None
        link: Link = logit if self.link == "logit" else self.link
        return link

    def _attribute(self, v: ValueFunction, rng: np.random.Generator) -> Steps[Attribution]:
        full = (yield Query(np.ones((1, v.n_features), dtype=bool)))[0]
        varies = np.asarray(v.masked.varies)
        rows = (self.budget or default_rows(varies)) - 1
        plan = make_plan(varies, v.masked.fill_weights, rows, rng)
        found = yield from run_round(v, plan, full, self.random_state, rng)
        return Attribution(found.values, found.base, np.sqrt(found.variance), {})
