"""Interactions of three features that matter, told apart from all others.

A kernel with one scale for all features spreads what it cannot explain over all triples of
features. Where few features do most, their triples stand out: they get weights of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.protocols import FloatArray, IntArray
from blackbox_xai.solvers.kriging import OddMap

__all__ = ["N_LEADING", "N_TRIPLES", "TripleFit", "Triples", "see_triples", "triple_weights"]

N_LEADING = 8  # features whose triples are told apart
N_TRIPLES = comb(N_LEADING, 3)
_STRENGTHS = np.logspace(-2, 3, 21)  # prior variance of a triple, times what is known of it
_WORTH = 20.0  # gain of log-likelihood from which triples are taken


@dataclass(frozen=True, eq=False)
class Triples:
    """What the pairs of one fill say of ``t`` triples, in the kernel's units.

    Parameters
    ----------
    known : ndarray of shape (t, t)
        Precision of the triples' weights.
    seen : ndarray of shape (t, k)
        Their products with the scores.
    left : ndarray of shape (k,)
        Sum of squares that the kernel leaves.
    free : int
        Pairs less parameters.
    gain : ndarray of shape (n, t)
        Change of the values for each weight.
    pulled : ndarray of shape (p, t)
        Precision of the pairs times the triples' odd parts.
    """

    known: FloatArray
    seen: FloatArray
    left: FloatArray
    free: int
    gain: FloatArray
    pulled: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class TripleFit:
    """Weights of the triples of ``f`` fills.

    Parameters
    ----------
    weights : ndarray of shape (f, t, k)
    spent : ndarray of shape (f, k)
        How many pairs the weights take up.
    axes : ndarray of shape (f, t, t)
        Columns are directions in which the weights are uncertain independently.
    spread : ndarray of shape (f, t, k)
        Variance of the weights along these, in units of the noise.
    strength : ndarray of shape (k,)
        Prior variance of the weights, 0 for an output whose triples are not taken.
    """

    weights: FloatArray
    spent: FloatArray
    axes: FloatArray
    spread: FloatArray
    strength: FloatArray

    def of(self, fills: slice) -> TripleFit:
        """Return the weights of some fills."""
        return replace(
            self,
            weights=self.weights[fills],
            spent=self.spent[fills],
            axes=self.axes[fills],
            spread=self.spread[fills],
        )

    def lead(self, i: int, j: int, seen: Triples) -> FloatArray:
        """Return what makes weights ``(t, p)`` of odd parts, for output ``j`` of fill ``i``.

        ``gain @ lead`` changes the map of values, ``-pulled @ lead`` the precision of the pairs.

        Parameters
        ----------
        i, j : int
        seen : Triples
            Of fill ``i``.
        """
        axes = self.axes[i]
        return np.asarray((axes * self.spread[i][:, j]) @ (axes.T @ seen.pulled.T))


def see_triples(odd_map: OddMap, leading: IntArray, odd: FloatArray) -> Triples:
    """Return what a fill says of the triples of its leading features.

    Parameters
    ----------
    odd_map : OddMap
        With a precision.
    leading : ndarray of shape (l,)
        Their places in the design, ``n`` for one that does not vary.
    odd : ndarray of shape (p, k)
        Odd parts of the scores, less any linear game with the right total.
    """
    precision = odd_map.precision
    if precision is None:
        raise TypeError("where all pairs are there, nothing is left to triples")
    half = odd_map.design.half
    p, n = half.shape
    signs = np.where(half, np.float32(1), np.float32(-1))
    split = signs.mean(axis=1)
    signs = np.hstack([signs, np.zeros((p, 1), np.float32)])
    triples = np.array(list(combinations(leading.tolist(), 3)), dtype=np.intp)
    columns = signs[:, triples].prod(axis=2)
    there = (triples < n).all(axis=1)
    columns[:, there] -= split[:, None]
    members = np.zeros((n + 1, len(triples)))
    members[triples, np.arange(len(triples))[:, None]] = 2 / 3
    own = (members[:n] - 2 / n) * there
    pulled = precision @ columns
    size = np.maximum(np.abs(odd).max(axis=0), 1e-300)
    single = (odd / size).astype(np.float32)
    rest = single * (precision @ single)
    return Triples(
        known=(columns.T @ pulled).astype(np.float64),
        seen=pulled.T.astype(np.float64) @ odd,
        left=rest.sum(axis=0, dtype=np.float64) * size**2,
        free=p - n + 1,
        gain=own - odd_map.weights @ columns,
        pulled=pulled,
    )


def triple_weights(fills: Sequence[Triples]) -> TripleFit | None:
    """Return weights of the triples by their posterior; None where triples add nothing.

    All fills share the prior variance of the weights: that of highest marginal likelihood.

    References
    ----------
    Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, equation 5.8, with the
    variance of the scores integrated out.
    """
    roots, axes = np.linalg.eigh(np.stack([fill.known for fill in fills]))
    roots = np.maximum(roots, 0.0)
    seen = axes.transpose(0, 2, 1) @ np.stack([fill.seen for fill in fills])
    left = np.maximum(np.stack([fill.left for fill in fills]), 1e-300)
    free = np.array([fill.free for fill in fills])
    prior = _STRENGTHS / max(float(roots.mean()), 1e-300)
    after = prior[:, None, None] * roots
    taken = (prior[:, None, None, None] * seen**2 / (1 + after)[..., None]).sum(axis=2) / left
    fit = -free[:, None] * np.log1p(-np.clip(taken, 0.0, 1 - 1e-9))
    gain = (fit - np.log1p(after).sum(axis=2)[..., None]).sum(axis=1) / 2
    best = gain.argmax(axis=0)
    use = gain.max(axis=0) > _WORTH
    if not use.any():
        return None
    shrunk = prior[best] / (1 + prior[best] * roots[..., None]) * use
    spent = (shrunk * roots[..., None]).sum(axis=1)
    return TripleFit(axes @ (shrunk * seen), spent, axes, shrunk, prior[best] * use)
