"""A model whose probabilities can be believed, made of one whose cannot."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from typing import Any, Protocol

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from blackbox_xai._checks import check_choice
from blackbox_xai.adapters import as_model
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.calibration.labels import check_probabilities, score_labelled
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["METHODS", "RecalibratedModel", "recalibrate"]

_TINY = 1e-6
_FLOOR = 0.005
_MIN_ROWS = 10


class Calibrator(Protocol):
    """Maps probabilities ``(n, k)`` to better ones."""

    def __call__(self, probabilities: FloatArray) -> FloatArray:
        """Return probabilities of the same shape."""


def _logs(probabilities: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.clip(probabilities, _TINY, 1.0)))


def _softmax(logits: FloatArray) -> FloatArray:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _nll(probabilities: FloatArray, targets: IntArray) -> float:
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
            if _nll(_softmax(logs / np.exp(a)), targets) < _nll(
                _softmax(logs / np.exp(b)), targets
            ):
                high = b
            else:
                low = a
        return cls(float(np.exp((low + high) / 2.0)))

    def __call__(self, probabilities: FloatArray) -> FloatArray:
        """Return tempered probabilities."""
        return _softmax(_logs(probabilities) / self.temperature)


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
        fitted = _softmax(_logs(probabilities) @ self.coef.T + self.intercept)
        out = probabilities.copy()
        out[:, self.classes] = fitted * probabilities[:, self.classes].sum(axis=1, keepdims=True)
        return np.asarray(out / out.sum(axis=1, keepdims=True))


class Averaged:
    """The mean of temperature and isotonic."""

    def __init__(self, parts: list[Calibrator]) -> None:
        self.parts = parts

    @classmethod
    def learn(cls, probabilities: FloatArray, targets: IntArray) -> Averaged:
        """Fit both."""
        return cls(
            [Temperature.learn(probabilities, targets), Isotonic.learn(probabilities, targets)]
        )

    def __call__(self, probabilities: FloatArray) -> FloatArray:
        """Return the mean of both."""
        return np.asarray(np.mean([part(probabilities) for part in self.parts], axis=0))


_LEARNERS: dict[str, Any] = {
    "none": Unchanged,
    "temperature": Temperature,
    "isotonic": Isotonic,
    "logistic": Logistic,
    "temperature+isotonic": Averaged,
}
METHODS = ("auto", *_LEARNERS)


class RecalibratedModel(Adapter):
    """A model with its probabilities corrected; made by ``recalibrate``.

    Attributes
    ----------
    method : str
        The correction in use.
    nll_by_method : dict
        Cross-validated negative log likelihood of each correction, in nats; empty unless "auto".
    """

    def __init__(
        self,
        model: Adapter,
        calibrator: Calibrator,
        *,
        method: str,
        nll_by_method: dict[str, float],
        n_outputs: int,
    ) -> None:
        super().__init__(
            output_names=model.output_names, scale="probability", batch_size=model.batch_size
        )
        self.parallel = model.parallel
        self.model = model
        self.method = method
        self.nll_by_method = nll_by_method
        self._calibrator = calibrator
        self._single = n_outputs == 1

    def stream(self, inputs: Any) -> Generator[tuple[int, FloatArray], None, Ledger]:
        """Yield ``(first row, corrected probabilities)`` of each batch of the model."""
        steps = self.model.stream(inputs)
        while True:
            try:
                start, scores = next(steps)
            except StopIteration as stop:
                cost: Ledger = stop.value
                return cost
            yield start, self._corrected(scores)

    def _predict_batch(self, batch: Any) -> FloatArray:
        return self._corrected(self.model.predict(batch))

    def _corrected(self, scores: FloatArray) -> FloatArray:
        found = self._calibrator(check_probabilities(scores))
        return np.ascontiguousarray(found[:, 1:] if self._single else found)


def recalibrate(
    model: Any,
    X: Any,
    y: Any,
    *,
    method: str = "auto",
    labels: Any = None,
    random_state: int = 0,
) -> RecalibratedModel:
    """Return the model with probabilities corrected on rows it was not trained on.

    Parameters
    ----------
    model : object
        Anything ``as_model`` takes; its scores must be probabilities.
    X, y, labels
        As for ``reliability``.
    method : {"auto", "none", "temperature", "isotonic", "logistic", "temperature+isotonic"}
        "auto" takes the one with the lowest cross-validated negative log likelihood, which may
        be "none".

    Returns
    -------
    RecalibratedModel
        Itself a model: explain it, audit it, wrap it again.

    Raises
    ------
    InputError
        When scores are no probabilities, a label belongs to no output, or there are fewer than
        10 rows.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger (2017), section 4; Zadrozny, Elkan (2002).

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> rng = np.random.default_rng(0)
    >>> p = rng.uniform(size=(1000, 1))
    >>> y = (rng.uniform(size=1000) < p[:, 0]).astype(int)
    >>> too_sure = lambda p: np.hstack([(1 - p) ** 3, p**3]) / ((1 - p) ** 3 + p**3)
    >>> model = bx.recalibrate(too_sure, p, y)
    >>> bool(abs(model.predict([[0.8]])[0, 1] - 0.8) < 0.05)
    True
    """
    check_choice("method", method, METHODS)
    black_box = as_model(model)
    labelled = score_labelled(black_box, X, y, labels, minimum=_MIN_ROWS)
    probabilities, targets = labelled.probabilities, labelled.targets
    nll: dict[str, float] = {}
    if method == "auto":
        nll = _cross_validated(probabilities, targets, np.random.default_rng(random_state))
        method = min(nll, key=nll.__getitem__)
    calibrator = _LEARNERS[method].learn(probabilities, targets)
    return RecalibratedModel(
        black_box, calibrator, method=method, nll_by_method=nll, n_outputs=labelled.n_outputs
    )


def _cross_validated(
    probabilities: FloatArray, targets: IntArray, rng: np.random.Generator, folds: int = 5
) -> dict[str, float]:
    """Return the held-out negative log likelihood of each correction."""
    fold = np.empty(len(targets), dtype=np.intp)
    order = rng.permutation(len(targets))
    order = order[np.argsort(targets[order], kind="stable")]
    fold[order] = np.arange(len(targets)) % folds
    found = {}
    for name, learner in _LEARNERS.items():
        total = 0.0
        for f in range(folds):
            held_out = fold == f
            calibrator = learner.learn(probabilities[~held_out], targets[~held_out])
            said = calibrator(probabilities[held_out])
            total += _nll(said, targets[held_out]) * held_out.sum()
        found[name] = total / len(targets)
    return found
