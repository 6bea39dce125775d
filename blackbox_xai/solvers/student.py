"""Errors estimated from a few repetitions, made to be read as normal ones."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from blackbox_xai.protocols import FloatArray

__all__ = ["student_error", "student_factor"]

_Z95 = 1.959963984540054
_FEWEST = 5
# What the spread of the other features counts, in repeats, and what variance it may grant at most.
_PRIOR, _HIGHEST = 4, 4.0


def student_factor(n: int) -> float:
    """Quantile of Student's t for ``n`` repetitions over that of the normal, at 97.5 %.

    Examples
    --------
    >>> round(student_factor(10), 3)
    1.154
    """
    return float(stdtrit(n - 1, 0.975)) / _Z95


def student_error(repeats: FloatArray) -> FloatArray | None:
    """Return the standard error of the mean over the first axis; 1.96 of it hold 95 %.

    A handful of repeats may well miss what happens rarely. So the highest and the lowest count
    twice, as the two imagined observations of an interval for proportions do, and a feature whose
    repeats agree by luck is drawn towards the spread of the others, up to twice its own.

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
    Agresti and Coull (1998), Approximate is better than "exact" for interval estimation of
    binomial proportions, section 3. Smyth (2004), Linear models and empirical Bayes methods for
    assessing differential expression, section 4 (moderated variances).

    Examples
    --------
    >>> repeats = np.array([1.0, 3.0, 2.0, 2.0, 2.0])[:, None, None]
    >>> student_error(repeats).round(3)
    array([[0.456]])
    """
    n = len(repeats)
    if n < _FEWEST:
        return None
    apart = (repeats - repeats.mean(axis=0)) ** 2
    own = (apart.sum(axis=0) + _extremes(repeats)) / (n + 1)
    others = np.minimum(own.mean(axis=0), _HIGHEST * own)
    variance = np.maximum(own, ((n + 1) * own + _PRIOR * others) / (n + 1 + _PRIOR))
    return np.asarray(student_factor(n + 2) * np.sqrt(variance / n), dtype=np.float64)


def _extremes(repeats: FloatArray) -> FloatArray:
    """Return squared distances from the mean of the highest and the lowest, added up."""
    mean = repeats.mean(axis=0)
    high, low = repeats.max(axis=0) - mean, repeats.min(axis=0) - mean
    return np.asarray(high**2 + low**2, dtype=np.float64)
