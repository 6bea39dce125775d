"""Shapley values of games that are one model, seen from several backgrounds.

The scores of all fills are taken for one draw of a Gaussian process over masked inputs, plus a
linear game of each fill. Its kernel is a product over features of ``1 + scale * alike``, where
``alike`` says how close two values of the feature are: all orders of interaction, the less weight
the higher. What one fill's coalitions tell of the model serves the others, the more, the closer
their values; and so do the means of pairs of complements, which by themselves are no part of the
values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from blackbox_xai.protocols import BoolArray, FloatArray, IntArray
from blackbox_xai.solvers.product_kernel import (
    Sight,
    prior_variance,
    product_kernel,
    shapley_gains,
)

__all__ = ["Belief", "Joint", "joint", "shared_values", "unfold"]

_OWN = 30.0  # variance of a fill's own level and linear game, in units of the kernel
_SMALL = 64  # rows of a triangle that is inverted at once
_AT_END = 1e-3  # of the noise: the total of a fill is known


@dataclass(frozen=True, eq=False)
class Belief:
    """What the process is taken for.

    Parameters
    ----------
    alike : ndarray of shape (d, 1 + f, 1 + f)
        Closeness, 0 to 1, of the values of each feature: of ``x``, then of the ``f`` fills.
    scales : ndarray of shape (d,)
        How much each feature takes part in interactions.
    noise : float
        Variance of what the process does not explain, in units of the kernel.
    even : bool
        Whether the even parts of pairs are looked at, besides the odd.
    """

    alike: FloatArray
    scales: FloatArray
    noise: float
    even: bool = True

    @property
    def factors(self) -> FloatArray:
        """The kernel of each feature, 1 between values of ``x``."""
        factors = 1 + self.scales[:, None, None] * self.alike
        return factors / factors[:, :1, :1]


@dataclass(frozen=True, eq=False)
class Joint:
    """Odd parts of all pairs under a belief, then the even parts where these are looked at.

    Parameters
    ----------
    process : ndarray of shape (m, m)
        Covariance of what the process makes of the single scores.
    covariance : ndarray of shape (n, n)
        Of the parts, with the fills' own games, and noise.
    parts : ndarray of shape (n, k)
    inner : ndarray of shape (n,)
        Parts that are not at the end of a fill.
    unit : float
        Mean variance of the process before it was divided by that.
    """

    process: FloatArray
    covariance: FloatArray
    parts: FloatArray
    inner: BoolArray
    unit: float

    def root(self) -> FloatArray:
        """Return the lower triangle ``L`` with ``L.T @ L`` the inverse covariance."""
        lower = np.asarray(np.linalg.cholesky(self.covariance), dtype=np.float64)
        return _inverse(lower)


def shared_values(sights: Sequence[Sight], belief: Belief) -> tuple[FloatArray, FloatArray]:
    """Return what is to be added to the first guess, and its variance, both ``(d, k)``.

    Parameters
    ----------
    sights : sequence of Sight
        Of ``f`` fills.
    belief : Belief

    Raises
    ------
    numpy.linalg.LinAlgError
        When ``alike`` is no covariance.

    References
    ----------
    Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, section 2.2 and equation
    5.12 (leave-one-out). Duvenaud, Nickisch & Rasmussen (2011), Additive Gaussian Processes,
    section 3.
    """
    factors, whole = belief.factors, joint(sights, belief)
    root, level = whole.root(), _OWN / len(factors)
    gain = shapley_gains(sights, factors) / whole.unit
    gain += np.concatenate([2 * level * sight.share * sight.linear for sight in sights])
    seen = root @ _fold(sights, gain, even=belief.even)
    weights, pull = root.T @ seen, root.T @ (root @ whole.parts)
    active = np.logical_or.reduce([sight.active for sight in sights])
    values = weights.T @ whole.parts
    values -= np.where(active, 1 / active.sum(), 0.0)[:, None] * values.sum(axis=0)
    before = prior_variance(sights, factors) / whole.unit
    before += sum(4 * level * sight.share**2 * sight.active for sight in sights)
    after = np.maximum(before - (seen**2).sum(axis=0), 0.0)
    # How far parts are off when left out, over what is expected, by what they do to the values.
    sharp = (root**2).sum(axis=0)[whole.inner, None]
    square = weights[whole.inner].T ** 2
    off = square @ (pull[whole.inner] / sharp) ** 2 / np.maximum(square @ (1 / sharp), 1e-300)
    return values, after[:, None] * off


def joint(sights: Sequence[Sight], belief: Belief) -> Joint:
    """Return the parts of the scores of all fills, and their covariance."""
    factors, even = belief.factors, belief.even
    process = product_kernel(sights, factors)
    ends = np.cumsum([len(sight.kept) for sight in sights])
    inner = np.ones(ends[-1], dtype=bool)
    inner[ends - 1] = inner[ends - 2] = False
    unit = float(np.diag(process)[inner].mean())
    process /= unit
    whole = process.copy()
    for sight, end in zip(sights, ends.tolist(), strict=True):
        own = slice(end - len(sight.kept), end)
        whole[own, own] += _OWN * (sight.linear @ sight.linear.T / len(factors) + 1)
    covariance = _fold(sights, _fold(sights, whole, even=even).T, even=even)
    inner = np.tile(inner[_pairs(sights)[0]], 2 if even else 1)
    noise = belief.noise * np.where(inner, 1.0, _AT_END)
    covariance[np.diag_indices_from(covariance)] += noise
    parts = _fold(sights, np.concatenate([sight.scores for sight in sights]), even=even)
    return Joint(process, covariance, parts, inner, unit)


def _inverse(lower: FloatArray) -> FloatArray:
    """Return the inverse of a lower triangle, by halves: a third of the work of any matrix."""
    n = len(lower)
    if n <= _SMALL:
        return np.asarray(np.tril(np.linalg.inv(lower)), dtype=np.float64)
    half = n // 2
    out = np.zeros_like(lower)
    out[:half, :half] = first = _inverse(lower[:half, :half])
    out[half:, half:] = second = _inverse(lower[half:, half:])
    out[half:, :half] = -second @ (lower[half:, :half] @ first)
    return out


def unfold(sights: Sequence[Sight], weights: FloatArray) -> FloatArray:
    """Return weights ``(m, j)`` of scores from weights of odd parts, or odd and even ones."""
    first, second = _pairs(sights)
    odd, even = weights[: len(first)] / 2, weights[len(first) :] / 2
    out = np.empty((2 * len(first), weights.shape[1]))
    out[first], out[second] = odd, -odd
    if len(even):
        out[first] += even
        out[second] += even
    return out


def _fold(sights: Sequence[Sight], scores: FloatArray, *, even: bool) -> FloatArray:
    """Return odd parts of pairs, those of all and nothing among them, then the even ones."""
    first, second = _pairs(sights)
    odd = (scores[first] - scores[second]) / 2
    return np.concatenate([odd, (scores[first] + scores[second]) / 2]) if even else odd


def _pairs(sights: Sequence[Sight]) -> tuple[IntArray, IntArray]:
    """Return where the coalitions of pairs stand, and their complements."""
    pairs = np.array([len(sight.kept) // 2 - 1 for sight in sights])
    start = np.cumsum(2 * pairs + 2) - 2 * pairs - 2
    first, second = [], []
    for p, at in zip(pairs.tolist(), start.tolist(), strict=True):
        first.append(np.append(np.arange(p), 2 * p) + at)
        second.append(np.append(np.arange(p) + p, 2 * p + 1) + at)
    return np.concatenate(first), np.concatenate(second)
