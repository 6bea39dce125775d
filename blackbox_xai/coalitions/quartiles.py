"""Columns of a background cut at their quartiles."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["N_BINS", "LevelArray", "Quartiles", "cut_at_quartiles"]

LevelArray = NDArray[np.int8]
_EDGES = (25, 50, 75)
N_BINS = len(_EDGES) + 2


@dataclass(frozen=True, eq=False)
class Quartiles:
    """Bins of ``c`` columns, and the data in them.

    Parameters
    ----------
    ends : ndarray of shape (5, c)
        Least value, quartiles, largest value.
    mass : ndarray of shape (c, b)
        Share of the data in each bin; the last one holds missing values.
    centre, spread : ndarray of shape (c, b)
        Mean and standard deviation of the data in each bin; NaN is the mean of missing values.
    """

    ends: FloatArray
    mass: FloatArray
    centre: FloatArray
    spread: FloatArray

    def bins_of(self, values: FloatArray) -> LevelArray:
        """Return the bin of each of the values ``(n, c)``."""
        return _binned(values, self.ends[1:-1])


def cut_at_quartiles(background: FloatArray, weights: FloatArray) -> Quartiles:
    """Cut columns at their quartiles.

    Parameters
    ----------
    background : ndarray of shape (r, c)
        Data; NaN is missing and has a bin of its own.
    weights : ndarray of shape (r,)
        Weight of each row, summing to 1.

    Returns
    -------
    Quartiles

    Examples
    --------
    >>> cut = cut_at_quartiles(np.array([[1.0], [2.0], [3.0], [4.0]]), np.full(4, 0.25))
    >>> cut.ends.ravel()
    array([1.  , 1.75, 2.5 , 3.25, 4.  ])
    >>> cut.bins_of(np.array([[2.0], [9.0]])).ravel().tolist()
    [1, 3]
    """
    edges = _weighted_quartiles(background, weights)
    ends = np.vstack([np.nanmin(background, axis=0), edges, np.nanmax(background, axis=0)])
    mass, centre, spread = _bin_moments(background, weights, _binned(background, edges))
    centre[:, -1] = np.nan
    return Quartiles(ends, mass, centre, spread)


def _weighted_quartiles(background: FloatArray, weights: FloatArray) -> FloatArray:
    """Return quartiles of each column, shape ``(3, c)``, missing values left out."""
    if np.allclose(weights, weights[0]):
        if not np.isnan(background).any():
            return np.asarray(np.percentile(background, _EDGES, axis=0), dtype=np.float64)
        return np.asarray(np.nanpercentile(background, _EDGES, axis=0), dtype=np.float64)
    return np.asarray(
        np.nanpercentile(
            background,
            _EDGES,
            axis=0,
            method="inverted_cdf",
            weights=np.broadcast_to(weights[:, None], background.shape),
        ),
        dtype=np.float64,
    )


def _binned(values: FloatArray, edges: FloatArray) -> LevelArray:
    bins = (values[:, None, :] > edges).sum(axis=1)
    bins[np.isnan(values)] = N_BINS - 1
    return np.asarray(bins, dtype=np.int8)


def _bin_moments(
    background: FloatArray, weights: FloatArray, bins: LevelArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return mass, mean and standard deviation ``(c, b)`` of the data in each bin."""
    c = background.shape[1]
    at = (bins + N_BINS * np.arange(c)).ravel()
    share = np.broadcast_to(weights[:, None], background.shape).ravel()
    held = np.nan_to_num(background).ravel()
    mass, first = _totals(at, share, c), _totals(at, share * held, c)
    total = np.maximum(mass, 1e-300)
    mean = first / total
    variance = _totals(at, share * (held - mean.ravel()[at]) ** 2, c) / total
    return mass, mean, np.sqrt(variance)


def _totals(at: IntArray, values: FloatArray, c: int) -> FloatArray:
    """Return sums of values by bin, shape ``(c, b)``."""
    totals: FloatArray = np.bincount(at, values, c * N_BINS).reshape(c, -1).astype(np.float64)
    return totals
