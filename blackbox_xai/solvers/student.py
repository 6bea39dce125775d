"""Errors estimated from a few repetitions, made to be read as normal ones."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from blackbox_xai.protocols import FloatArray

__all__ = ["student_error", "student_factor"]

_Z95 = 1.959963984540054


def student_factor(n: int) -> float:
    """Quantile of Student's t for ``n`` repetitions over that of the normal, at 97.5 %.

    Examples
    --------
    >>> round(student_factor(10), 3)
    1.154
    """
    return float(stdtrit(n - 1, 0.975)) / _Z95


def student_error(repeats: FloatArray) -> FloatArray:
    """Return the standard error of the mean over the first axis; 1.96 of it hold 95 %.

    Examples
    --------
    >>> student_error(np.array([[1.0], [3.0], [2.0], [2.0]])).round(3)
    array([0.663])
    """
    n = len(repeats)
    spread = repeats.std(axis=0, ddof=1) / np.sqrt(n)
    return np.asarray(student_factor(n) * spread, dtype=np.float64)
