"""Means over inputs, with intervals from resampling the inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, stdtrit

from blackbox_xai.protocols import FloatArray

__all__ = ["Estimate", "mean_interval"]

_N_RESAMPLES = 2000
_FEWEST = 5  # inputs that an interval needs


@dataclass(frozen=True)
class Estimate:
    """A mean over inputs and its interval.

    Parameters
    ----------
    mean, low, high : float
        Mean and ends of the interval; the ends are NaN below five inputs, the mean below one.
    n : int
        Inputs with a value.
    n_undefined : int
        Inputs on which the measure is not defined, such as a correlation with a constant.
    """

    mean: float
    low: float
    high: float
    n: int
    n_undefined: int

    @property
    def sign(self) -> int:
        """1 or -1 when the whole interval is above or below 0, else 0."""
        return int(self.low > 0) - int(self.high < 0)


def mean_interval(values: FloatArray, *, confidence: float = 0.95, seed: int = 0) -> Estimate:
    """Return the mean of ``values`` and its expanded percentile bootstrap interval.

    Pass differences between two methods on the same inputs to compare them in pairs: that halves
    the interval that two separate ones would have.

    Parameters
    ----------
    values : ndarray of shape (n,)
        One value an input; NaN where undefined.
    confidence : float
        Coverage of the interval.
    seed : int
        Seed of the resampling.

    Returns
    -------
    Estimate

    References
    ----------
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13. Hesterberg (2015),
    What Teachers Should Know About the Bootstrap, section 3.3 (percentiles moved outwards as
    Student's distribution demands, because resamples of few values vary too little).

    Examples
    --------
    >>> estimate = mean_interval(np.array([1.0, 1.0, 1.0, 1.0, 1.0, np.nan]))
    >>> estimate.mean, estimate.low, estimate.high, estimate.n_undefined
    (1.0, 1.0, 1.0, 1)
    """
    defined = values[~np.isnan(values)]
    n, undefined = len(defined), int(np.isnan(values).sum())
    if n == 0:
        return Estimate(np.nan, np.nan, np.nan, 0, undefined)
    mean = float(defined.mean())
    if n < _FEWEST:
        return Estimate(mean, np.nan, np.nan, n, undefined)
    rng = np.random.default_rng(seed)
    drawn = defined[rng.integers(n, size=(_N_RESAMPLES, n))].mean(axis=1)
    tail = ndtr(np.sqrt(n / (n - 1)) * stdtrit(n - 1, (1 - confidence) / 2))
    low, high = np.quantile(drawn, [tail, 1 - tail])
    return Estimate(mean, float(low), float(high), n, undefined)
