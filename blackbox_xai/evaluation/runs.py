"""Running one explainer again and again, counting what it costs."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from blackbox_xai._parallel import Progress, progress_hook
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import Masker
from blackbox_xai.results import Explanation

__all__ = ["Runs", "runs_of"]


class Runs:
    """Runs of one explainer on several models, inputs or seeds.

    Parameters
    ----------
    explainer : LocalExplainer
    masker : Masker
    n_jobs : int
        Workers of each run.
    n_runs : int
        Runs that will be made, for the progress.
    show : callable
        Receives ``(done, total)`` runs.

    Attributes
    ----------
    cost : Ledger
        Queries spent so far.
    """

    def __init__(
        self, explainer: Any, masker: Masker, n_jobs: int, n_runs: int, show: Progress
    ) -> None:
        self.explainer, self.masker, self.n_jobs = explainer, masker, n_jobs
        self.cost = Ledger()
        self._n_runs, self._done, self._show = n_runs, 0, show

    def explain(
        self,
        model: Any,
        inputs: Any,
        outputs: Sequence[int | str],
        *,
        masker: Masker | None = None,
        seed_offset: int = 0,
    ) -> list[Explanation]:
        """Explain ``inputs`` once more, under another seed or masker if asked for.

        Warnings are left out: the models are odd on purpose, and the explainer has said the rest
        when it was used.
        """
        seed = self.explainer.random_state + seed_offset
        seeded = replace(self.explainer, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            done: list[Explanation] = seeded.explain_many(
                model, inputs, masker or self.masker, outputs=list(outputs), n_jobs=self.n_jobs
            )
        self.cost += sum((one.cost for one in done), Ledger())
        self._done += 1
        self._show(self._done, self._n_runs)
        return list(done)


@contextmanager
def runs_of(
    explainer: Any, masker: Masker, *, n_jobs: int, n_runs: int, progress: bool | Progress
) -> Iterator[Runs]:
    """Give the runs of an explainer, and end the progress when they are over."""
    show, close = progress_hook(progress, type(explainer).__name__)
    try:
        yield Runs(explainer, masker, n_jobs, n_runs, show)
    finally:
        close()
