"""Shapley values of the most plausible game through the scored coalitions.

The odd part of a game is taken for a linear game plus a draw of a Gaussian process with kernel
``sinh(sum_j theta_j s_j s'_j)``, where ``s_j`` is +1 for a kept feature and -1 for a hidden one:
every odd order of interaction, the less weight the higher. The linear part has a flat prior, so
linear games come out exactly. Given ``theta`` the values are linear in the scores, by a map that
depends on the coalitions alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.coalitions.shapley import PairDesign, n_all_pairs
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray
from blackbox_xai.solvers.order_errors import OrderErrors, odd_prior, order_errors
from blackbox_xai.solvers.orders import levelled
from blackbox_xai.solvers.shapley import paired_map

__all__ = ["ChainMap", "OddMap", "exact_map", "leave_one_out_map", "odd_map"]

_MAX_NODES = 24


@dataclass(frozen=True, eq=False)
class OddMap:
    """How a design's scores become Shapley values.

    Parameters
    ----------
    design : PairDesign
        ``p`` pairs of complementary coalitions of ``n`` features.
    weights : ndarray of shape (n, p)
        Values beyond a first guess, from the odd parts less those of the first guess.
    precision : ndarray of shape (p, p) or None
        ``precision @ y / diag(precision)`` are the leave-one-out residuals; None when the values
        are exact.
    errors : OrderErrors or None
        How far values are off where every game has its features in an order of its own; None
        when the map is not for that.
    """

    design: PairDesign
    weights: FloatArray
    precision: NDArray[np.float32] | None
    errors: OrderErrors | None = None

    @property
    def n_pairs(self) -> int:
        """Number ``p`` of pairs."""
        return len(self.design.half)

    @property
    def n_features(self) -> int:
        """Number ``n`` of features."""
        return int(self.design.half.shape[1])

    @property
    def sizes(self) -> IntArray:
        """Number of features kept by the first coalition of each pair."""
        sizes: IntArray = self.design.half.sum(axis=1, dtype=np.intp)
        return sizes

    @property
    def nbytes(self) -> int:
        """Memory held."""
        parts = [self.design.half, self.weights, self.precision, self.errors]
        return sum(part.nbytes for part in parts if part is not None)

    def kept(self, place: IntArray, start: int, stop: int) -> BoolArray:
        """Return the first coalitions of some pairs, for features in given places.

        Parameters
        ----------
        place : ndarray of shape (f, d)
            Where each feature stands in the design; ``n`` for one that is always kept.
        start, stop : int
            Which pairs.

        Returns
        -------
        ndarray of shape (stop - start, f, d)
        """
        half = self.design.half[start:stop]
        always = np.hstack([half, np.ones((len(half), 1), dtype=bool)])
        rows = np.empty((len(half), *place.shape), dtype=bool)
        np.take(always, place.ravel(), axis=1, out=rows.reshape(len(half), place.size), mode="clip")
        return rows

    def apply(self, odd: FloatArray) -> FloatArray:
        """Return values ``(n, m)`` beyond the first guess, from odd parts ``(p, m)``."""
        return self.weights @ odd


@dataclass(frozen=True)
class ChainMap:
    """One antithetic chain of ``n`` features: what each adds where it enters, forth and back.

    The chain keeps the features of places ``0 .. i`` in its pair ``i``; nothing is stored.
    """

    n_features: int
    precision: None = None
    nbytes: int = 0

    @property
    def n_pairs(self) -> int:
        """Number of pairs."""
        return self.n_features - 1

    @property
    def sizes(self) -> IntArray:
        """Number of features kept by the first coalition of each pair."""
        return np.arange(1, self.n_features)

    def kept(self, place: IntArray, start: int, stop: int) -> BoolArray:
        """Return the first coalitions of some pairs; see ``OddMap.kept``."""
        rows: BoolArray = place <= np.arange(start, stop)[:, None, None]
        rows |= place == self.n_features
        return rows

    def apply(self, odd: FloatArray) -> FloatArray:
        """Return values ``(n, m)`` beyond the first guess, from odd parts ``(p, m)``."""
        return np.diff(odd, axis=0, prepend=0.0, append=0.0)


def exact_map(design: PairDesign) -> OddMap:
    """Return the map of a design that holds all pairs: plain weighted least squares."""
    return OddMap(design, paired_map(design)[0], None)


def odd_map(design: PairDesign, theta: FloatArray, noise: float, *, level: bool = False) -> OddMap:
    """Return the kriging map of a design.

    Parameters
    ----------
    design : PairDesign
    theta : ndarray of shape (n,)
        Scale of each feature in the kernel.
    noise : float
        Variance of what the kernel does not explain, in units of the kernel at one coalition.
    level : bool
        Get interactions of an order right on average over sets of features, for maps of which
        many games are averaged, each with its features in an order of its own.

    Notes
    -----
    What the process leaves over is given to the features by weighted least squares, in the share
    that the design has of all pairs: with all of them the map is exact.

    References
    ----------
    Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, section 2.7 (explicit
    basis functions) and equation 5.12 (leave-one-out).
    """
    signs = np.where(design.half, 1.0, -1.0)
    n_pairs, n = signs.shape
    kernel, reach = _sinh_kernel(signs, theta)
    gain = _shapley_of_kernel(signs, theta)
    everything = np.ones((1, n))
    end = _sinh_kernel(everything, theta)[1][0]
    kernel -= np.outer(reach, reach) / end  # the nonlinear part is 0 with everything kept
    gain -= np.outer(reach, _shapley_of_kernel(everything, theta)[0]) / end
    axes = _contrasts(n)
    covariance = kernel / end + noise * np.eye(n_pairs)
    coef, precision = leave_one_out_map(covariance, signs @ axes / 2)
    left_over = noise * n_pairs / n_all_pairs(n) * paired_map(design)[0]
    weights = axes @ coef + (gain.T / end + left_over) @ precision
    errors = None
    if level:
        weights = levelled(weights, precision, design.half)
        if n_pairs >= n:  # with fewer no pair is free to tell
            prior = odd_prior(n, float(theta.mean()), noise)
            errors = order_errors(design.half, weights, precision, prior)
    return OddMap(design, weights, precision.astype(np.float32), errors)


def leave_one_out_map(covariance: FloatArray, basis: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the generalised least-squares map onto a basis, and the precision of what is left.

    Parameters
    ----------
    covariance : ndarray of shape (p, p)
    basis : ndarray of shape (p, q)

    Returns
    -------
    coef : ndarray of shape (q, p)
    precision : ndarray of shape (p, p)
        Inverse covariance with the basis projected out.
    """
    inverse: FloatArray = np.linalg.inv(covariance).astype(np.float64, copy=False)
    seen = basis.T @ inverse
    coef: FloatArray = np.linalg.solve(seen @ basis, seen).astype(np.float64, copy=False)
    return coef, inverse - seen.T @ coef


