"""How much each feature bends the game: kernel scales by restricted maximum likelihood."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from blackbox_xai.protocols import FloatArray

__all__ = ["fit_scales"]

_STEPS = 40
_LOWEST, _HIGHEST = 1e-3, 1.5  # of a scale
_NOISE = 0.01  # median of the prior of noise, in units of the kernel
_SPREAD = 0.8  # of the logarithms of scales and noise in the prior


def fit_scales(
    signs: Sequence[FloatArray], odd: Sequence[FloatArray], start: FloatArray
) -> tuple[FloatArray, float]:
    """Return scales ``(n,)`` of the ``sinh`` kernel, and the variance of noise in its units.

    Parameters
    ----------
    signs : sequence of ndarray of shape (p, n)
        Designs, +1 for a kept feature and -1 for a hidden one.
    odd : sequence of ndarray of shape (p, k)
        Odd parts of the scores, for each design. Games and outputs share the scales.
    start : ndarray of shape (n,)
        First guess, and the median of the log-normal prior.

    References
    ----------
    Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, equation 5.9, with the
    linear part projected out (section 2.7.1). Riedmiller & Braun (1993), A Direct Adaptive Method
    for Faster Backpropagation Learning: the RPROP Algorithm.
    """
    data = [_without_linear(s, y) for s, y in zip(signs, odd, strict=True)]
    first = np.concatenate([np.log(start), [0.0, np.log(_NOISE)]])
    point, step = first.copy(), np.full(len(first), 0.2)
    before = np.zeros(len(first))
    best, best_point = -np.inf, point
    for _ in range(_STEPS):
        value, slope = _likelihood(data, point)
        value += _prior(point, first, slope)
        if value > best:
            best, best_point = value, point.copy()
        turn = np.sign(slope * before)
        step = np.clip(step * np.where(turn > 0, 1.2, np.where(turn < 0, 0.5, 1.0)), 1e-3, 0.7)
        point = point + np.sign(slope) * step
        point[:-2] = np.clip(point[:-2], np.log(_LOWEST), np.log(_HIGHEST))
        before = slope
    theta = np.exp(best_point[:-2])
    return theta, float(np.exp(np.clip(best_point[-1] - best_point[-2], -12, 5)))


def _prior(point: FloatArray, first: FloatArray, slope: FloatArray) -> float:
    """Return the log prior of scales and relative noise, and add its slope."""
    off = (point[:-2] - first[:-2]) / _SPREAD**2
    slope[:-2] -= off
    noise = (point[-1] - point[-2] - first[-1]) / _SPREAD**2
    slope[-1] -= noise
    slope[-2] += noise
    return -float(off @ off + noise**2) * _SPREAD**2 / 2


def _without_linear(
    signs: FloatArray, odd: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the design, a basis orthogonal to its linear part, and the odd parts on that."""
    basis = np.linalg.qr(signs, mode="complete")[0][:, signs.shape[1] :]
    rest = basis.T @ odd
    size = np.sqrt((rest**2).mean(axis=0))
    return signs, basis, rest / np.where(size > 0, size, 1.0)


def _likelihood(
    data: Sequence[tuple[FloatArray, FloatArray, FloatArray]], point: FloatArray
) -> tuple[float, FloatArray]:
    """Restricted log-likelihood and its slope in log scales, log amplitude and log noise."""
    theta, amplitude, noise = np.exp(point[:-2]), np.exp(point[-2]), np.exp(point[-1])
    value, slope = 0.0, np.zeros(len(point))
    for signs, basis, rest in data:
        exponent = (signs * theta) @ signs.T
        size = np.trace(sinh := np.sinh(exponent)) / len(signs)
        kernel = amplitude / size * sinh
        inverse = np.linalg.inv(basis.T @ kernel @ basis + noise * np.eye(basis.shape[1]))
        alpha = inverse @ rest
        k = rest.shape[1]
        value += -0.5 * float((rest * alpha).sum()) / k + 0.5 * float(np.linalg.slogdet(inverse)[1])
        outer = alpha @ alpha.T / k - inverse
        full = basis @ outer @ basis.T
        pull = full * (amplitude / size * np.cosh(exponent))
        by_size = float((full * kernel).sum())
        spread = np.cosh(np.diag(exponent)).mean() / size
        slope[:-2] += 0.5 * theta * (signs * (pull @ signs)).sum(axis=0)
        slope[:-2] -= 0.5 * theta * by_size * spread
        slope[-2] += 0.5 * by_size
        slope[-1] += 0.5 * noise * float(np.trace(outer))
    return value, slope
