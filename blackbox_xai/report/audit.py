"""One call that puts a model through everything the library can say about it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from blackbox_xai import _export
from blackbox_xai._checks import check_choice, check_int, check_positive, shown
from blackbox_xai._inputs import columns, is_frame, n_rows
from blackbox_xai.adapters import as_model
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.errors import InputError, Interrupted
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.protocols import Masker
from blackbox_xai.report.case import Case, Guard, StageProgress
from blackbox_xai.report.course import FORMAT, SECTIONS, Course, bars
from blackbox_xai.report.defaults import choose_explainer, choose_masker

__all__ = ["SECTIONS", "Audit", "audit"]

_MOST_ROWS = 500
_NEEDS_ROWS = ("drivers", "trust", "gates", "agreement")


@dataclass(frozen=True, eq=False)
class Audit:
    """What was found out about a model, as plain data; pages and tables are made from it.

    Parameters
    ----------
    document : dict
        Sections of the audit; only numbers, texts, lists and dictionaries.

    Examples
    --------
    >>> import blackbox_xai as bx
    >>> demo = bx.load_demo()
    >>> model = bx.as_model(demo.model_path, output_names=demo.output_names)
    >>> report = bx.audit(model, demo.x[:40], background=demo.background, sections=["answers"])
    >>> report.document["ledger"]["total"]["rows"]
    40
    >>> Audit.from_json(report.to_json()).document == report.document
    True
    """

    document: dict[str, Any] = field(repr=False)

    @property
    def complete(self) -> bool:
        """Whether every stage ran to its end."""
        return not self.document["ledger"]["stopped"]

    @property
    def failed(self) -> tuple[str, ...]:
        """Titles of the cards that failed."""
        return tuple(card["title"] for card in self.document["verdict"] if card["mark"] == "fail")

    def to_json(self) -> str:
        """Return JSON text; ``from_json`` reads it back. Numbers that are not finite are null."""
        return json.dumps(self.document, ensure_ascii=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Audit:
        """Read back what ``to_json`` wrote.

        Raises
        ------
        InputError
            When ``text`` is not JSON, or not an audit written by this library.
        """
        document = _export.parse_json(text)
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise InputError(f"text must be an audit of format {FORMAT!r}.")
        missing = [key for key in ("subject", "verdict", "ledger", "limits") if key not in document]
        if missing:
            raise InputError(f"text is not a whole audit: {shown(missing[0])} is missing.")
        return cls(document)

    def to_html(self) -> str:
        """Return the report as one page of HTML that needs nothing beside it.

        The same document gives the same bytes.
        """
        from blackbox_xai.report.html import render

        return render(self.document)

    def save(self, path: str | Path) -> None:
        """Write to ``path``; the suffix decides: .html or .json.

        Raises
        ------
        InputError
            For another suffix.
        """
        target = Path(path)
        kind = check_choice("path's suffix", target.suffix.lower(), (".html", ".json"))
        text = self.to_html() if kind == ".html" else self.to_json()
        target.write_bytes(text.encode("utf-8"))

    def __repr__(self) -> str:
        """Say in a few lines what was found."""
        marks = {"pass": "✓", "fail": "✗", "warn": "!"}
        total = self.document["ledger"]["total"]
        cards = self.document["verdict"]
        lines = [f"Audit: {total['rows']:,} model rows in {total['calls']:,} calls"]
        lines += [f"  {marks[card['mark']]} {shown(card['title'])[1:-1]}" for card in cards]
        return "\n".join(lines)


def audit(
    model: Any,
    X: Any,
    y: Any = None,
    *,
    background: Any = None,
    masker: Masker | None = None,
    explainer: LocalExplainer | None = None,
    feature_names: Sequence[str] | None = None,
    n_explain: int = 24,
    sections: Collection[str] | None = None,
    skip: Collection[str] = (),
    budget: int | None = None,
    max_seconds: float | None = None,
    random_state: int = 0,
    n_jobs: int = 1,
    progress: bool | StageProgress = False,
    about: Mapping[str, Any] | None = None,
) -> Audit:
    """Put a model through everything this library can say about it.

    Parameters
    ----------
    model : object
        Anything ``as_model`` takes.
    X : array, frame or list
        Inputs that are audited, preferably none the model was fitted on.
    y : sequence, optional
        Their labels (names or positions of outputs) or true values.
    background : array, frame or list, optional
        Reference inputs: what hidden columns are filled from, and what usual rows look like.
        Needed for tables.
    masker : Masker, optional
        How features are hidden. None: by the kind of data.
    explainer : LocalExplainer, optional
        Explains rows. None: Shapley values with standard errors.
    feature_names : sequence of str, optional
        Names of the columns of an array.
    n_explain : int
        Rows explained, at most 500: a random sample, and up to a third that are wrong or unusual.
    sections : collection of str, optional
        Sections to make, of ``SECTIONS``. None: all that the data allow.
    skip : collection of str
        Sections left out.
    budget : int, optional
        Model rows of all stages together, never exceeded; a stage that would is not run.
    max_seconds : float, optional
        Seconds after which the model is not asked any more.
    random_state : int
        Seed. The same seed gives the same document, but for its ``timing``.
    n_jobs : int
        Workers; -1 means all cores. The numbers do not depend on it.
    progress : bool or callable
        True shows a bar on a terminal; a callable receives ``(stage, done, total)``.
    about : mapping, optional
        What the report says of the subject: "title", "model", "data" (a name, or a mapping of
        facts), "date", "command".

    Returns
    -------
    Audit
        When the budget or the time ends, or the model fails in a later stage, the sections made
        until then, with ``complete`` False.

    Raises
    ------
    InputError
        When an argument cannot be used; nothing was sent.
    BudgetError, ModelError
        When not even ``X`` could be scored.
    Interrupted
        On Ctrl-C; ``partial`` holds the audit made until then, if any.

    Examples
    --------
    >>> import blackbox_xai as bx
    >>> demo = bx.load_demo()
    >>> model = bx.as_model(demo.model_path, output_names=demo.output_names)
    >>> report = bx.audit(
    ...     model, demo.x, demo.y, background=demo.background, sections=["answers", "truth"]
    ... )
    >>> round(report.document["truth"]["correct"]["value"], 3)
    0.942
    """
    wanted = _wanted(sections, skip)
    labels = _checked(X, y)
    adapter = as_model(model)
    guard = _guarded(adapter, budget, max_seconds)
    chosen = masker or choose_masker(X, background, feature_names, random_state)
    why = explainer or choose_explainer(chosen, X, random_state)
    own = explainer is not None
    why, affordable = _affordable(why, guard, n_rows(X), n_explain, chosen=own)
    show, close = bars(progress)
    case = Case(
        model=guard,
        inputs=X,
        y=labels,
        background=background,
        masker=chosen,
        feature_names=None if feature_names is None else tuple(feature_names),
        explainer=why,
        n_explain=affordable,
        n_jobs=n_jobs,
        seed=check_int("random_state", random_state, minimum=0),
        about=about or {},
        progress=show,
    )
    try:
        return Audit(Course(case, guard, _shortened(case, n_explain)).run(wanted))
    except Interrupted as error:
        error.partial = [Audit(document) for document in error.partial]
        raise
    finally:
        close()


def _checked(X: Any, y: Any) -> list[Any] | None:
    """Return the labels as a list, one for each input, or say what is wrong with either."""
    n = n_rows(X)
    if n == 0:
        raise InputError("X must have at least one row, got 0.")
    names = [str(name) for name in columns(X)] if is_frame(X) else []
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"X has two columns named {shown(twice)}. Rename one.")
    if y is None:
        return None
    if isinstance(y, str | bytes) or np.ndim(y) != 1:
        raise InputError(f"y must be a sequence of one label for each row of X, got {_form(y)}.")
    if len(y) != n:
        raise InputError(f"y must have {n} labels, one for each row of X, got {len(y)}.")
    return list(y)


def _form(y: Any) -> str:
    return shown(y) if np.ndim(y) == 0 else f"shape {np.shape(y)}"


def _wanted(sections: Collection[str] | None, skip: Collection[str]) -> list[str]:
    for kind, names in (("sections", sections), ("skip", skip)):
        if isinstance(names, str):
            raise InputError(f"{kind} must be a list of names, got {shown(names)}.")
    for name in [*(sections or ()), *skip]:
        check_choice("sections", name, SECTIONS)
    chosen = set(SECTIONS if sections is None else sections) - set(skip)
    if chosen - {"map", "unusual"}:
        chosen.add("answers")
    if chosen & set(_NEEDS_ROWS):
        chosen.add("rows")
    return [name for name in SECTIONS if name in chosen]


def _guarded(adapter: Adapter, budget: int | None, max_seconds: float | None) -> Guard:
    if budget is not None:
        check_int("budget", budget, minimum=1)
    if max_seconds is not None:
        check_positive("max_seconds", max_seconds)
    return Guard(adapter, max_rows=budget, max_seconds=max_seconds)


def _affordable(
    explainer: LocalExplainer, guard: Guard, n: int, n_explain: int, *, chosen: bool
) -> tuple[LocalExplainer, int]:
    """Return explainer and number of rows so that half of what is left explains all of them.

    An explainer that the caller has chosen keeps its budget and fewer rows are explained; ours
    goes down to a quarter of its own first.
    """
    check_int("n_explain", n_explain, minimum=1)
    if n_explain > _MOST_ROWS:
        raise InputError(f"n_explain must be at most {_MOST_ROWS}, got {n_explain}.")
    n_explain = min(n_explain, max(n, 1))
    own = getattr(explainer, "budget", None)
    if guard.max_rows is None or own is None:
        return explainer, n_explain
    share = max((guard.max_rows - n) // 2, 1)
    least = own if chosen else max(own // 4, 1)
    rows = max(min(n_explain, share // least), 1)
    changed: dict[str, Any] = {"budget": min(own, share // rows)}
    return replace(explainer, **changed), rows


def _shortened(case: Case, n_explain: int) -> list[dict[str, str]]:
    """Say so when the budget does not pay for all rows that were to be explained."""
    if case.n_explain >= min(n_explain, case.n):
        return []
    why = f"The budget pays for {case.n_explain} of {min(n_explain, case.n)} rows."
    return [{"stage": "rows", "why": why}]