def _contrasts(n: int) -> FloatArray:
    """Orthonormal basis ``(n, n - 1)`` of what sums to zero (Helmert)."""
    axes: FloatArray = np.tri(n - 1, n)
    axes[np.arange(n - 1), np.arange(1, n)] = -np.arange(1, n)
    axes /= np.sqrt((axes**2).sum(axis=1, keepdims=True))
    return axes.T


def _sinh_kernel(signs: FloatArray, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the kernel ``(p, p)`` between coalitions, and ``(p,)`` with everything kept.

    Divided by ``prod cosh(theta)``, which keeps it within floating point.
    """
    shift = np.log(np.cosh(theta)).sum()
    exponent = (signs * theta) @ signs.T
    kernel = (np.exp(exponent - shift) - np.exp(-exponent - shift)) / 2
    exponent = signs @ theta
    return kernel, (np.exp(exponent - shift) - np.exp(-exponent - shift)) / 2


def _shapley_of_kernel(signs: FloatArray, theta: FloatArray) -> FloatArray:
    """Shapley values ``(p, n)`` of the games ``S -> kernel(S, pair)``.

    Each is a sum of products over the features, whose Shapley values are integrals of a
    polynomial, which Gauss-Legendre gives exactly.
    """
    n = signs.shape[1]
    nodes, weights = np.polynomial.legendre.leggauss(min(2 * (n // 4 + 1), _MAX_NODES))
    tilt = np.tanh(theta)
    gain = np.zeros_like(signs)
    for node, weight in zip(nodes, weights, strict=True):
        factor = 1 + node * tilt * signs
        gain += weight / 2 * np.exp(np.log(factor).sum(axis=1))[:, None] / factor
    return 2 * signs * tilt * gain
