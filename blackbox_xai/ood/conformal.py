"""From scores to p-values that mean what they say, and decisions on them."""

from __future__ import annotations

import numpy as np

from blackbox_xai.errors import InputError
from blackbox_xai.protocols import BoolArray, FloatArray

__all__ = ["at_least", "check_alpha", "false_discovery", "harmonic", "self_ranks"]


def at_least(calibration: FloatArray, scores: FloatArray) -> FloatArray:
    """Return how many calibration scores are at least as high as each score.

    Examples
    --------
    >>> import numpy as np
    >>> at_least(np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0, 9.0]))
    array([3., 2., 0.])
    """
    ordered = np.sort(calibration)
    below = np.searchsorted(ordered, scores, side="left")
    return np.asarray(len(ordered) - below, dtype=np.float64)


def self_ranks(calibration: FloatArray) -> FloatArray:
    """Return the p-value of each calibration score among all of them, itself counted once."""
    return at_least(calibration, calibration) / len(calibration)


def harmonic(p_values: FloatArray, weights: FloatArray) -> FloatArray:
    """Combine ``(n, members)`` p-values: mean of ``1 / p``; high where any member is surprised.

    References
    ----------
    Wilson (2019), The harmonic mean p-value, eq. 1 (with weights).

    Examples
    --------
    >>> import numpy as np
    >>> harmonic(np.array([[0.5, 0.1]]), np.array([1.0, 3.0]))
    array([8.])
    """
    # Added one after the other: a row's score must not depend on how many come with it.
    total = np.zeros(len(p_values))
    for column, weight in zip(p_values.T, weights / weights.sum(), strict=True):
        total += weight / column
    return total


def check_alpha(alpha: float, finest: float, n_calibration: int) -> None:
    """Refuse a false-alarm rate finer than the calibration rows can resolve."""
    if alpha < finest:
        raise InputError(
            f"alpha must be at least {finest:.4g} with {n_calibration} calibration rows, "
            f"got {alpha}. Fit on more rows or raise alpha."
        )


def false_discovery(p_values: FloatArray, alpha: float) -> BoolArray:
    """Return which rows of a batch to call strange, with at most ``alpha`` false among them.

    References
    ----------
    Benjamini, Hochberg (1995); for conformal p-values Bates, Candes, Lei, Romano, Sesia (2023).

    Examples
    --------
    >>> import numpy as np
    >>> false_discovery(np.array([0.01, 0.5, 0.02, 0.9]), 0.1)
    array([ True, False,  True, False])
    """
    ordered = np.sort(p_values)
    allowed = alpha * np.arange(1, len(ordered) + 1) / max(len(ordered), 1)
    passing = np.flatnonzero(ordered <= allowed)
    if not len(passing):
        return np.zeros(len(p_values), dtype=bool)
    return np.asarray(p_values <= ordered[passing[-1]])
