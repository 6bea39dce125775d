"""Rates, calibration and other summaries of a model's answers: pure functions of arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai.errors import InputError
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray, Scale

__all__ = [
    "calibration_error",
    "calibration_null",
    "compact",
    "histogram",
    "label_places",
    "predicted",
    "rate_interval",
    "reliability_bins",
]

_Z95 = 1.959963984540054


def rate_interval(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a rate.

    References
    ----------
    Wilson (1927), Probable inference, the law of succession, and statistical inference.

    Examples
    --------
    >>> low, high = rate_interval(8, 10)
    >>> round(low, 3), round(high, 3)
    (0.49, 0.943)
    """
    if n == 0:
        return 0.0, 1.0
    rate, z2 = hits / n, _Z95**2
    middle = (rate + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * np.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    return max(float(middle - half), 0.0), min(float(middle + half), 1.0)


def predicted(scores: FloatArray, scale: Scale) -> tuple[IntArray, FloatArray] | None:
    """Return the predicted output ``(n,)`` and its probability, or None for a regression.

    One output that is a probability stands for two outcomes: 1 where it exceeds a half.

    Examples
    --------
    >>> predicted(np.array([[0.2, 0.8]]), "probability")[0]
    array([1])
    """
    if scores.shape[1] > 1:
        labels = scores.argmax(axis=1)
        return labels, scores.max(axis=1)
    if scale != "probability":
        return None
    labels = (scores[:, 0] > 0.5).astype(np.intp)
    return labels, np.maximum(scores[:, 0], 1 - scores[:, 0])


def label_places(y: Any, names: tuple[str, ...]) -> IntArray:
    """Return which output each label names.

    Parameters
    ----------
    y : sequence of length n
        Labels: names of outputs, or their positions.
    names : tuple of str
        Names of the outputs; a single one stands for the outcomes 0 and 1.

    Raises
    ------
    InputError
        When a label is no output; the message says which row.

    Examples
    --------
    >>> label_places(["b", "a"], ("a", "b")), label_places([1.0, 0.0], ("a", "b"))
    (array([1, 0]), array([1, 0]))
    """
    outcomes = names if len(names) > 1 else ("0", "1")
    place = {name: i for i, name in enumerate(outcomes)}
    by_position = {str(i): i for i in range(len(outcomes))}
    found = []
    for i, label in enumerate(y):
        label = label.item() if isinstance(label, np.generic) else label
        text = _label_text(label)
        at = place.get(text, by_position.get(text))
        if at is None:
            raise InputError(
                f"y: row {i} is {shown(label)}, which is no output of the model; it has "
                f"{shown(names)}. Pass output_names to as_model, or labels from 0 to "
                f"{len(outcomes) - 1}."
            )
        found.append(at)
    return np.array(found, dtype=np.intp)


def _label_text(label: Any) -> str:
    if isinstance(label, bool):
        label = int(label)
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def reliability_bins(
    confidence: FloatArray, correct: BoolArray, n_bins: int = 10
) -> list[dict[str, float]]:
    """Return bins of equal size over ``confidence``: mean confidence, rate correct, interval, n.

    Examples
    --------
    >>> bins = reliability_bins(np.array([0.6, 0.9]), np.array([False, True]), n_bins=1)
    >>> bins[0]["confidence"], bins[0]["rate"], bins[0]["n"]
    (0.75, 0.5, 2)
    """
    bins = []
    for rows in np.array_split(np.argsort(confidence, kind="stable"), n_bins):
        if not len(rows):
            continue
        hits = int(correct[rows].sum())
        low, high = rate_interval(hits, len(rows))
        bins.append(
            {
                "confidence": float(confidence[rows].mean()),
                "rate": hits / len(rows),
                "low": low,
                "high": high,
                "n": len(rows),
            }
        )
    return bins


def calibration_error(confidence: FloatArray, correct: BoolArray, n_bins: int = 10) -> float:
    """Return the mean distance of confidence and rate correct over bins of equal size.

    Examples
    --------
    >>> calibration_error(np.array([0.75, 0.75]), np.array([False, True]), n_bins=1)
    0.25
    """
    bins = reliability_bins(confidence, correct, n_bins)
    gaps = sum(bin_["n"] * abs(bin_["confidence"] - bin_["rate"]) for bin_ in bins)
    return float(gaps) / max(len(confidence), 1)


def calibration_null(
    confidence: FloatArray, rng: np.random.Generator, *, n_draws: int = 200, n_bins: int = 10
) -> tuple[float, float]:
    """Return mean and 95th percentile of the calibration error of a perfectly calibrated model.

    Outcomes are drawn with the stated probabilities, so both numbers are what chance alone gives
    with this many rows.

    Examples
    --------
    >>> mean, high = calibration_null(np.full(100, 0.8), np.random.default_rng(0))
    >>> 0 < mean < high < 0.3
    True
    """
    parts = np.array_split(np.argsort(confidence, kind="stable"), n_bins)
    drawn = rng.random((n_draws, len(confidence))) < confidence
    errors = np.zeros(n_draws)
    for rows in parts:
        if len(rows):
            gap = np.abs(drawn[:, rows].mean(axis=1) - confidence[rows].mean())
            errors += len(rows) * gap
    errors /= max(len(confidence), 1)
    return float(errors.mean()), float(np.percentile(errors, 95))


def histogram(values: FloatArray, edges: FloatArray) -> list[int]:
    """Return counts between ``edges``; what lies outside is counted at the ends.

    Examples
    --------
    >>> histogram(np.array([-1.0, 0.5, 9.0]), np.array([0.0, 1.0, 2.0]))
    [2, 1]
    """
    inner = np.clip(values, edges[0], edges[-1])
    return [int(n) for n in np.histogram(inner, edges)[0]]


def compact(points: FloatArray) -> IntArray:
    """Return points ``(n, 2)`` as whole numbers from 0 to 65535, both axes on one scale.

    Examples
    --------
    >>> compact(np.array([[0.0, 0.0], [2.0, 1.0]])).tolist()
    [[0, 16384], [65535, 49151]]
    """
    low, high = points.min(axis=0), points.max(axis=0)
    size = float((high - low).max()) or 1.0
    centred = (points - (low + high) / 2) / size + 0.5
    whole: IntArray = np.rint(np.clip(centred, 0, 1) * 65535).astype(np.intp)
    return whole
