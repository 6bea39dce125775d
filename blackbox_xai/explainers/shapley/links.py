"""What may be applied to scores before they are averaged over fills."""

from __future__ import annotations

from typing import Any

import numpy as np

from blackbox_xai.protocols import FloatArray
from blackbox_xai.values import Link

__all__ = ["any_link", "logit"]

_LOGIT_EDGE = 1e-7
_ROUNDING = 1e-6


def logit(scores: FloatArray) -> FloatArray:
    """Log-odds of probabilities, those nearer than 1e-7 to 0 or 1 taken for that.

    NaN for what is no probability.
    """
    p = np.clip(scores, _LOGIT_EDGE, 1 - _LOGIT_EDGE)
    odds = np.log(p) - np.log1p(-p)
    return np.where(np.abs(scores - 0.5) <= 0.5 + _ROUNDING, odds, np.nan)


def any_link(link: Any) -> Link | None:
    """Return the function that a setting names, or None for the identity."""
    if callable(link):
        function: Link = link  # pyright: ignore[reportAssignmentType]  # its answer is checked
        return function
    return logit if link == "logit" else None
