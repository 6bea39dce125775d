"""The course of an audit: stages one after another, what each costs, what is left when one ends."""

from __future__ import annotations

import re
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from blackbox_xai._checks import shown
from blackbox_xai._parallel import Progress, progress_hook
from blackbox_xai._plain import plain as plain_document
from blackbox_xai.errors import BudgetError, InputError, Interrupted, ModelError
from blackbox_xai.ledger import Ledger
from blackbox_xai.report.answers import answers, truth
from blackbox_xai.report.case import Case, Findings, Guard, Halted, StageProgress
from blackbox_xai.report.local import drivers, explained_rows
from blackbox_xai.report.subject import assumptions, subject
from blackbox_xai.report.trust import agreement, gates, trust
from blackbox_xai.report.verdict import verdict
from blackbox_xai.report.wholes import data_map, surrogate, unusual

__all__ = ["FORMAT", "SECTIONS", "Course", "bars", "condensed"]

FORMAT = "blackbox_xai.audit/1"
_NUMBER = re.compile(r"\d[\d.,]*")
Stage = Callable[[Case, Findings], tuple[dict[str, Any] | None, Ledger]]
_STAGES: dict[str, Stage] = {
    "answers": answers,
    "truth": truth,
    "unusual": unusual,
    "rows": explained_rows,
    "drivers": drivers,
    "map": data_map,
    "surrogate": surrogate,
    "trust": trust,
    "gates": gates,
    "agreement": agreement,
}
SECTIONS = tuple(_STAGES)


class _Bars:
    """A bar on the terminal for each stage, one after another."""

    def __init__(self) -> None:
        self.stage = ""
        self.close: Callable[[], None] = lambda: None
        self.show: Progress = lambda _done, _total: None

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show how far a stage is."""
        if stage != self.stage:
            self.end()
            self.stage = stage
            self.show, self.close = progress_hook(True, stage)
        self.show(done, total)

    def end(self) -> None:
        """Take the last bar away."""
        self.close()


def bars(progress: bool | StageProgress) -> tuple[StageProgress, Callable[[], None]]:
    """Return what shows progress, and what takes it away at the end."""
    if callable(progress):
        return progress, lambda: None
    if not isinstance(progress, bool):
        raise InputError(f"progress must be True, False or a function, got {shown(progress)}.")
    if not progress:
        return _silent, lambda: None
    drawn = _Bars()
    return drawn, drawn.end


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Show nothing."""


def condensed(sentences: Sequence[str]) -> list[str]:
    """Return sentences that differ in more than their numbers, each with how often it came.

    Examples
    --------
    >>> condensed(["9 % is little.", "Rows are few.", "12.5 % is little."])
    ['9 % is little. (1 more like this)', 'Rows are few.']
    """
    alike: dict[str, list[str]] = {}
    for sentence in sentences:
        alike.setdefault(_NUMBER.sub("#", sentence), []).append(sentence)
    return [
        first if not more else f"{first} ({len(more)} more like this)"
        for first, *more in alike.values()
    ]


class Course:
    """Runs stages one after another and keeps what each has found."""

    def __init__(self, case: Case, guard: Guard, stopped: list[dict[str, str]]) -> None:
        self.case = case
        self.guard = guard
        self.found = Findings()
        self.sections: dict[str, Any] = {}
        self.stages: list[dict[str, Any]] = []
        self.timing: list[dict[str, Any]] = []
        self.stopped = stopped
        self.total = Ledger()

    def run(self, wanted: list[str]) -> dict[str, Any]:
        """Run the stages; end early when nothing more can be asked."""
        for name in wanted:
            self.case.progress(name, 0, 1)
            try:
                self._stage(name)
            except KeyboardInterrupt as error:
                self.stopped.append({"stage": name, "why": "Interrupted."})
                raise self._with_partial(Interrupted("Interrupted.")) from error
            except (BudgetError, ModelError) as error:
                if self.found.scores is None:
                    raise
                self.stopped.append({"stage": name, "why": str(error)})
                if isinstance(error, ModelError):
                    break
            self.case.progress(name, 1, 1)
        return self._document()

    def _with_partial(self, error: Interrupted) -> Interrupted:
        if self.found.scores is not None:
            error.partial = [self._document()]
        return error

    def _stage(self, name: str) -> None:
        before, began = self.guard.spent, time.perf_counter()
        spent = None
        try:
            with warnings.catch_warnings(record=True) as heard:
                warnings.simplefilter("always")
                self.sections[name], spent = _STAGES[name](self.case, self.found)
            self.found.warnings += condensed([str(warning.message) for warning in heard])
        except Halted as halted:
            self.sections[name] = halted.section
            raise halted.cause from None
        finally:
            if spent is None:
                spent = self.guard.spent.since(before)
            self.total = self.total + spent
            self.stages.append({"stage": name, **_counts(spent)})
            seconds = time.perf_counter() - began
            self.timing.append({"stage": name, "seconds": seconds, "in_model": spent.seconds})

    def _document(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "format": FORMAT,
            "title": str(self.case.about.get("title", "Audit of a black-box model")),
            "subject": subject(self.case, self.found, self.guard.model),
        }
        document.update({name: part for name, part in self.sections.items() if part is not None})
        document["ledger"] = {
            "stages": self.stages,
            "total": _counts(self.total),
            "budget": self.guard.max_rows,
            "max_seconds": self.guard.max_seconds,
            "stopped": self.stopped,
        }
        document["limits"] = {
            "assumptions": assumptions(self.case),
            "warnings": list(dict.fromkeys(self.found.warnings)),
            "command": str(self.case.about.get("command", "")),
        }
        document["verdict"] = verdict(document)
        document["timing"] = {"stages": self.timing}
        whole: dict[str, Any] = plain_document(document)
        return whole


def _counts(ledger: Ledger) -> dict[str, Any]:
    """Return what a ledger counts; seconds stand under ``timing``, for they differ between runs."""
    counts = ledger.to_dict()
    counts.pop("seconds")
    return counts
