"""What every local explainer shares: binding, batching over inputs, seeds, progress."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from blackbox_xai._checks import check_choice, check_int, check_positive, shown, unfitted
from blackbox_xai._inputs import n_rows, row
from blackbox_xai._parallel import DIED, Died, Progress, child_rng, pmap, progress_hook
from blackbox_xai._plain import plain
from blackbox_xai.adapters import as_model
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.errors import (
    BlackboxError,
    BudgetError,
    InputError,
    Interrupted,
    PredictError,
)
from blackbox_xai.explainers.outcomes import file_outcomes, lost_on, unfinished, with_finished
from blackbox_xai.explainers.outputs import choose_outputs
from blackbox_xai.explainers.planning import Plan, Rehearsal
from blackbox_xai.protocols import Masker
from blackbox_xai.results import Attribution, Explanation, Explanations
from blackbox_xai.values import Detector, Link, Query, Steps, ValueFunction, Watch, drive_all

__all__ = ["LocalExplainer"]


@dataclass(frozen=True, kw_only=True)
class LocalExplainer(ABC):
    """Base of local explainers: frozen settings; the model and the masker come with the call.

    A subclass writes ``_attribute``, a generator that yields queries and returns an
    ``Attribution``.

    Parameters
    ----------
    random_state : int
        Seed. Input ``i`` of a call has a generator of its own, so results do not depend on
        ``n_jobs``, on the batch size, or on which inputs are explained beside it.
    """

    efficient: ClassVar[bool] = False
    """Whether attributions and base are promised to add up to the score."""

    random_state: int = 0

    @abstractmethod
    def _attribute(self, v: ValueFunction, rng: np.random.Generator) -> Steps[Attribution]:
        """Yield queries, receive scores, return the attribution."""

    def _max_rows(self) -> int | None:
        """Return the budget of one explanation in model rows, or None."""
        return None

    def _link(self) -> Link | None:
        """Return what is applied to the scores of every row, or None."""
        return None

    def explain(
        self,
        model: Any,
        x: Any,
        masker: Masker,
        *,
        outputs: Any = None,
        detector: Detector | None = None,
    ) -> Explanation:
        """Explain one input.

        Parameters
        ----------
        model : object
            Anything ``as_model`` takes.
        x : object
            One input: a row, an image or a text, as the masker takes it.
        masker : Masker
            How features are hidden.
        outputs : sequence of int or str, int, str, optional
            Outputs to explain. None: all, or the 5 with the highest scores when there are more
            than 20.
        detector : fitted out-of-distribution detector, optional
            Judges a sample of the inputs made for the explanation; ``diagnostics["unlike"]`` then
            says what share of them is unlike the data. Costs no model rows.

        Returns
        -------
        Explanation

        Raises
        ------
        InputError
            When an argument cannot be used.
        BudgetError
            When the budget does not suffice; nothing more was sent.
        ModelError
            When the model fails or does not answer with scores.
        """
        self._check()
        _check_masker(masker)
        _check_detector(detector)
        outcome = self._window((as_model(model), masker, outputs, detector), [(0, x)])[0]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def explain_many(
        self,
        model: Any,
        xs: Any,
        masker: Masker,
        *,
        outputs: Any = None,
        detector: Detector | None = None,
        n_jobs: int = 1,
        progress: bool | Progress = False,
        on_error: str = "raise",
    ) -> Explanations:
        """Explain many inputs; their coalitions share batches.

        Parameters
        ----------
        model, masker, outputs, detector
            As for ``explain``.
        xs : sequence
            Inputs: rows of an array or frame, a list of images or texts.
        n_jobs : int
            Workers; -1 means all cores. The numbers do not depend on it.
        progress : bool or callable
            True shows a bar on a terminal; a callable receives ``(done, total)``.
        on_error : {"raise", "return"}
            What to do when an input cannot be explained or Ctrl-C is pressed: raise, with what
            was finished in the error's ``partial``; or go on, warn, and return the list with None
            where nothing was finished. When all of several inputs fail, the model is taken to be
            out of order and is not asked further.

        Returns
        -------
        Explanations
            A list, in the order of the inputs.

        Raises
        ------
        InputError, BudgetError, ModelError
            As for ``explain``; ``input`` says at which of the inputs.
        Interrupted
            On Ctrl-C.
        """
        self._check()
        _check_masker(masker)
        _check_detector(detector)
        check_choice("on_error", on_error, ("raise", "return"))
        n = n_rows(xs)
        black_box = as_model(model)
        n_windows = max(-(-n // black_box.side_by_side), 1)
        ends = [n * window // n_windows for window in range(n_windows + 1)]
        tasks = [[(i, row(xs, i)) for i in range(*window)] for window in pairwise(ends)]
        finished: list[Any] = [None] * n
        failures: list[BaseException] = []
        show, close = progress_hook(progress, type(self).__name__)
        shared = (black_box, masker, outputs, detector)
        try:
            for task, outcomes in self._windows(shared, tasks, n_jobs):
                new = file_outcomes(finished, tasks[task], outcomes)
                failures += new
                show(sum(e is not None for e in finished), n)
                if new and (on_error == "raise" or len(new) == len(outcomes) > 1):
                    break
        except (KeyboardInterrupt, BudgetError) as error:  # a model may have a budget of its own
            failures.insert(0, error)
        finally:
            close()
        if failures and on_error == "raise":
            raise with_finished(failures[0], finished)
        if failures:
            warnings.warn(unfinished(finished, failures[0]), RuntimeWarning, stacklevel=2)
        return Explanations(finished, lost=lost_on(failures))

    def plan(
        self,
        model: Any,
        xs: Any,
        masker: Masker,
        *,
        outputs: Any = None,
        latency: float | None = None,
    ) -> Plan:
        """Return what ``explain_many`` would cost, without sending anything.

        The run is rehearsed on made-up scores, so counts are those of the real run; a method
        that stops early may ask less.

        Parameters
        ----------
        model, xs, masker, outputs
            As for ``explain_many``.
        latency : float, optional
            Seconds that one request takes; None leaves the time out.

        Returns
        -------
        Plan

        Raises
        ------
        InputError
            When an argument cannot be used.
        BudgetError
            When the budget of the explainer does not suffice.

        Examples
        --------
        >>> import numpy as np
        >>> import blackbox_xai as bx
        >>> masker = bx.TabularMasker(np.zeros((10, 3)))
        >>> plan = bx.KernelShap(budget=80).plan(lambda X: X.sum(1), np.ones((4, 3)), masker)
        >>> 0 < plan.rows <= 4 * 80
        True
        """
        wait = None if latency is None else check_positive("latency", latency)
        rehearsal = Rehearsal(as_model(model))
        n = n_rows(xs)
        chosen = None if rehearsal.output_names is None else outputs
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what noise looks like is of no interest
            self._tireless().explain_many(rehearsal, xs, masker, outputs=chosen)
        return rehearsal.plan(n, wait)

    def _tireless(self) -> LocalExplainer:
        """Return these settings without what would stop before the budget is spent."""
        return self

    def _check(self) -> None:
        """Check the settings; called once before anything is sent."""
        check_int("random_state", self.random_state, minimum=0)

    def _windows(
        self,
        shared: tuple[Adapter, Masker, Any, Detector | None],
        tasks: Sequence[Sequence[tuple[int, Any]]],
        n_jobs: int,
    ) -> Iterator[tuple[int, Sequence[Explanation | BlackboxError | Interrupted]]]:
        """Explain windows of inputs; one that ends its worker process is gone through singly."""
        settings: dict[str, Any] = {"backend": shared[0].parallel, "quarantine": True}
        for task, found in pmap(self._window, shared, tasks, n_jobs=n_jobs, **settings):
            if not isinstance(found, Died):
                yield task, found
                continue
            alone: list[Any] = [found] * len(tasks[task])
            if len(alone) > 1:
                singly = [[x] for x in tasks[task]]
                for place, outcome in pmap(self._window, shared, singly, n_jobs=2, **settings):
                    alone[place] = outcome
            yield task, [PredictError(DIED) if isinstance(o, Died) else o[0] for o in alone]

    def _window(
        self,
        shared: tuple[Adapter, Masker, Any, Detector | None],
        inputs: Sequence[tuple[int, Any]],
    ) -> Sequence[Explanation | BlackboxError | Interrupted]:
        """Explain a few inputs side by side; a failed one has its error in its place."""
        model, masker, outputs, detector = shared
        outcomes: dict[int, Explanation | BlackboxError | Interrupted] = {}
        runs = {}
        for i, x in inputs:
            try:
                bound = masker.bind(x)
            except InputError as error:
                outcomes[i] = error
                continue
            v = ValueFunction(
                model,
                bound,
                budget=self._max_rows(),
                link=self._link(),
                watch=None if detector is None else Watch(detector),
            )
            rng = child_rng(self.random_state, i)
            runs[i] = v, self._explained(v, masker, outputs, rng)
        try:
            found: Sequence[Any] = drive_all(list(runs.values()))
        except Interrupted as error:
            found = [error if outcome is None else outcome for outcome in error.partial]
        for (v, _), outcome in zip(runs.values(), found, strict=True):
            if isinstance(outcome, BlackboxError):
                outcome.cost = outcome.cost + v.cost
        outcomes |= zip(runs, found, strict=True)
        return [outcomes[i] for i, _ in inputs]

    def _explained(
        self, v: ValueFunction, masker: Masker, outputs: Any, rng: np.random.Generator
    ) -> Steps[Explanation]:
        """Score the input itself, choose outputs, then let the method work."""
        full = np.ones((1, v.n_features), dtype=bool)
        everything = (yield Query(full))[0]
        names = v.model.name_outputs(len(everything))
        chosen = choose_outputs(outputs, everything, names)
        v.keep_outputs(chosen)
        attribution = yield from self._attribute(v, rng)
        unlike = {} if v.watch is None else {"unlike": v.watch.result()}
        return Explanation(
            values=attribution.values,
            std_err=attribution.std_err,
            base=attribution.base,
            scores=everything[chosen] if attribution.scores is None else attribution.scores,
            feature_names=v.masked.feature_names,
            output_names=tuple(names[j] for j in chosen),
            scale=v.model.scale,
            layout=v.masked.layout,
            method=type(self).__name__,
            settings={f.name: plain(getattr(self, f.name)) for f in fields(self)},
            masker=masker.describe(),
            cost=v.cost,
            diagnostics=attribution.diagnostics | unlike,
            heatmap=attribution.heatmap,
        )


def _check_masker(masker: Any) -> None:
    """Say so before anything is sent when what should hide features cannot."""
    if isinstance(masker, type) or not callable(getattr(masker, "bind", None)):
        raise InputError(
            "masker must be a masker, such as TabularMasker(background), ImageMasker() or "
            f"TextMasker(), got {shown(masker)}."
        )


def _check_detector(detector: Any) -> None:
    if detector is None:
        return
    if isinstance(detector, type) or not callable(getattr(detector, "p_values", None)):
        got = shown(detector)
    elif unfitted(detector):
        got = f"{shown(detector)}, which is not fitted"
    else:
        return
    raise InputError(
        f"detector must be a fitted detector, such as OODDetector().fit(background), got {got}."
    )
