"""The Shapley engine: every background row asks coalitions of its own."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np

from blackbox_xai._checks import check_choice, check_int, check_positive
from blackbox_xai.errors import BudgetError, InputError
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.explainers.shapley.grid import fewest_rows, grid_round
from blackbox_xai.explainers.shapley.links import any_link
from blackbox_xai.explainers.shapley.merging import mean_round, merged
from blackbox_xai.explainers.shapley.plan import Plan, default_rows, describe_plan, make_plan
from blackbox_xai.explainers.shapley.rounds import Round, run_round
from blackbox_xai.protocols import BoolArray, FloatArray, Masker
from blackbox_xai.results import Attribution, Explanation
from blackbox_xai.values import Link, Query, Steps, ValueFunction

__all__ = ["Shapley"]

_LARGE_ROW = 1 << 16  # bytes; a model takes longer to read such a row than a fit takes for it
_STORED = 2000  # numbers of hidden scores that go into the diagnostics
_SHARES = (0.1, 0.1, 0.2, 0.6)  # of the budget, for rounds that may stop early


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
        Model rows for one input. None: 2,048, or when that is more, ten coalitions for each
        feature under each of up to 100 background rows: 10,102 rows for 10 features and 100
        background rows or more.
    accuracy : {"auto", "fast", "high"}
        "high" takes the scores of all background rows for those of one process, so that they
        serve each other, and learns from them how features interact; with up to three background
        rows, the part of each feature in that. That takes up to seconds of computing for each
        input, and up to half of the error away. "auto" does so where one input is larger than
        64 KiB, as images are: scoring it costs more. It is a rule of sizes, not of timings, so
        that two runs give the same numbers.
    link : {"identity", "logit"} or callable
        Applied to the scores of every row, before the mean over the background; probabilities
        are first clipped to 1e-7 and 1 - 1e-7.
    link_after_mean : bool
        Apply the link to the mean over the background instead. That game is no mean of games, so
        every coalition costs a row for each background row. Without a budget it takes four
        coalitions for each feature when the usual budget buys fewer: 24,601 rows for 10 features
        and 600 background rows, 5,051 when these are summarised by 50 centroids.
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
    accuracy: str = "auto"
    link: Any = "identity"
    link_after_mean: bool = False
    tol: float | None = None

    def _check(self) -> None:
        super()._check()
        if self.budget is not None:
            check_int("budget", self.budget, minimum=1)
        if self.tol is not None:
            check_positive("tol", self.tol)
        check_choice("accuracy", self.accuracy, ("auto", "fast", "high"))
        if not callable(self.link):
            check_choice("link", self.link, ("identity", "logit"))
        if self.link_after_mean and self.tol is not None:
            raise InputError(
                "tol must be None with link_after_mean=True, whose coalitions are one design. "
                "Raise budget instead, or apply the link per row."
            )

    def refine(self, explanation: Explanation, model: Any, x: Any, masker: Masker) -> Explanation:
        """Return ``explanation`` with ``budget`` more model rows put into it.

        What it has cost before is not asked again, but for the score of ``x`` itself. One of all
        coalitions, which leave no error, is returned as it is, and nothing is asked.

        Parameters
        ----------
        explanation : Explanation
            From a Shapley explainer with the same link.
        model, x, masker : object
            Those it was made with.

        Raises
        ------
        InputError
            When the explanation is not of this model and input.
        """
        self._check()
        note = explanation.diagnostics
        if explanation.method != type(self).__name__:
            raise InputError(f"explanation must come from {type(self).__name__}.explain.")
        if "rounds" not in note:
            raise InputError(
                "An explanation with link_after_mean=True cannot be refined: its coalitions are "
                "one design. Explain again with a larger budget, or apply the link per row."
            )
        if _is_exact(explanation):
            return explanation
        more = self._resumed(note)
        again = more.explain(model, x, masker, outputs=list(explanation.output_names))
        if not np.allclose(again.scores, explanation.scores, rtol=1e-6, atol=1e-9):
            raise InputError("explanation is of another model, input or link: scores differ.")
        return merged(explanation, again)

    def _resumed(self, note: dict[str, Any]) -> Shapley:
        seed = np.random.SeedSequence([self.random_state, int(note["rounds"])])
        settings = {f.name: getattr(self, f.name) for f in fields(self)}
        settings["random_state"] = int(seed.generate_state(1)[0])
        return _Resumed(**settings, hidden=note.get("hidden_scores"))

    def _tireless(self) -> Shapley:
        return self if self.tol is None else replace(self, tol=np.finfo(float).tiny)

    def _max_rows(self) -> int | None:
        return self.budget

    def _link(self) -> Link | None:
        return None if self.link_after_mean else any_link(self.link)

    def _known(self, r: int, k: int) -> FloatArray:
        """Return the scores ``(r, k)`` with everything hidden, NaN where not known yet."""
        return np.full((r, k), np.nan)

    def _attribute(self, v: ValueFunction, rng: np.random.Generator) -> Steps[Attribution]:
        full = (yield Query(np.ones((1, v.n_features), dtype=bool)))[0]
        varies = np.asarray(v.masked.varies)
        rows = (self.budget or self._usual(varies)) - 1
        fit = self.accuracy == "high" or (
            self.accuracy == "auto" and v.masked.row_bytes >= _LARGE_ROW
        )
        if self.link_after_mean:
            return (
                yield from grid_round(v, any_link(self.link) or np.asarray, rows, full, rng=rng)
            )
        hidden = self._known(v.n_fills, len(full))
        found: list[tuple[int, Round]] = []
        plans: list[Plan] = []
        for share in (1.0,) if self.tol is None else _SHARES:
            left = rows - sum(spent for spent, _ in found)
            try:
                plan = self._afford(v, max(round(share * rows), 0), left, hidden, rng)
            except BudgetError:
                if not found:
                    raise
                break
            before = v.asked
            seed = self.random_state + len(found)
            done = yield from run_round(v, plan, full, hidden, seed=seed, rng=rng, fit=fit)
            found.append((max(v.asked - before, 1), done))
            plans.append(plan)
            if self._settled(found):
                break
        return _attribution(found, plans[-1], hidden, v)

    def _usual(self, varies: BoolArray) -> int:
        usual = default_rows(varies)
        return max(usual, fewest_rows(varies)) if self.link_after_mean else usual

    def _afford(
        self, v: ValueFunction, rows: int, left: int, hidden: FloatArray, rng: np.random.Generator
    ) -> Plan:
        """Return a plan for ``rows`` rows, or for all that are left when those do not suffice."""
        varies, weights = np.asarray(v.masked.varies), v.masked.fill_weights
        active, known = varies.any(axis=1), np.isfinite(hidden.sum(axis=1))
        paid = int(active.sum()) if known[active].all() else 0
        refused = None
        for budget in (min(rows, left) + paid, left + paid, left):
            try:
                plan = make_plan(varies, weights, budget, rng)
            except BudgetError as error:
                refused = error
                continue
            if plan.rows - int(known[plan.base_fills].sum()) <= left:
                return plan
        raise refused or BudgetError(
            f"{left} model rows do not suffice for a further round. Raise budget."
        )

    def _settled(self, found: list[tuple[int, Round]]) -> bool:
        if self.tol is None:
            return True
        worst = np.sqrt(mean_round(found).variance.max(initial=0.0))
        return bool(worst <= self.tol)


@dataclass(frozen=True, kw_only=True)
class _Resumed(Shapley):
    """More rounds for an explanation whose hidden scores are known."""

    hidden: Any = None

    def _known(self, r: int, k: int) -> FloatArray:
        known = np.array(self.hidden, dtype=np.float64) if self.hidden else np.zeros((0, 0))
        return known if known.shape == (r, k) else super()._known(r, k)


def _is_exact(explanation: Explanation) -> bool:
    designs = explanation.diagnostics["designs"]
    whole = designs["all coalitions"] == sum(designs.values())
    return whole and explanation.std_err is not None and not explanation.std_err.any()


def _attribution(
    found: list[tuple[int, Round]], plan: Plan, hidden: FloatArray, v: ValueFunction
) -> Attribution:
    mean = mean_round(found)
    note = describe_plan(plan, np.asarray(v.masked.varies))
    note["rounds"] = len(found)
    note["rows"] = v.asked  # also those that a prediction log answered
    note["kernel"] = found[-1][1].kernel
    if hidden.size <= _STORED and not np.isnan(hidden).any():
        note["hidden_scores"] = hidden.tolist()
    known = not np.isnan(mean.variance).any()
    return Attribution(mean.values, mean.base, np.sqrt(mean.variance) if known else None, note)
