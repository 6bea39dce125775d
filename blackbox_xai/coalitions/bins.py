"""Values drawn bin by bin from well-spread points, in the neighbourhood that LIME uses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

from blackbox_xai.coalitions.quartiles import N_BINS, LevelArray, Quartiles
from blackbox_xai.protocols import FloatArray

__all__ = ["BinLaws", "BinnedRows", "net_size", "quartile_laws", "sobol_points"]

_MAX_SOBOL = 21201
_BITS = 30
_NET, _NET_BITS = 512, 16
# A table of normal quantiles: a line in each of the cells of (0, 1), none in the tails.
_CELLS = 4096
_QUANTILES = ndtri(np.arange(_CELLS + 2) / _CELLS)
_QUANTILES[: _CELLS // 64] = _QUANTILES[-_CELLS // 64 :] = np.nan
_SLOPES = np.diff(_QUANTILES)
_STARTS = _QUANTILES[:-1] - _SLOPES * np.arange(_CELLS + 1)


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
        slope = _CELLS * (self.high - self.low) / np.maximum(self.shares, 1e-300)
        start = _CELLS * self.low - (ends - self.shares) * slope
        b = self.shares.shape[1]
        last = b - 1 - np.argmax(self.shares[:, ::-1] > 0, axis=1)
        ends[np.arange(b) >= last[:, None]] = np.inf
        bins = np.zeros(points.shape, dtype=np.int8)
        for end in ends.T:
            bins += points >= end[:, None]
        values = np.empty(points.shape)
        for j, (point, value, level) in enumerate(zip(points, values, bins, strict=True)):
            at = level.astype(np.intp)
            np.multiply(slope[j].take(at), point, out=value)
            value += start[j].take(at)
            _to_normal(value)
            value *= self.spread[j].take(at)
            value += self.centre[j].take(at)
        return BinnedRows(values, bins)


def _to_normal(place: FloatArray) -> None:
    """Turn places ``(n,)`` in the table of normal quantiles into quantiles, to 1e-5.

    In the tails, where a table is not fine enough, they are computed.
    """
    cell = place.astype(np.intp)
    lines = _SLOPES.take(cell, mode="clip")
    tail = np.flatnonzero(np.isnan(lines))
    exact = ndtri(np.clip(place[tail] / _CELLS, 1e-12, 1 - 1e-12))
    place *= lines
    place += _STARTS.take(cell, mode="clip")
    place[tail] = exact


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


def quartile_laws(cut: Quartiles, x: FloatArray, penalty: float) -> BinLaws:
    """Laws of columns cut at their quartiles, tilted towards the bins of ``x``.

    Parameters
    ----------
    cut : Quartiles
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
    mass, own = cut.mass, cut.bins_of(x[None])[0]
    low, high = np.full(mass.shape, 0.5), np.full(mass.shape, 0.5)
    wide = cut.spread[:, :-1] > 0
    centre, scale = cut.centre[:, :-1], np.where(wide, cut.spread[:, :-1], 1.0)
    low[:, :-1] = np.where(wide, ndtr((cut.ends[:-1].T - centre) / scale), 0.5)
    high[:, :-1] = np.where(wide, ndtr((cut.ends[1:].T - centre) / scale), 0.5)
    tilted = mass * np.where(np.arange(N_BINS) == own[:, None], 1.0, penalty)
    natural = mass[np.arange(len(mass)), own]
    tilted /= tilted.sum(axis=1, keepdims=True)
    return BinLaws(tilted, own, cut.centre, cut.spread, low, high, natural)


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
    # The last digit is that of the middle of a cell.
    digits = np.ascontiguousarray(net * 2.0**_BITS).astype(np.uint32) << 1 | 1
    shifts = rng.integers(1 << _BITS, size=(c, -(-n // size)), dtype=np.uint32) << 1
    shifted = (digits[:, None, :] ^ shifts[:, :, None]).reshape(c, -1)
    return np.asarray(shifted[:, :n] * 2.0 ** -(_BITS + 1), dtype=np.float64)
