"""Whether an answer is a score matrix, and of the same model as before."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai.adapters.http.faults import Answer, Fault, Verdict
from blackbox_xai.adapters.http.strict import invalid
from blackbox_xai.errors import AnswerError
from blackbox_xai.protocols import FloatArray, Scale

__all__ = ["Checker", "softmax"]

_SUM_TOLERANCE = 1e-3
_COMPLAINTS = 3


def softmax(scores: FloatArray) -> FloatArray:
    """Return ``exp(scores)`` with rows scaled to sum 1, shape ``(n, k)``; k = 1: the sigmoid.

    Examples
    --------
    >>> softmax(np.array([[0.0, 0.0]]))
    array([[0.5, 0.5]])
    """
    if scores.shape[1] == 1:
        return np.exp(-np.logaddexp(0.0, -scores))
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


class Checker:
    """Checks answers one by one against what was said and against the first answer.

    Parameters
    ----------
    output_names : tuple of str, optional
        Names given by the user; their number is the number of outputs.
    scale : {"probability", "score", "value"}, optional
        Unit declared by the user.
    logits : bool
        Turn logits into probabilities.
    """

    def __init__(
        self, output_names: tuple[str, ...] | None, scale: Scale | None, logits: bool
    ) -> None:
        self.scale = scale
        self.names = output_names
        self.version: str | None = None
        self.k: int | None = None if output_names is None else len(output_names)
        self._answer_names: tuple[str, ...] | None = None
        self.logits = logits
        self._seen = False
        self._complaints = 0
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Return everything but the lock."""
        return {**self.__dict__, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def check(self, answer: Answer) -> FloatArray:
        """Return the scores ``(n, k)``.

        Raises
        ------
        Fault
            When they cannot be used, or come from another version of the model.
        """
        with self._lock:
            self._same_model(answer)
            self._check_width(answer)
        self._check_labels(answer)
        scores = answer.scores
        if not np.isfinite(scores).all():
            raise _not_finite(scores)
        if self.logits:
            scores = softmax(scores)
        if self.scale == "probability":
            self._check_probabilities(scores)
        with self._lock:
            self._seen = True
            self.k = scores.shape[1]
        return scores

    def _same_model(self, answer: Answer) -> None:
        if self.version is None:
            self.version = answer.version
        elif answer.version is not None and answer.version != self.version:
            raise _stop(
                f"The model changed its version from {shown(self.version)} to "
                f"{shown(answer.version)} during the run; its answers do not belong together"
            )
        if self._answer_names is None:
            self._answer_names = answer.names
            self.names = self.names or answer.names
        elif answer.names is not None and answer.names != self._answer_names:
            raise invalid(f"the outputs are {shown(answer.names)}, not {self._answer_names}")

    def _check_width(self, answer: Answer) -> None:
        k = answer.scores.shape[1]
        if self.k is None or k == self.k:
            return
        if not self._seen:
            raise self._from_the_start(
                f"The model returned scores of shape {answer.scores.shape}; expected "
                f"{self.k} columns from output_names {shown(self.names)}"
            )
        raise invalid(f"{k} scores for each row, but {self.k} before")

    def _from_the_start(self, reason: str) -> Fault:
        """Return the fault of a model that never answered rightly: final when it is heard again.

        One such answer may be an accident of the way.
        """
        self._complaints += 1
        return invalid(reason) if self._complaints < _COMPLAINTS else _stop(reason)

    def _check_labels(self, answer: Answer) -> None:
        if not answer.hard or self.scale == "value":
            return
        lone = answer.scores.size == 1 and answer.scores[0, 0] in (0, 1)
        if self.scale == "probability" and lone:
            return
        few = shown(answer.scores[:3, 0].tolist())
        raise _stop(
            f"The model answers whole numbers ({few}), one for each "
            'row: class labels. Ask for its probabilities: output="predict_proba" where the '
            "server has such an output (MLServer), or serve predict_proba instead of predict. "
            'If they are quantities, pass scale="value"'
        )

    def _check_probabilities(self, scores: FloatArray) -> None:
        total = scores.sum(axis=1)
        wrong = scores.min(axis=1) < -_SUM_TOLERANCE
        wrong |= total > 1 + _SUM_TOLERANCE
        if scores.shape[1] > 1:
            wrong |= total < 1 - _SUM_TOLERANCE
        if not wrong.any():
            return
        rows = np.flatnonzero(wrong)
        row = int(rows[0])
        what = f"{shown(scores[row].tolist())} is no distribution"
        if not self._seen:
            raise self._from_the_start(
                f'{what}, but scale="probability" was declared. Pass logits=True if these are '
                'logits, or scale="score"'
            )
        raise invalid(what, row)


def _not_finite(scores: FloatArray) -> Fault:
    bad = np.argwhere(~np.isfinite(scores))
    i, j = (int(at) for at in bad[0])
    return Fault(
        Verdict.AGAIN,
        f"class {j} is {scores[i, j]}",
        row=i,
        rows=tuple(sorted({int(row) for row in bad[:, 0]})),
        scores=scores,
        sent=True,
        error=AnswerError,
    )


def _stop(reason: str) -> Fault:
    return Fault(Verdict.STOP, reason, sent=True, error=AnswerError)
