"""What is written and drawn of an explanation: its parts, its unit, its largest effects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai._export import Attributed
from blackbox_xai._format import counted, number, rest_label, told_apart, unit_label, with_error
from blackbox_xai.plotting.folding import without_dust
from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["Explained", "effect", "explanation_title", "output_unit", "rest_effect", "summary"]

_SHOWN = 6
_NAME = 40


class Explained(Attributed, Protocol):
    """What a plot reads of an explanation of ``d`` features and ``k`` outputs."""

    @property
    def scores(self) -> FloatArray:
        """Scores of the input, ``(k,)``."""

    @property
    def scale(self) -> Any:
        """Unit of the scores."""

    @property
    def method(self) -> str:
        """Name of the explainer."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings of the explainer."""

    @property
    def cost(self) -> Any:
        """Queries spent."""

    @property
    def diagnostics(self) -> Mapping[str, Any]:
        """How the numbers came about."""

    def output_index(self, output: int | str | None = None) -> int:
        """Return the column of an output; None means the one with the highest score."""


def explanation_title(explanation: Explained, output: int) -> str:
    """Return prediction, output, method and cost in one line."""
    unit = output_unit(explanation, output)
    score = number(float(explanation.scores[output]))
    cost = counted(int(explanation.cost.rows), "model row")
    return f"Prediction: {score} {unit} · {explanation.method} · {cost}"


def output_unit(explanation: Explained, output: int) -> str:
    """Return the unit of the attributions of one output."""
    link = explanation.settings.get("link")
    link = link if isinstance(link, str) else None
    return unit_label(explanation.scale, explanation.output_names[output], link)


def effect(explanation: Explained, i: int, j: int) -> tuple[float, float | None]:
    """Return the effect of feature ``i`` on output ``j`` and its error; rounding dust is 0."""
    e = explanation
    beside = [e.base[j], e.scores[j], *e.values[:, j]]
    value = float(without_dust(e.values[[i], j], *beside)[0])
    if e.std_err is None:
        return value, None
    return value, float(without_dust(e.std_err[[i], j], *beside)[0])


def rest_effect(explanation: Explained, rest: IntArray, j: int) -> float:
    """Return the summed effect of the features ``rest`` on output ``j``; rounding dust is 0."""
    e = explanation
    whole = e.values[rest, j].sum()
    beside = [e.base[j], e.scores[j], *e.values[:, j]]
    return float(without_dust(np.array([whole]), *beside)[0])


def summary(explanation: Explained) -> str:
    """Return at most 12 lines: prediction, method, price, the largest effects."""
    e = explanation
    j = e.output_index()
    price = f"{counted(e.cost.rows, 'model row')} in {counted(e.cost.calls, 'call')}"
    exact = "" if e.std_err is None or np.any(e.std_err) else ", exact"
    what = f"{e.method}: {e.scale} of {shown(e.output_names[j])} is {number(float(e.scores[j]))}"
    lines = [f"{what}, from {number(float(e.base[j]))} ({price}{exact})"]
    order = np.argsort(-np.abs(e.values[:, j]), kind="stable")
    names = told_apart(e.feature_names, _NAME)
    effects = [(shown(names[i], _NAME), effect(e, int(i), j)) for i in order[:_SHOWN]]
    lines += [f"  {name:<{_NAME + 2}}{with_error(*found)}" for name, found in effects]
    if len(order) > _SHOWN:
        rest = rest_effect(e, order[_SHOWN:], j)
        lines.append(f"  + {rest_label(len(order) - _SHOWN)}: {with_error(rest)}")
    if len(e.output_names) > 1:
        lines.append(f"  ({len(e.output_names)} outputs explained)")
    warnings = e.diagnostics.get("warnings", [])
    lines += [f"  ! {shown(text, 160)}" for text in warnings[:2]]
    return "\n".join(lines)
