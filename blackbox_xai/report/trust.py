"""The stage that tests the explanations on the model they explain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from blackbox_xai.evaluation import Faithfulness, faithfulness
from blackbox_xai.ledger import Ledger
from blackbox_xai.plotting.numbers import counted
from blackbox_xai.protocols import FloatArray
from blackbox_xai.report.case import Case, Findings
from blackbox_xai.report.local import take

__all__ = ["trust"]

_MEASURES = {
    "abpc": ("area between insertion and deletion", "higher"),
    "comprehensiveness": ("comprehensiveness: loss without the most important", "higher"),
    "sufficiency": ("sufficiency: loss with only the most important", "lower"),
    "faithfulness_correlation": ("faithfulness correlation", "higher"),
    "infidelity": ("infidelity: share of losses not explained", "lower"),
}
_REFERENCES = ("random", "occlusion")
_ROWS = 16


def trust(case: Case, found: Findings) -> tuple[dict[str, Any] | None, Ledger]:
    """Measure faithfulness beside a random order and single-feature occlusion."""
    rows = found.sampled[:_ROWS]
    if len(rows) < 2:
        return None, Ledger()
    many = [found.explanations[int(row)] for row in rows]
    result = faithfulness(
        many,
        case.model,
        take(case.inputs, rows),
        case.masker,
        references=_REFERENCES,
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
        "gates": [],
    }
    return section, result.cost


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
