"""Errors of estimates from well-spread points: what independent nets of them say together."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.protocols import FloatArray
from blackbox_xai.solvers.student import student_factor

__all__ = ["net_factor"]

# What the word of independent rows counts, in nets of one feature.
_PRIOR = 2


def net_factor(
    pulls: NDArray[Any], residuals: NDArray[Any], variances: FloatArray, size: int
) -> FloatArray:
    """Return what standard errors of independent rows are to be multiplied with, shape ``(k,)``.

    Points of one net are spread better than random ones, so that estimates vary less than their
    rows, taken as independent, say. How much less, the nets tell: their contributions are
    independent of each other. A few nets tell little about one feature, so all features are asked
    together, and Student's factor stands for what is left open. Never above 1.

    Parameters
    ----------
    pulls : ndarray of shape (d, m)
        Change of each estimate when the score of one row changes by one.
    residuals : ndarray of shape (k, m)
        What the fit leaves of the scores.
    variances : ndarray of shape (d, k)
        Variances of the estimates with rows taken as independent.
    size : int
        Rows of a net, which stand together; the last net may have fewer.

    References
    ----------
    L'Ecuyer and Lemieux (2002), Recent advances in randomized quasi-Monte Carlo methods,
    section 4 (errors from independent randomizations).

    Examples
    --------
    >>> pulls = np.full((20, 8), 1 / 8)
    >>> residuals = np.array([[1.0, -1.0, 1.0, -1.0, 2.0, -2.0, 1.0, -1.0]])
    >>> net_factor(pulls, residuals, np.full((20, 1), 14 / 64), size=4).round(2)
    array([0.32])
    """
    starts = range(0, pulls.shape[1], size)
    nets = len(starts)
    known = variances > 0
    features = known.sum(axis=0)
    if nets < 2 or not features.any():
        return np.ones(variances.shape[1])
    between = np.zeros(variances.shape)
    for start in starts:
        net = slice(start, start + size)
        between += (pulls[:, net] @ residuals[:, net].T).astype(np.float64) ** 2
    between *= nets / (nets - 1)
    ratios = np.where(known, between / np.where(known, variances, 1.0), 0.0)
    each = ratios.sum(axis=0) / np.maximum(features, 1)
    whole = between.sum(axis=0) / np.where(features > 0, variances.sum(axis=0), 1.0)
    seen = (nets - 1) * features
    drawn = (_PRIOR + seen * np.maximum(each, whole)) / (_PRIOR + seen)
    open_ = [student_factor(1 + _PRIOR + int(n)) for n in seen]
    return np.asarray(np.minimum(np.sqrt(drawn) * open_, 1.0), dtype=np.float64)
