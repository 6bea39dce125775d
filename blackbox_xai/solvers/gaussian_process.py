"""Linear effects that vary smoothly over space: Gaussian-process regression on coalitions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from blackbox_xai.protocols import FloatArray

__all__ = ["Moments", "SmoothFit", "fit_smooth"]

_NUGGET = 0.05
_NOISE_RATIOS = np.logspace(-2.5, 1.5, 17)


class Moments:
    """Sums over rows of ``[1, design, scores]``: all that a linear fit needs, in any number.

    Rows may arrive in pieces; memory is ``O((d + k)**2)`` however many there are.

    Parameters
    ----------
    d, k : int
        Columns of the design and of the scores.
    """

    def __init__(self, d: int, k: int) -> None:
        self.n = 0
        self.design, self.scores = np.zeros(d), np.zeros(k)
        self.squares, self.products = np.zeros((d, d)), np.zeros((d, k))
        self.energy = np.zeros(k)

    def add(self, design: FloatArray, scores: FloatArray) -> None:
        """Take in rows of the design ``(m, d)`` and their scores ``(m, k)``."""
        self.n += len(design)
        self.design += design.sum(axis=0)
        self.scores += scores.sum(axis=0)
        self.squares += design.T @ design
        self.products += design.T @ scores
        self.energy += (scores**2).sum(axis=0)

    def centred(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return sums of squares and products about the means: ``(d, d)``, ``(d, k)``, ``(k,)``."""
        n = max(self.n, 1)
        gram = self.squares - np.outer(self.design, self.design) / n
        cross = self.products - np.outer(self.design, self.scores) / n
        return gram, cross, np.maximum(self.energy - self.scores**2 / n, 0.0)


@dataclass(frozen=True, eq=False)
class SmoothFit:
    """Posterior of the effects of ``d`` places on ``k`` outputs.

    Parameters
    ----------
    effects, std_err : ndarray of shape (d, k)
        Posterior means and standard deviations.
    length, noise_ratio : ndarray of shape (k,)
        Length scale chosen for each output, in units of ``centres``; noise over signal variance.
    evidence : ndarray of shape (k,)
        Logarithm of the marginal likelihood, up to a constant.
    roots : list of ndarray of shape (d, d)
        For each output a matrix whose product with its transpose is the posterior covariance.
    """

    effects: FloatArray
    std_err: FloatArray
    length: FloatArray
    noise_ratio: FloatArray
    evidence: FloatArray
    roots: list[FloatArray]


def fit_smooth(
    moments: Moments, centres: FloatArray, sizes: FloatArray, lengths: FloatArray
) -> SmoothFit:
    """Regress scores on the presence of places whose effects are alike when they are close.

    The effect of place ``i`` is ``sizes[i] * g(centres[i])`` with a Gaussian process ``g`` of
    squared-exponential covariance; its length scale, variance and the noise are those of highest
    marginal likelihood, for each output by itself.

    Parameters
    ----------
    moments : Moments
        Sums over coalitions and their scores.
    centres : ndarray of shape (d, q)
        Where the places are.
    sizes : ndarray of shape (d,)
        How large they are; only ratios matter.
    lengths : ndarray
        Length scales to choose from, in units of ``centres``.

    Returns
    -------
    SmoothFit

    References
    ----------
    Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, equations 2.9
    (posterior) and 5.8 (marginal likelihood).

    Examples
    --------
    >>> kept = np.eye(4)[[0, 1, 2, 3, 0, 2]]
    >>> moments = Moments(4, 1)
    >>> moments.add(kept, kept @ np.array([[0.0], [0.0], [1.0], [1.0]]))
    >>> fit = fit_smooth(moments, np.arange(4.0)[:, None], np.ones(4), np.array([1.0]))
    >>> bool((fit.effects[2:] > fit.effects[:2]).all())
    True
    """
    gram, cross, energy = moments.centred()
    sizes = sizes / sizes.mean()
    k = cross.shape[1]
    best: list[tuple[float, float, float, FloatArray, FloatArray] | None] = [None] * k
    distances = ((centres[:, None] - centres) ** 2).sum(axis=-1)
    for length in lengths:
        root = _prior_root(distances, length, gram * np.outer(sizes, sizes), moments.n)
        pull = root * sizes[:, None]
        spectrum, vectors = eigh(pull.T @ gram @ pull)
        spectrum = np.maximum(spectrum, 0.0)
        projected = vectors.T @ (pull.T @ cross)
        basis = pull @ vectors
        for j in range(k):
            evidence, ratio, signal = _evidence(spectrum, projected[:, j], energy[j], moments.n)
            shrunk = spectrum + ratio
            if best[j] is None or evidence > best[j][0]:  # type: ignore[index]  # just checked
                mean = basis @ (projected[:, j] / shrunk)
                spread = basis * np.sqrt(signal * ratio / shrunk)
                best[j] = (evidence, float(length), ratio, mean, spread)
    chosen = [item for item in best if item is not None]
    return SmoothFit(
        effects=np.stack([item[3] for item in chosen], axis=1),
        std_err=np.stack([np.sqrt((item[4] ** 2).sum(axis=1)) for item in chosen], axis=1),
        length=np.array([item[1] for item in chosen]),
        noise_ratio=np.array([item[2] for item in chosen]),
        evidence=np.array([item[0] for item in chosen]),
        roots=[item[4] for item in chosen],
    )


def _prior_root(distances: FloatArray, length: float, gram: FloatArray, n: int) -> FloatArray:
    """Return a root of the prior covariance, scaled so that a row's effect has variance 1."""
    prior = np.exp(-distances / (2 * length**2)) + _NUGGET * np.eye(len(distances))
    variance = float((prior * gram).sum()) / max(n, 1)
    return np.linalg.cholesky(prior / max(variance, 1e-300))


def _evidence(
    spectrum: FloatArray, projected: FloatArray, energy: float, n: int
) -> tuple[float, float, float]:
    """Return the best log evidence, its noise ratio and its signal variance."""
    seen = np.where(spectrum > 1e-12, projected**2 / np.maximum(spectrum, 1e-12), 0.0)
    ratios = _NOISE_RATIOS
    shrunk = spectrum[:, None] + ratios
    misfit = np.maximum(energy - seen.sum(), 0.0) / ratios + (seen[:, None] / shrunk).sum(axis=0)
    signal = np.maximum(misfit / max(n, 1), 1e-300)
    volume = np.log(shrunk).sum(axis=0) + (n - len(spectrum)) * np.log(ratios)
    evidence = -0.5 * (n * np.log(signal) + volume)
    i = int(np.argmax(evidence))
    return float(evidence[i]), float(ratios[i]), float(signal[i])
