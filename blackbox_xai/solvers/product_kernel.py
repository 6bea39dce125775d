"""Covariances of masked inputs by a product over features, and what Shapley values make of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from blackbox_xai.protocols import BoolArray, FloatArray

__all__ = ["Sight", "prior_variance", "product_kernel", "shapley_gains"]

_NODES = 12
_NODES_TWICE = 8


@dataclass(frozen=True, eq=False)
class Sight:
    """What was scored of one fill, less the first guess, which has the right total.

    Parameters
    ----------
    kept : ndarray of shape (2 * p + 2, d)
        Coalitions: ``p``, their complements, all and nothing. What does not vary is kept.
    scores : ndarray of shape (2 * p + 2, k)
        The last two are 0.
    active : ndarray of shape (d,)
        Features that vary.
    share : float
        Weight of the fill.
    """

    kept: BoolArray
    scores: FloatArray
    active: BoolArray
    share: float

    @property
    def linear(self) -> FloatArray:
        """The games of single features, ``(2 * p + 2, d)``."""
        return np.where(self.kept, 1.0, -1.0) * self.active


def product_kernel(sights: Sequence[Sight], factors: FloatArray) -> FloatArray:
    """Return the covariance ``(n, n)`` of the scores of all fills, one after another.

    Parameters
    ----------
    sights : sequence of Sight
    factors : ndarray of shape (d, 1 + f, 1 + f)
        The kernel of each feature between its values, 1 between those of ``x``.
    """
    logs = np.log(factors)
    kept = np.concatenate([sight.kept for sight in sights]).astype(np.float64)
    fill = np.repeat(np.arange(len(sights)), [len(sight.kept) for sight in sights])
    kernel = np.empty((len(kept), len(kept)))
    start = 0
    for i, sight in enumerate(sights):
        stop = start + len(sight.kept)
        own, others, of = kept[start:stop], kept[:stop], fill[:stop]
        xb, bx, bb = logs[:, 0, 1 : i + 2], logs[:, :1, i + 1], logs[:, i + 1, 1 : i + 2]
        block = own @ (others * (bb - xb - bx).T[of]).T
        block += (others * (bx - bb).T[of]).sum(axis=1)
        block += (own @ (xb - bb) + bb.sum(axis=0))[:, of]
        np.exp(block, out=block)
        kernel[start:stop, :stop] = block
        kernel[:stop, start:stop] = block.T
        start = stop
    return kernel


def shapley_gains(sights: Sequence[Sight], factors: FloatArray) -> FloatArray:
    """Return covariances ``(n, d)`` of the scores with the mean of the Shapley values.

    As a function of the coalition, the kernel is a product over features, whose Shapley values
    are integrals of a polynomial.
    """
    d = len(factors)
    nodes, weights = np.polynomial.legendre.leggauss(min(d // 2 + 1, _NODES))
    place = (1 + nodes)[:, None, None] / 2
    share = np.outer(weights / 2, [sight.share for sight in sights])[:, :, None]
    gains = []
    for j, sight in enumerate(sights):
        kept_x, kept_b = factors[:, 0, 0], factors[:, 0, j + 1]
        hidden_x, hidden_b = factors[:, 0, 1:].T, factors[:, j + 1, 1:].T
        at_x = hidden_x + place * (kept_x - hidden_x)
        at_b = hidden_b + place * (kept_b - hidden_b)
        by_x = (share * (kept_x - hidden_x) / at_x).reshape(-1, d)
        by_b = (share * (kept_b - hidden_b) / at_b).reshape(-1, d)
        ratio, base = np.log(at_x / at_b).reshape(-1, d), np.log(at_b).sum(axis=2).ravel()
        product = np.exp(sight.kept @ ratio.T + base)
        gains.append(np.where(sight.kept, product @ by_x, product @ by_b))
    return np.concatenate(gains)


def prior_variance(sights: Sequence[Sight], factors: FloatArray) -> FloatArray:
    """Return the variance of the mean of the Shapley values before any score is known."""
    nodes, weights = np.polynomial.legendre.leggauss(min(len(factors) // 2 + 1, _NODES_TWICE))
    place, share = (1 + nodes) / 2, np.array([sight.share for sight in sights])
    corner, edge, rest = factors[:, :1, :1], factors[:, :1, 1:], factors[:, 1:, 1:]
    apart = corner - edge - edge.transpose(0, 2, 1) + rest
    variance = np.zeros(len(factors))
    for p, w in zip(place, weights / 2, strict=True):
        for q, u in zip(place, weights / 2, strict=True):
            ends = p * (1 - q) * edge.transpose(0, 2, 1) + (1 - p) * q * edge
            mixed = p * q * corner + ends + (1 - p) * (1 - q) * rest
            product = np.exp(np.log(mixed).sum(axis=0)) * np.outer(share, share)
            variance += w * u * (apart / mixed * product).sum(axis=(1, 2))
    return variance
