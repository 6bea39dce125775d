"""First stages: what the model answers, whether it is right, whether its confidence holds."""

from __future__ import annotations

from typing import Any

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai._format import number, unit_label
from blackbox_xai.errors import InputError
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray, IntArray
from blackbox_xai.report.case import Case, Findings
from blackbox_xai.report.measures import (
    calibration_error,
    calibration_null,
    label_places,
    predicted,
    rate_interval,
    reliability_bins,
)

__all__ = ["answers", "truth"]

_MIN_COHORT = 5
_MAX_COHORTS = 8


def answers(case: Case, found: Findings) -> tuple[dict[str, Any], Ledger]:
    """Score all inputs once; returns the distribution of answers."""
    scores, cost = case.model.predict_counted(case.inputs)
    found.scores = scores
    found.output_names = case.model.name_outputs(scores.shape[1])
    said = predicted(scores, case.model.scale)
    section: dict[str, Any] = {"scale": case.model.scale, "outputs": list(found.output_names)}
    if said is not None and scores.shape[1] > 1:
        counts = np.bincount(said[0], minlength=scores.shape[1])
        section["predicted"] = [int(count) for count in counts]
    section["mean"] = [float(value) for value in scores.mean(axis=0)]
    section["spread"] = [float(value) for value in scores.std(axis=0)]
    if not np.any(scores.std(axis=0)):
        found.warnings.append("The model gave the same answer to every row.")
    return section, cost


def truth(case: Case, found: Findings) -> tuple[dict[str, Any] | None, Ledger]:
    """Compare answers with labels: rate correct, by cohort, calibration; or R2 and error."""
    if case.y is None or found.scores is None:
        return None, Ledger()
    said = predicted(found.scores, case.model.scale)
    if said is None:
        return _regression(case.y, found), Ledger()
    true = label_places(case.y, found.output_names)
    names = _outcomes(found)
    found.true = [names[i] for i in true]
    return _classification(case, found, true, *said), Ledger()


def _outcomes(found: Findings) -> tuple[str, ...]:
    return found.output_names if len(found.output_names) > 1 else ("0", "1")


def _classification(
    case: Case, found: Findings, true: IntArray, labels: IntArray, confidence: FloatArray
) -> dict[str, Any]:
    correct = labels == true
    hits, n = int(correct.sum()), len(true)
    low, high = rate_interval(hits, n)
    names = _outcomes(found)
    wrong = np.flatnonzero(~correct)
    found.wrong = wrong[np.argsort(-confidence[wrong], kind="stable")]
    section: dict[str, Any] = {
        "kind": "classes",
        "n": n,
        "correct": {"value": hits / n, "low": low, "high": high},
        "majority": float(np.bincount(true).max() / n),
        "cohorts": _cohorts(true, correct, names),
        "wrong": [
            {
                "row": int(row),
                "said": names[labels[row]],
                "true": names[true[row]],
                "confidence": float(confidence[row]),
            }
            for row in found.wrong[:10]
        ],
        "calibration": None,
    }
    if case.model.scale == "probability":
        mean, high = calibration_null(confidence, case.rng(1))
        section["calibration"] = {
            "error": calibration_error(confidence, correct),
            "by_chance": mean,
            "by_chance_high": high,
            "bins": reliability_bins(confidence, correct),
        }
    return section


def _cohorts(true: IntArray, correct: Any, names: tuple[str, ...]) -> list[dict[str, Any]]:
    """Return the rate correct among rows of each true label, the worst first."""
    cohorts: list[dict[str, Any]] = []
    for label, name in enumerate(names):
        rows = true == label
        n = int(rows.sum())
        if n >= _MIN_COHORT:
            hits = int(correct[rows].sum())
            low, high = rate_interval(hits, n)
            rate = {"value": hits / n, "low": low, "high": high}
            cohorts.append({"name": f"truly {name}", "n": n, "correct": rate})
    return sorted(cohorts, key=lambda cohort: cohort["correct"]["value"])[:_MAX_COHORTS]


def _regression(y: list[Any], found: Findings) -> dict[str, Any] | None:
    if found.scores is None or found.scores.shape[1] != 1:
        return None
    try:
        true = np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"y must hold numbers, as the model does, got {shown(y[:3])}.") from error
    if not np.isfinite(true).all():
        row = int(np.flatnonzero(~np.isfinite(true))[0])
        raise InputError(f"y: row {row} is {true[row]}; true values must be finite.")
    found.true = [number(float(value)) for value in true]
    off = found.scores[:, 0] - true
    half = 1.96 * float(np.abs(off).std()) / np.sqrt(len(off))
    mean = float(np.abs(off).mean())
    spread = float(((true - true.mean()) ** 2).sum())
    found.wrong = np.argsort(-np.abs(off), kind="stable")[:10]
    return {
        "kind": "value",
        "n": len(true),
        "unit": unit_label("value", found.output_names[0]),
        "error": {"value": mean, "low": mean - half, "high": mean + half},
        "constant_error": float(np.abs(true - np.median(true)).mean()),
        "r2": 1 - float((off**2).sum()) / spread if spread > 0 else None,
        "wrong": [
            {"row": int(row), "said": float(found.scores[row, 0]), "true": float(true[row])}
            for row in found.wrong
        ],
    }
