"""Linear effects that vary smoothly over space: Gaussian-process regression on coalitions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["Moments", "SmoothFit", "fit_smooth"]

_NUGGET = 0.05
_UNLIKELY = 0.01
_HIGHEST_LEVERAGE = 0.95
_NOISE_RATIOS = np.logspace(-6, 1.5, 31)


class Moments:
    """Sums over rows of ``[1, design, scores]``: all that a linear fit needs, in any number.

    Rows may arrive in pieces; memory is ``O((d + k)**2)`` however many there are.

    Parameters
    ----------
    d, k : int
        Columns of the design and of the scores.
    about_mean : bool
        Whether the scores have a level of their own, which is taken out; False for differences.
    """

    def __init__(self, d: int, k: int, *, about_mean: bool = True) -> None:
        self.n = 0
        self.about_mean = about_mean
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
        if not self.about_mean:
            return self.squares, self.products, self.energy
        n = max(self.n, 1)
        gram = self.squares - np.outer(self.design, self.design) / n
        cross = self.products - np.outer(self.design, self.scores) / n
        return gram, cross, np.maximum(self.energy - self.scores**2 / n, 0.0)


@dataclass(frozen=True, eq=False)
class _Space:
    """What one length scale makes of the design: its spectrum, and effects in its directions."""

    length: float
    spectrum: FloatArray
    vectors: FloatArray
    basis: FloatArray


@dataclass(frozen=True, eq=False)
class _Component:
    """Posterior of one output under one length scale and noise ratio."""

    space: _Space
    evidence: float
    noise_ratio: float
    mean: FloatArray
    scales: FloatArray
    noise: float

    @property
    def gain(self) -> FloatArray:
        """Change of the effects for one unit of the products of design and scores, ``(d, d)``."""
        root = self.root
        pull: FloatArray = root @ root.T / max(self.noise, 1e-300)
        return pull

    @property
    def root(self) -> FloatArray:
        """A matrix whose product with its transpose is the posterior covariance."""
        return self.space.basis * self.scales

    def draw(self, noise: FloatArray) -> FloatArray:
        """Turn standard normal noise ``(n, d)`` into draws from the posterior.

        Noise is turned into the eigenvectors first: which signs they have, and which of them span
        an eigenspace, is up to the linear algebra of the machine, and cancels out.
        """
        drawn: FloatArray = self.mean + (noise @ self.space.vectors) @ self.root.T
        return drawn


@dataclass(frozen=True, eq=False)
class SmoothFit:
    """Posterior of the effects of ``d`` places on ``k`` outputs.

    Parameters
    ----------
    effects, std_err : ndarray of shape (d, k)
        Posterior means and standard deviations.
    length, noise_ratio : ndarray of shape (k,)
        Most likely length scale, in units of ``centres``, and noise over signal variance.
    """

    effects: FloatArray
    std_err: FloatArray
    length: FloatArray
    noise_ratio: FloatArray
    _mixtures: list[tuple[FloatArray, list[_Component]]]

    def draw(self, outputs: IntArray, rng: np.random.Generator) -> FloatArray:
        """Draw effects from the posterior, ``(n, d)``: row ``i`` those on output ``outputs[i]``."""
        noise = rng.standard_normal((len(outputs), len(self.effects)))
        luck = rng.random(len(outputs))
        drawn = np.empty_like(noise)
        for output in np.unique(outputs):
            shares, components = self._mixtures[output]
            own = np.flatnonzero(outputs == output)
            chosen = np.searchsorted(np.cumsum(shares)[:-1], luck[own], side="right")
            for i, component in enumerate(components):
                rows = own[chosen == i]
                drawn[rows] = component.draw(noise[rows])
        return drawn

    def robust_std_err(self, design: FloatArray, scores: FloatArray) -> FloatArray:
        """Return standard deviations that hold when noise is not the same in all rows.

        The posterior takes noise to be as strong everywhere as it is on average. Here its share
        of the variance is replaced by what the residuals of the rows themselves say.

        Parameters
        ----------
        design : ndarray of shape (n, d)
        scores : ndarray of shape (n, k)
            All rows the fit was made from.

        Returns
        -------
        ndarray of shape (d, k)

        References
        ----------
        MacKinnon and White (1985), Some heteroskedasticity-consistent covariance matrix
        estimators with improved finite sample properties, equation 12.
        """
        residuals = scores - design @ self.effects
        squares = design.T @ design
        std_err = np.empty_like(self.effects)
        for j, (shares, components) in enumerate(self._mixtures):
            gain = sum(share * c.gain for share, c in zip(shares, components, strict=True))
            noise = float(shares @ [component.noise for component in components])
            pulls = design @ gain
            leverage = np.minimum((pulls * design).sum(axis=1), _HIGHEST_LEVERAGE)
            seen = (pulls**2).T @ (residuals[:, j] / (1 - leverage)) ** 2
            assumed = noise * ((gain @ squares) * gain).sum(axis=1)
            rest = np.maximum(self.std_err[:, j] ** 2 - assumed, 0.0)
            std_err[:, j] = np.sqrt(rest + seen)
        return std_err


def fit_smooth(
    moments: Moments, centres: FloatArray, sizes: FloatArray, lengths: FloatArray
) -> SmoothFit:
    """Regress scores on the presence of places whose effects are alike when they are close.

    The effect of place ``i`` is ``sizes[i] * g(centres[i])`` with a Gaussian process ``g`` of
    squared-exponential covariance. Its variance is that of highest marginal likelihood; over
    length scales and noise the posterior is averaged, each weighted by its likelihood, which is
    steadier than the best one when rows are few.

    Parameters
    ----------
    moments : Moments
        Sums over coalitions and their scores.
    centres : ndarray of shape (d, q)
        Where the places are.
    sizes : ndarray of shape (d,)
        How large they are; only ratios matter.
    lengths : ndarray
        Length scales to average over, in units of ``centres``.

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
    n = moments.n
    sizes = sizes / sizes.mean()
    distances = ((centres[:, None] - centres) ** 2).sum(axis=-1)
    components: list[list[_Component]] = [[] for _ in range(cross.shape[1])]
    for length in lengths:
        pull = _prior_root(distances, length, gram * np.outer(sizes, sizes), n) * sizes[:, None]
        spectrum, vectors = eigh(pull.T @ gram @ pull)
        space = _Space(float(length), np.maximum(spectrum, 0.0), vectors, pull @ vectors)
        projected = space.basis.T @ cross
        for j, own in enumerate(components):
            own += _components(space, projected[:, j], float(energy[j]), n)
    return _mixed([_mixture(own) for own in components])


