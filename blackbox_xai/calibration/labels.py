"""Probabilities and labels of the same rows, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.errors import InputError
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["Labelled", "check_probabilities", "label_positions", "score_labelled"]


def check_probabilities(scores: FloatArray, argument: str = "model") -> FloatArray:
    """Return ``(n, k)`` probabilities, k >= 2; one column ``p`` becomes ``(1 - p, p)``.

    Raises
    ------
    InputError
        For scores outside 0 to 1, or rows that do not sum to 1.
    """
    bad = np.flatnonzero((scores < -1e-6).any(axis=1) | (scores > 1 + 1e-6).any(axis=1))
    if scores.shape[1] == 1 and not len(bad):
        return np.hstack([1.0 - scores, scores])
    if not len(bad):
        bad = np.flatnonzero(np.abs(scores.sum(axis=1) - 1.0) > 1e-3)
    if len(bad):
        raise InputError(
            f"{argument} must give probabilities; row {bad[0]} is "
            f"{shown(scores[bad[0]].round(4).tolist())}. Pass its predict_proba, or a function "
            "that applies softmax."
        )
    return np.clip(scores, 0.0, 1.0)


def label_positions(y: Any, k: int, names: tuple[str, ...] | None, labels: Any = None) -> IntArray:
    """Return which output each label means, shape ``(n,)``.

    ``labels`` lists the label of each output; without it, labels are output names, or whole
    numbers from 0 to ``k - 1``.

    Raises
    ------
    InputError
        For a label that no output stands for.
    """
    values = np.asarray(y).ravel().tolist()
    known: dict[Any, int]
    if labels is not None:
        known = {label: i for i, label in enumerate(np.asarray(labels).tolist())}
        if len(known) != k:
            raise InputError(f"labels must name the {k} outputs, got {shown(list(known))}.")
    elif names is not None and any(str(value) in names for value in values[:1]):
        known = {name: i for i, name in enumerate(names)}
        values = [str(value) for value in values]
    else:
        known = {i: i for i in range(k)}
    for i, value in enumerate(values):
        if value not in known:
            raise InputError(
                f"y has the label {shown(value)} in row {i}, which is none of "
                f"{shown(list(known))}. Pass labels= in the order of the model's outputs."
            )
    return np.array([known[value] for value in values], dtype=np.intp)


@dataclass(frozen=True, eq=False)
class Labelled:
    """Probabilities ``(n, k)``, positions of the right labels ``(n,)``, outputs, and the cost."""

    probabilities: FloatArray
    targets: IntArray
    n_outputs: int
    cost: Ledger


def score_labelled(model: Adapter, X: Any, y: Any, labels: Any, minimum: int) -> Labelled:
    """Return the model's probabilities of ``X`` and the output that each label means."""
    raw, cost = model.predict_counted(X)
    scores = check_probabilities(raw)
    names = model.output_names if raw.shape[1] > 1 else None
    targets = label_positions(y, scores.shape[1], names, labels)
    if len(targets) != len(scores):
        raise InputError(f"y must have {len(scores)} labels, one for each row, got {len(targets)}.")
    if len(targets) < minimum:
        raise InputError(f"X must have at least {minimum} rows, got {len(targets)}.")
    return Labelled(scores, targets, raw.shape[1], cost)
