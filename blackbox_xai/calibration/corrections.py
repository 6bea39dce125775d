"""Corrections of probabilities: learnt from few labelled rows, applied to any."""

from __future__ import annotations

import warnings
from typing import Any, Protocol

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from blackbox_xai.protocols import FloatArray, IntArray

__all__ = [
    "LEARNERS",
    "Averaged",
    "Calibrator",
    "Isotonic",
    "Logistic",
    "Temperature",
    "Unchanged",
    "mean_nll",
    "softmax",
]

_TINY = 1e-6
_FLOOR = 0.005


class Calibrator(Protocol):
    """Maps probabilities ``(n, k)`` to better ones."""

    def __call__(self, probabilities: FloatArray) -> FloatArray:
        """Return probabilities of the same shape."""


def _logs(probabilities: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.clip(probabilities, _TINY, 1.0)))


def softmax(logits: FloatArray) -> FloatArray:
    """Return shares that rise with the logits and sum to 1 in each row."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def mean_nll(probabilities: FloatArray, targets: IntArray) -> float:
    """Return the mean negative logarithm of the right label's probability, in nats."""
    chosen = probabilities[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(chosen, _TINY)).mean())


class Unchanged:
    """Leaves probabilities as they are."""

    @classmethod
    def learn(cls, probabilities: FloatArray, targets: IntArray) -> Unchanged:  # noqa: ARG003
        """Return the identity."""
        return cls()

    def __call__(self, probabilities: FloatArray) -> FloatArray:
        """Return probabilities as they are."""
        return probabilities


class Temperature:
    """``softmax(log p / T)``; ``T`` above 1 makes the model less sure."""

    def __init__(self, temperature: float) -> None:
        self.temperature = temperature

    @classmethod
    def learn(cls, probabilities: FloatArray, targets: IntArray) -> Temperature:
        """Choose ``T`` between 1/20 and 20 by the likelihood, which has one peak in ``1 / T``."""
        logs = _logs(probabilities)
        low, high = -np.log(20.0), np.log(20.0)
        golden = (np.sqrt(5.0) - 1.0) / 2.0
        for _ in range(40):
            a, b = high - golden * (high - low), low + golden * (high - low)
            if mean_nll(softmax(logs / np.exp(a)), targets) < mean_nll(
                softmax(logs / np.exp(b)), targets
            ):
                high = b
            else:
                low = a
        return cls(float(np.exp((low + high) / 2.0)))

    def __call__(self, probabilities: FloatArray) -> FloatArray:
        """Return tempered probabilities."""
        return softmax(_logs(probabilities) / self.temperature)


class Isotonic:
    """A rising step function for each output, then divided by their sum."""

    def __init__(self, steps: list[Any]) -> None:
        self.steps = steps

    @classmethod
    def learn(cls, probabilities: FloatArray, targets: IntArray) -> Isotonic:
        """Fit each output against the others together."""
        steps = []
        for c, column in enumerate(probabilities.T):
            step = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
            steps.append(step.fit(column, targets == c))
        return cls(steps)

    def __call__(self, probabilities: FloatArray) -> FloatArray:
        """Return stepped probabilities; never 0, since few rows cannot prove impossibility."""
        raw = [
            step.predict(column) for step, column in zip(self.steps, probabilities.T, strict=True)
        ]
        floored = np.maximum(np.stack(raw, axis=1), _FLOOR / len(raw))
        return np.asarray(floored / floored.sum(axis=1, keepdims=True))


class Logistic:
    """Multinomial logistic regression on log probabilities (vector and matrix scaling)."""

    def __init__(self, coef: FloatArray, intercept: FloatArray, classes: IntArray) -> None:
        self.coef, self.intercept, self.classes = coef, intercept, classes

    @classmethod
    def learn(cls, probabilities: FloatArray, targets: IntArray) -> Logistic | Temperature:
        """Fit; with a single label seen there is nothing to fit and the temperature is used."""
        if len(np.unique(targets)) < 2:
            return Temperature.learn(probabilities, targets)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            found = LogisticRegression(C=1.0, max_iter=200).fit(_logs(probabilities), targets)
        coef, intercept = found.coef_, found.intercept_
        if len(found.classes_) == 2:
            coef, intercept = np.vstack([-coef, coef]) / 2, np.hstack([-intercept, intercept]) / 2
        return cls(coef, intercept, np.asarray(found.classes_, dtype=np.intp))

    def __call__(self, probabilities: FloatArray) -> FloatArray:
        """Return probabilities; a label never seen in calibration keeps what it had."""
        fitted = softmax(_logs(probabilities) @ self.coef.T + self.intercept)
        out = probabilities.copy()
        out[:, self.classes] = fitted * probabilities[:, self.classes].sum(axis=1, keepdims=True)
        return np.asarray(out / out.sum(axis=1, keepdims=True))


class Averaged:
    """The mean of several corrections."""

    def __init__(self, parts: list[Calibrator]) -> None:
        self.parts = parts

    @classmethod
    def learn(cls, probabilities: FloatArray, targets: IntArray) -> Averaged:
        """Fit a temperature and step functions."""
        return cls(
            [Temperature.learn(probabilities, targets), Isotonic.learn(probabilities, targets)]
        )

    def __call__(self, probabilities: FloatArray) -> FloatArray:
        """Return the mean of what they say."""
        return np.asarray(np.mean([part(probabilities) for part in self.parts], axis=0))


LEARNERS: dict[str, Any] = {
    "none": Unchanged,
    "temperature": Temperature,
    "isotonic": Isotonic,
    "logistic": Logistic,
    "temperature+isotonic": Averaged,
}
