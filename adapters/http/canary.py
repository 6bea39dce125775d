"""A row with a known answer, sent along now and then: it finds drift and reordered answers."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai.adapters.http.faults import Fault, Verdict
from blackbox_xai.adapters.http.rows import Rows
from blackbox_xai.errors import AnswerError
from blackbox_xai.protocols import FloatArray

__all__ = ["Canary", "close"]

_RELATIVE = 1e-4
_ABSOLUTE = 1e-6


def close(a: FloatArray, b: FloatArray) -> bool:
    """Tell whether scores agree but for the rounding of single precision."""
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=_RELATIVE, atol=_ABSOLUTE))


class Canary:
    """Row ``row`` with scores ``known``, due once in ``every`` rows."""

    def __init__(self, row: Rows, known: FloatArray, every: int) -> None:
        self.row = row
        self.known = known
        self._every = every
        self._since = 0
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Return everything but the lock."""
        return {**self.__dict__, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def due(self, rows: int) -> bool:
        """Count ``rows`` more rows; True when the canary goes with them."""
        with self._lock:
            self._since += rows
            if self._since < self._every:
                return False
            self._since = 0
            return True

    def compare(self, scores: FloatArray) -> None:
        """Raise a Fault that ends the run unless ``scores`` are the known ones."""
        if not close(scores, self.known):
            raise Fault(
                Verdict.STOP,
                f"A row sent before scored {shown(self.known.tolist())}, now "
                f"{shown(scores.tolist())}: the model has changed, or its answers come in another "
                "order. Answers until here are in the error's partial",
                sent=True,
                error=AnswerError,
            )
