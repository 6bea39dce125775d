"""How much a row counts that is there more than once."""

from __future__ import annotations

import numpy as np
from scipy.optimize import brentq

from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["row_weights"]


def row_weights(group: IntArray) -> FloatArray:
    """Return the weight of each row, shape ``(n,)``; they sum to ``n``.

    Copies may mean that a row is common, or that rows were drawn with replacement. If all distinct
    rows were equally common, their counts would be Poisson counts without zeros; the share of the
    counts' variance beyond that is believed (empirical Bayes), the rest is evened out. So the rows
    of a bootstrap sample count like the distinct rows it was drawn from, and the cells of a small
    table count as often as they occur.

    Parameters
    ----------
    group : ndarray of shape (n,)
        Rows with the same number, from 0, are copies of each other.

    Examples
    --------
    >>> import numpy as np
    >>> row_weights(np.array([0, 1, 1, 2, 2, 3])).round(2)
    array([1.5 , 0.75, 0.75, 0.75, 0.75, 1.5 ])
    >>> row_weights(np.array([0] * 90 + [1] * 10)).round(2)[[0, -1]]
    array([0.99, 1.12])
    """
    counts = np.bincount(group).astype(np.float64)
    mean, spread = float(counts.mean()), float(counts.var())
    believed = 1.0 - min(_zero_truncated_variance(mean) / spread, 1.0) if spread > 0 else 0.0
    of_group = mean + believed * (counts - mean)
    return np.asarray((of_group / counts)[group], dtype=np.float64)


def _zero_truncated_variance(mean: float) -> float:
    """Return the variance of Poisson counts without zeros that have this mean."""
    if mean <= 1.0 + 1e-9:
        return 0.0
    rate = float(brentq(lambda r: r / -np.expm1(-r) - mean, 1e-12, mean))
    return mean * (1.0 + rate - mean)
