"""Shapley values of games that are one model, seen from several backgrounds.

The scores of all fills are taken for one draw of a Gaussian process over masked inputs, plus a
linear game of each fill. Its kernel is a product over features of ``1 + scale * alike``, where
``alike`` says how close two values of the feature are: all orders of interaction, the less weight
the higher. What one fill's coalitions tell of the model serves the others, the more, the closer
their values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from blackbox_xai.protocols import BoolArray, FloatArray

__all__ = ["Sight", "shared_values"]

_NODES = 12
_NODES_TWICE = 8
_NOISE = 0.005  # variance of what the process does not explain, in units of the kernel
_OWN = 30.0  # variance of a fill's own linear game, in the same units
_AT_END = 1e-3  # of the noise: the total of a fill is known


@dataclass(frozen=True, eq=False)
class Sight:
    """What was scored of one fill.

    Parameters
    ----------
    kept : ndarray of shape (p, d)
        One coalition of each pair of complements; features that do not vary are kept.
    odd : ndarray of shape (p, k)
        ``(v(S) - v(N - S)) / 2`` of each pair, less that of the first guess.
    active : ndarray of shape (d,)
        Features that vary.
    share : float
        Weight of the fill.
    """

    kept: BoolArray
    odd: FloatArray
    active: BoolArray
    share: float

    @property
    def signs(self) -> FloatArray:
        """The pairs, and last the one that holds everything, as +1 and -1."""
        signs = np.where(self.kept, 1.0, -1.0)
        return np.vstack([signs, np.ones(signs.shape[1])])


def shared_values(
    sights: Sequence[Sight], alike: FloatArray, scales: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return what is to be added to the first guess, and its variance, both ``(d, k)``.

    Parameters
    ----------
    sights : sequence of Sight
        Of ``f`` fills. The first guess has the right total for each.
    alike : ndarray of shape (d, 1 + f, 1 + f)
        Closeness, 0 to 1, of the values of each feature: of ``x``, then of the fills.
    scales : ndarray of shape (d,)
        How much each feature takes part in interactions.

    References
    ----------
    Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, section 2.2 and equation
    5.12 (leave-one-out). Duvenaud, Nickisch & Rasmussen (2011), Additive Gaussian Processes,
    section 3.
    """
    factors = 1 + scales[:, None, None] * alike
    factors /= factors[:, :1, :1]
    signs = [sight.signs for sight in sights]
    ends = np.cumsum([len(s) for s in signs])
    kernel = _kernel(signs, np.log(factors))
    inner = np.ones(ends[-1], dtype=bool)
    inner[ends - 1] = False
    unit = float(np.diag(kernel)[inner].mean())
    kernel /= unit
    gain = _gains(sights, signs, factors) / unit
    for sight, s, end in zip(sights, signs, ends, strict=True):
        own = s * sight.active * (_OWN / len(sight.active))
        part = slice(end - len(s), end)
        kernel[part, part] += own @ s.T
        gain[part] += 2 * sight.share * own
    kernel[np.diag_indices_from(kernel)] += np.where(inner, _NOISE, _AT_END * _NOISE)
    odd = np.zeros((len(kernel), sights[0].odd.shape[1]))
    odd[inner] = np.concatenate([sight.odd for sight in sights])
    inverse = np.linalg.inv(kernel)
    weights = inverse @ gain
    sharp = np.diag(inverse)[:, None]
    left_out = (inverse @ odd) / sharp
    active = np.logical_or.reduce([sight.active for sight in sights])
    values = weights.T @ odd
    values -= np.where(active, 1 / active.sum(), 0.0)[:, None] * values.sum(axis=0)
    before = _prior(sights, factors) / unit
    before += sum(4 * t.share**2 * t.active * (_OWN / len(active)) for t in sights)
    after = np.maximum(before - (gain * weights).sum(axis=0), 0.0)
    seen = (weights[inner] ** 2).T @ left_out[inner] ** 2
    expected = (weights[inner] ** 2).T @ (1 / sharp[inner])
    return values, after[:, None] * seen / np.maximum(expected, 1e-300)


def _prior(sights: Sequence[Sight], factors: FloatArray) -> FloatArray:
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


def _kernel(signs: Sequence[FloatArray], logs: FloatArray) -> FloatArray:
    """Return the covariance of the odd parts, from logarithms of the factors of the features.

    The logarithms are 0 between values of ``x``.

    The factor of a feature is ``exp(m + r s + c s' + b s s')`` for signs ``s`` and ``s'``.
    """
    sizes = [len(s) for s in signs]
    starts = np.cumsum([0, *sizes])
    kernel = np.empty((starts[-1], starts[-1]))
    fill = np.repeat(np.arange(len(signs)), sizes)
    for i, own in enumerate(signs):
        stop = starts[i + 1]
        others = np.concatenate(signs[: i + 1])
        xb, bx, bb = logs[:, 0, 1 : i + 2], logs[:, :1, i + 1], logs[:, i + 1, 1 : i + 2]
        mean = (xb + bx + bb).sum(axis=0) / 4
        row, column, both = (xb - bx - bb) / 4, (bx - xb - bb) / 4, (bb - xb - bx) / 4
        pull = np.exp(mean + own @ row)[:, fill[:stop]]
        push = np.exp(mean - own @ row)[:, fill[:stop]]
        other = np.exp((others * column.T[fill[:stop]]).sum(axis=1))
        joint = np.exp(own @ (others * both.T[fill[:stop]]).T)
        block = joint * (pull * other + push / other) - (pull / other + push * other) / joint
        kernel[starts[i] : stop, :stop] = block / 4
        kernel[:stop, starts[i] : stop] = block.T / 4
    return kernel


def _gains(sights: Sequence[Sight], signs: Sequence[FloatArray], factors: FloatArray) -> FloatArray:
    """Return covariances ``(pairs, d)`` of the odd parts with the mean of the Shapley values.

    As a function of the coalition, the kernel is a product over features, whose Shapley values
    are integrals of a polynomial.
    """
    d = len(factors)
    nodes, weights = np.polynomial.legendre.leggauss(min(d // 2 + 1, _NODES))
    place = (1 + nodes)[:, None, None] / 2
    share = (np.outer(weights / 2, [sight.share for sight in sights]) / 2)[:, :, None]
    gains = []
    for j, s in enumerate(signs):
        kept_x, kept_b = factors[:, 0, 0], factors[:, 0, j + 1]
        hidden_x, hidden_b = factors[:, 0, 1:].T, factors[:, j + 1, 1:].T
        at_x = hidden_x + place * (kept_x - hidden_x)
        at_b = hidden_b + place * (kept_b - hidden_b)
        by_x = (share * (kept_x - hidden_x) / at_x).reshape(-1, d)
        by_b = (share * (kept_b - hidden_b) / at_b).reshape(-1, d)
        ratio, base = np.log(at_x / at_b).reshape(-1, d), np.log(at_b).sum(axis=2).ravel()
        gain = np.zeros_like(s)
        for sign in (1.0, -1.0):
            at = (1 + sign * s) / 2
            product = np.exp(at @ ratio.T + base)
            gain += sign * ((1 - at) * (product @ by_b) + at * (product @ by_x))
        gains.append(gain)
    return np.concatenate(gains)
