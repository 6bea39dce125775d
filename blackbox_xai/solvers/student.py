"""Errors estimated from a few repetitions, made to be read as normal ones."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from blackbox_xai.protocols import FloatArray

__all__ = ["student_error", "student_factor", "student_widths"]

_Z95 = 1.959963984540054
_FEWEST = 5
# What the spread of the other features counts, in repeats, and what variance it may grant at most.
_PRIOR, _HIGHEST = 4, 4.0
# How much wider skewed repeats make an interval, to second order, for a squared skewness of n. Few
# repeats show less of their skewness than there is; what asks for much more is no expansion.
_SKEWED = (_Z95**4 + 2 * _Z95**2 - 3) / 18
_HIDDEN, _WIDEST = 50, 6


def student_factor(n: float) -> float:
    """Quantile of Student's t for ``n`` repetitions over that of the normal, at 97.5 %.

    Examples
    --------
    >>> round(student_factor(10), 3)
    1.154
    """
    return float(student_widths(np.array(n - 1.0)))


def student_widths(degrees: FloatArray) -> FloatArray:
    """Quantiles of Student's t over that of the normal, at 97.5 %, for degrees of freedom."""
    return np.asarray(stdtrit(degrees, 0.975) / _Z95, dtype=np.float64)


def student_error(repeats: FloatArray) -> FloatArray | None:
    """Return the standard error of the mean over the first axis; 1.96 of it hold 95 %.

    A handful of repeats tells little about its own spread: that of each feature is drawn towards
    the mean of all, up to twice its own, and counts as better known the less the features move
    together. Where repeats are skewed, as by what happens rarely or by a score that saturates,
    intervals are widened by the second term of their expansion.

    Parameters
    ----------
    repeats : ndarray of shape (n, d, k)
        Independent estimates of the effects of ``d`` features on ``k`` outputs.

    Returns
    -------
    ndarray of shape (d, k) or None
        None for fewer than 5 repeats, which cannot tell.

    References
    ----------
    Hall (1992), The Bootstrap and Edgeworth Expansion, section 2.6 (the t statistic). Smyth (2004),
    Linear models and empirical Bayes methods for assessing differential expression, section 4
    (moderated variances).

    Examples
    --------
    >>> repeats = np.array([1.0, 3.0, 2.0, 2.0, 2.0])[:, None, None]
    >>> student_error(repeats).round(3)
    array([[0.448]])
    """
    n = len(repeats)
    if n < _FEWEST:
        return None
    apart = repeats - repeats.mean(axis=0)
    own = (apart**2).sum(axis=0) / (n - 1)
    others = np.minimum(own.mean(axis=0), _HIGHEST * own)
    variance = ((n - 1) * own + _PRIOR * others) / (n - 1 + _PRIOR)
    cubes = (apart**3).sum(axis=0) * n / ((n - 1) * (n - 2))
    skewness = cubes / np.maximum(own, 1e-200) ** 1.5
    wider = 1 + np.minimum(_SKEWED * (1 + _HIDDEN / n**2) * skewness**2, _WIDEST) / n
    known = [n + _PRIOR * _apartness(part, own[:, j]) for j, part in enumerate(apart.T)]
    factors = np.array([student_factor(n) for n in known])
    return np.asarray(factors * wider * np.sqrt(variance / n), dtype=np.float64)


def _apartness(apart: FloatArray, variances: FloatArray) -> float:
    """One less the mean squared correlation of features ``(d, n)``: 0 where they move together."""
    d, n = apart.shape
    moving = variances > 0
    if not moving.any():
        return 0.0
    scaled = apart[moving] / np.sqrt((n - 1) * variances[moving, None])
    products = scaled @ scaled.T if d < n else scaled.T @ scaled
    together = float((products**2).sum()) / len(scaled) ** 2
    return max(1 - together, 0.0)
