"""A model whose probabilities can be believed, made of one whose cannot."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from blackbox_xai._checks import check_choice
from blackbox_xai.adapters import as_model
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.calibration.corrections import LEARNERS, Averaged, Calibrator, mean_nll
from blackbox_xai.calibration.labels import check_probabilities, score_labelled
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["METHODS", "RecalibratedModel", "recalibrate"]

_MIN_ROWS = 10
METHODS = ("auto", *LEARNERS)


class RecalibratedModel(Adapter):
    """A model with its probabilities corrected; made by ``recalibrate``.

    Attributes
    ----------
    method : str
        The corrections in use, joined by "and".
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
        "auto" averages the two with the lowest cross-validated negative log likelihood, one of
        which may be "none": a mean is right more often than the better of two that are close.

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
    chosen = [method]
    if method == "auto":
        nll = _cross_validated(probabilities, targets, np.random.default_rng(random_state))
        chosen = sorted(nll, key=nll.__getitem__)[:2]
    calibrator = Averaged([LEARNERS[name].learn(probabilities, targets) for name in chosen])
    return RecalibratedModel(
        black_box,
        calibrator,
        method=" and ".join(chosen),
        nll_by_method=nll,
        n_outputs=labelled.n_outputs,
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
    for name, learner in LEARNERS.items():
        total = 0.0
        for f in range(folds):
            held_out = fold == f
            calibrator = learner.learn(probabilities[~held_out], targets[~held_out])
            said = calibrator(probabilities[held_out])
            total += mean_nll(said, targets[held_out]) * held_out.sum()
        found[name] = total / len(targets)
    return found
