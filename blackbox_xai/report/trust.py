"""The stage that tests the explanations on the model they explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from blackbox_xai import evaluation
from blackbox_xai._format import counted
from blackbox_xai._inputs import pick_rows, row
from blackbox_xai.evaluation import Faithfulness
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.explainers.lime import Lime
from blackbox_xai.explainers.occlusion import Occlusion
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray
from blackbox_xai.report.case import Case, Findings

__all__ = ["agreement", "gates", "trust"]

_MEASURES = {
    "abpc": ("area between insertion and deletion", "higher"),
    "comprehensiveness": ("comprehensiveness: loss without the most important", "higher"),
    "sufficiency": ("sufficiency: loss with only the most important", "lower"),
    "faithfulness_correlation": ("faithfulness correlation", "higher"),
    "infidelity": ("infidelity: share of losses not explained", "lower"),
}
_REFERENCES = ("random", "occlusion")
_ROWS = 16
_FILLS = 20
_COALITIONS = 260
_GATED = 3
_RESEEDED = 5
_COMPARED = 8
_FEW = 2048
_SHOWN = {"feature": "of the 5 largest in common", "rank correlation": "rank correlation"}


def trust(case: Case, found: Findings) -> tuple[dict[str, Any] | None, Ledger]:
    """Measure faithfulness beside a random order and single-feature occlusion."""
    rows = found.sampled[: _payable(case)]
    if len(rows) < 2:
        return None, Ledger()
    many = [found.explanations[int(row)] for row in rows]
    result = evaluation.faithfulness(
        many,
        case.model,
        pick_rows(case.inputs, rows),
        case.masker,
        references=_REFERENCES,
        max_fills=_FILLS,
        random_state=case.seed,
        n_jobs=case.n_jobs,
        progress=lambda done, total: case.progress("trust", done, total),
    )
    method = many[0].method
    compared = [method, *_REFERENCES]
    section = {
        "method": method,
        "n": len(rows),
        "compared": compared,
        "scores": [
            {
                "measure": words,
                "by": {name: _estimate(result.estimate(name, metric)) for name in compared},
                "better": better,
            }
            for metric, (words, better) in _MEASURES.items()
        ],
        "beats_random": {
            "measure": _MEASURES["abpc"][0],
            "n": len(rows),
            **_estimate(result.difference(method, "random", "abpc")),
        },
        "curves": _curves(result, compared, len(rows)),
    }
    return section, result.cost


def _payable(case: Case) -> int:
    """Return how many rows are measured: fewer when half of what is left pays for no more."""
    left = getattr(case.model, "rows_left", None)
    if left is None:
        return _ROWS
    fills = min(case.masker.bind(row(case.inputs, 0)).n_fills, _FILLS)
    return int(np.clip(left // 2 // (_COALITIONS * fills), 2, _ROWS))


def gates(case: Case, found: Findings) -> tuple[dict[str, Any] | None, Ledger]:
    """Test the explainer on laws with a known answer, on a model of noise, and on other seeds."""
    rows = found.sampled[:_RESEEDED]
    if len(rows) < 2:
        return None, Ledger()
    shared = (case.model, pick_rows(case.inputs, rows), case.masker)
    checks = evaluation.check(case.explainer, *shared, n_inputs=_GATED)
    case.progress("gates", 1, 3)
    cheaper = _cheaper(case.explainer)
    sane = evaluation.sanity(cheaper, *shared, n_inputs=len(rows))
    case.progress("gates", 2, 3)
    stable = evaluation.stability(cheaper, *shared, n_inputs=len(rows))
    section = {
        "method": checks.method,
        "n": checks.n,
        "budget": getattr(cheaper, "budget", None),
        "reseed_error": _finite(checks.reseed_error),
        "gates": [
            {
                "name": gate.name,
                "law": gate.law,
                "value": _finite(gate.value),
                "tolerance": _finite(gate.tolerance),
                "result": gate.status,
                "reason": gate.reason,
            }
            for gate in checks.gates
        ],
        "noise": {**_estimate(sane.estimate("noise")), "threshold": sane.threshold},
        "reseeded": {
            measure: _estimate(stable.estimate("reseeded", measure))
            for measure in ("rank correlation", "top features")
        },
        "n_reseeded": len(rows),
    }
    return section, checks.cost + sane.cost + stable.cost


def _cheaper(explainer: LocalExplainer) -> LocalExplainer:
    """Return the explainer with a smaller budget: whether it needs the model shows at any."""
    own = getattr(explainer, "budget", None)
    if own is None or own <= _FEW:
        return explainer
    changed: dict[str, Any] = {"budget": max(own // 4, _FEW)}
    return replace(explainer, **changed)


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


def agreement(case: Case, found: Findings) -> tuple[dict[str, Any] | None, Ledger]:
    """Compare the explainer with occlusion and with a local linear surrogate."""
    rows = found.sampled[:_COMPARED]
    if len(rows) < 2:
        return None, Ledger()
    first = found.explanations[int(rows[0])].method
    others: dict[str, LocalExplainer] = {
        "Occlusion": Occlusion(random_state=case.seed),
        "Lime": Lime(random_state=case.seed),
    }
    others.pop(first, None)
    methods = {first: [found.explanations[int(row)] for row in rows]}
    cost = Ledger()
    for name, explainer in others.items():
        case.progress("agreement", len(methods) - 1, len(others))
        many = explainer.explain_many(
            case.model, pick_rows(case.inputs, rows), case.masker, n_jobs=case.n_jobs
        )
        methods[name] = list(many)
        cost = sum((explanation.cost for explanation in many), cost)
    result = evaluation.agreement(methods, random_state=case.seed)
    names = list(methods)
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    section = {
        "n": len(rows),
        "measures": list(_SHOWN.values()),
        "chance": {
            words: _finite(float(result.chance[result.measures.index(measure)]))
            for measure, words in _SHOWN.items()
        },
        "pairs": [
            {
                "methods": [a, b],
                "by": {
                    words: _estimate(result.estimate(a, b, measure))
                    for measure, words in _SHOWN.items()
                },
            }
            for a, b in pairs
        ],
    }
    return section, cost


def _estimate(estimate: Any) -> dict[str, float | None]:
    return {
        name: float(number) if np.isfinite(number) else None
        for name, number in (
            ("value", estimate.mean),
            ("low", estimate.low),
            ("high", estimate.high),
        )
    }


def _curves(result: Faithfulness, compared: Sequence[str], n: int) -> list[dict[str, Any]]:
    share = [float(x) for x in result.share]
    kinds = (
        ("Deletion", "hidden", result.deletion, "The faster the score falls, the better."),
        ("Insertion", "shown", result.insertion, "The faster the score rises, the better."),
    )
    return [
        {
            "title": f"{name}: score as features are {done}, most important first",
            "finding": f"Mean over {counted(n, 'row')}, bands are 95 % intervals. {sentence}",
            "x_label": f"share of features {done}",
            "y_label": result.scale,
            "x": share,
            "lines": [
                {"name": method, **_band(curves[result.methods.index(method)])}
                for method in compared
            ],
        }
        for name, done, curves, sentence in kinds
    ]


def _band(curves: FloatArray) -> dict[str, list[float]]:
    """Return the mean of curves ``(n, s)`` and its 95 % interval by the normal law."""
    mean = curves.mean(axis=0)
    half = 1.96 * curves.std(axis=0, ddof=1) / np.sqrt(len(curves))
    return {
        "mean": [float(v) for v in mean],
        "low": [float(v) for v in mean - half],
        "high": [float(v) for v in mean + half],
    }