def _mixed(mixtures: list[tuple[FloatArray, list[_Component]]]) -> SmoothFit:
    """Return mean and spread of the mixtures, one for each output."""
    effects, std_err = [], []
    for shares, components in mixtures:
        means = np.stack([component.mean for component in components])
        mean = shares @ means
        variances = np.stack([(component.root**2).sum(axis=1) for component in components])
        effects.append(mean)
        std_err.append(np.sqrt(shares @ (variances + (means - mean) ** 2)))
    best = [components[int(np.argmax(shares))] for shares, components in mixtures]
    return SmoothFit(
        effects=np.stack(effects, axis=1),
        std_err=np.stack(std_err, axis=1),
        length=np.array([component.space.length for component in best]),
        noise_ratio=np.array([component.noise_ratio for component in best]),
        _mixtures=mixtures,
    )


def _mixture(components: list[_Component]) -> tuple[FloatArray, list[_Component]]:
    """Return the likely components and their shares."""
    evidence = np.array([component.evidence for component in components])
    shares = np.exp(evidence - evidence.max())
    likely = np.flatnonzero(shares >= _UNLIKELY)
    kept = shares[likely] / shares[likely].sum()
    return kept, [components[i] for i in likely]


def _prior_root(distances: FloatArray, length: float, gram: FloatArray, n: int) -> FloatArray:
    """Return a root of the prior covariance, scaled so that a row's effect has variance 1."""
    prior = np.exp(-distances / (2 * length**2)) + _NUGGET * np.eye(len(distances))
    variance = float((prior * gram).sum()) / max(n, 1)
    scaled = prior / max(variance, 1e-300)
    return np.asarray(np.linalg.cholesky(scaled), dtype=np.float64)


def _components(space: _Space, projected: FloatArray, energy: float, n: int) -> list[_Component]:
    """Return the posteriors of one output under one length scale, one for each noise ratio."""
    spectrum = space.spectrum
    seen = np.where(spectrum > 1e-12, projected**2 / np.maximum(spectrum, 1e-12), 0.0)
    ratios = _NOISE_RATIOS
    shrunk = spectrum[:, None] + ratios
    misfit = np.maximum(energy - seen.sum(), 0.0) / ratios + (seen[:, None] / shrunk).sum(axis=0)
    signal = np.maximum(misfit / max(n, 1), 1e-300)
    volume = np.log(shrunk).sum(axis=0) + (n - len(spectrum)) * np.log(ratios)
    evidence = -0.5 * (n * np.log(signal) + volume)
    return [
        _Component(
            space=space,
            evidence=float(evidence[i]),
            noise_ratio=float(ratios[i]),
            mean=space.basis @ (projected / shrunk[:, i]),
            scales=np.sqrt(signal[i] * ratios[i] / shrunk[:, i]),
            noise=float(signal[i] * ratios[i]),
        )
        for i in np.flatnonzero(evidence >= evidence.max() + np.log(_UNLIKELY))
    ]
