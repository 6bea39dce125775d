"""How many of the inputs made for an explanation are unlike the data."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from blackbox_xai._inputs import is_pandas
from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["Detector", "Watch"]

_PER_PIECE, _LIMIT = 64, 1000


class Detector(Protocol):
    """Anything that tells how well inputs go with the data it was fitted on."""

    def p_values(self, inputs: Any) -> FloatArray:
        """Return p-values ``(n,)``: low where an input is unlike the data."""


class Watch:
    """Looks at a sample of the inputs that a model is sent; costs no model rows.

    Parameters
    ----------
    detector : Detector
        Fitted.
    alpha : float
        Inputs with a p-value of at most this are called unlike the data; of inputs like the data
        a share of ``alpha`` would be.
    """

    def __init__(self, detector: Detector, alpha: float = 0.05) -> None:
        self.detector = detector
        self.alpha = alpha
        self._n = 0
        self._flagged = 0

    def see(self, inputs: Any, start: int, stop: int) -> None:
        """Judge rows spread evenly over ``start`` to ``stop``, until 1,000 were judged."""
        n = min(stop - start, _PER_PIECE, _LIMIT - self._n)
        if n < 1:
            return
        places = np.linspace(start, stop - 1, n).round().astype(int)
        self._flagged += int((self.detector.p_values(_rows(inputs, places)) <= self.alpha).sum())
        self._n += n

    def result(self) -> dict[str, float]:
        """Return the share called unlike the data, its standard error, and of how many."""
        share = self._flagged / self._n if self._n else 0.0
        error = float(np.sqrt(share * (1 - share) / self._n)) if self._n else 0.0
        return {"share": share, "std_err": error, "alpha": self.alpha, "n_inputs": self._n}


def _rows(inputs: Any, places: IntArray) -> Any:
    """Return a copy of the inputs at ``places``."""
    if isinstance(inputs, list):
        return [inputs[i] for i in places]
    return inputs.iloc[places] if is_pandas(inputs) else inputs[places]
