"""Values drawn bin by bin from well-spread points, in the neighbourhood that LIME uses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from blackbox_xai.protocols import FloatArray, IntArray

__all__ = [
    "N_BINS",
    "BinLaws",
    "BinnedRows",
    "LevelArray",
    "net_size",
    "quartile_laws",
    "sobol_points",
]

LevelArray = NDArray[np.int8]
_EDGES = (25, 50, 75)
N_BINS = len(_EDGES) + 2
_MAX_SOBOL = 21201
_BITS = 30
_NET, _NET_BITS = 512, 16


@dataclass(frozen=True, eq=False)
class BinLaws:
    """How each of ``c`` columns is drawn: a bin first, then a truncated normal inside it.

    Parameters
    ----------
    shares : ndarray of shape (c, b)
        Probability of each bin; the last one holds missing values.
    own : ndarray of shape (c,)
        Bin of ``x``.
    centre, spread : ndarray of shape (c, b)
        Mean and standard deviation of the data in each bin.
    low, high : ndarray of shape (c, b)
        Normal probabilities of the bin's ends.
    natural_share : ndarray of shape (c,)
        Share of the data in the bin of ``x``.
    """

    shares: FloatArray
    own: LevelArray
    centre: FloatArray
    spread: FloatArray
    low: FloatArray
    high: FloatArray
    natural_share: FloatArray

    def draw(self, points: FloatArray) -> BinnedRows:
        """Turn points ``(c, n)`` of the unit cube into rows.

        Column by column, so that what is worked on stays in the cache.
        """
        ends = np.cumsum(self.shares, axis=1)
        slope = (self.high - self.low) / np.maximum(self.shares, 1e-300)
        start = self.low - (ends - self.shares) * slope
        last = self.shares.shape[1] - 1 - np.argmax(self.shares[:, ::-1] > 0, axis=1)
        values, bins = np.empty(points.shape), np.zeros(points.shape, dtype=np.int8)
        for j, (point, value, level) in enumerate(zip(points, values, bins, strict=True)):
            for end in ends[j, : last[j]]:
                level += point >= end
            at = level.astype(np.intp)
            np.multiply(slope[j].take(at), point, out=value)
            value += start[j].take(at)
            np.clip(value, 1e-12, 1 - 1e-12, out=value)
            ndtri(value, out=value)
            value *= self.spread[j].take(at)
            value += self.centre[j].take(at)
        return BinnedRows(values, bins)


@dataclass(frozen=True, eq=False)
class BinnedRows:
    """Rows drawn bin by bin.

    Parameters
    ----------
    values : ndarray of shape (c, n)
    bins : ndarray of shape (c, n)
        Bin of each value.
    """

    values: FloatArray
    bins: LevelArray


def quartile_laws(
    background: FloatArray, weights: FloatArray, x: FloatArray, penalty: float
) -> BinLaws:
    """Laws of columns cut at their quartiles, tilted towards the bins of ``x``.

    Parameters
    ----------
    background : ndarray of shape (r, c)
        Data; NaN is missing and has a bin of its own.
    weights : ndarray of shape (r,)
        Weight of each row, summing to 1.
    x : ndarray of shape (c,)
    penalty : float
        Factor, 0 to 1, on the probability of a bin that is not that of ``x``.

    Returns
    -------
    BinLaws

    References
    ----------
    Garreau and von Luxburg (2020), Explaining the Explainer: a first theoretical analysis of
    LIME, section 2 (the sampling law).
    """
    edges = _weighted_quartiles(background, weights)
    bins, own = _binned(background, edges), _binned(x[None], edges)[0]
    low, high = np.nanmin(background, axis=0), np.nanmax(background, axis=0)
    ends = np.vstack([low, edges, high])
    mass, centre, spread = _bin_moments(background, weights, bins)
    centre[:, -1] = np.nan
    below, above = np.full(mass.shape, 0.5), np.full(mass.shape, 0.5)
    wide = spread[:, :-1] > 0
    scale = np.where(wide, spread[:, :-1], 1.0)
    below[:, :-1] = np.where(wide, ndtr((ends[:-1].T - centre[:, :-1]) / scale), 0.5)
    above[:, :-1] = np.where(wide, ndtr((ends[1:].T - centre[:, :-1]) / scale), 0.5)
    tilted = mass * np.where(np.arange(N_BINS) == own[:, None], 1.0, penalty)
    natural = mass[np.arange(len(mass)), own]
    tilted /= tilted.sum(axis=1, keepdims=True)
    return BinLaws(tilted, own, centre, spread, below, above, natural)


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


def net_size(n: int) -> int:
    """Points of each net that ``sobol_points`` puts ``n`` points together from; two nets or more.

    Examples
    --------
    >>> net_size(399), net_size(5000)
    (128, 512)
    """
    return min(_NET, 1 << max(((n + 1) // 2).bit_length() - 1, 0))


def sobol_points(c: int, n: int, rng: np.random.Generator) -> FloatArray:
    """Points of the unit cube, shape ``(c, n)``: scrambled Sobol nets, shifted independently.

    Every net, of up to 512 points, is spread better than random ones. They share one scramble but
    have digital shifts of their own, so that they are independent of each other and errors can be
    told from the rows; one large net would be better still by an amount that its rows cannot show.
    Beyond 21,201 columns points are random.

    References
    ----------
    Owen (1997), Scrambled net variance for integrals of smooth functions.
    """
    if c > _MAX_SOBOL:
        return rng.random((c, n))
    size = net_size(n)
    net = qmc.Sobol(c, scramble=True, bits=_NET_BITS, rng=rng).random(size).T
    digits = np.ascontiguousarray(net * 2.0**_BITS).astype(np.uint32)
    shifts = rng.integers(1 << _BITS, size=(c, -(-n // size)), dtype=np.uint32)
    points = np.empty((c, n))
    for point, digit, shift in zip(points, digits, shifts, strict=True):
        point[:] = (digit ^ shift[:, None]).ravel()[:n]
    points += 0.5
    points *= 2.0**-_BITS
    return points
