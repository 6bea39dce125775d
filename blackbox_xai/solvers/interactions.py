"""Pairwise Shapley interactions from scores of coalitions."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

from blackbox_xai.coalitions.shapley import PairDesign
from blackbox_xai.protocols import BoolArray, FloatArray
from blackbox_xai.solvers.kriging import leave_one_out_map
from blackbox_xai.solvers.order_errors import OrderErrors, even_order_errors
from blackbox_xai.solvers.student import student_factor

__all__ = ["EvenMap", "even_map", "exact_interactions", "pairs_needed"]


_UNLIKE = 1.1  # of the variance: features of one game differ in how far they are off


@dataclass(frozen=True, eq=False)
class EvenMap:
    """How the even parts of a design's scores become interactions.

    Parameters
    ----------
    weights : ndarray of shape (n * (n - 1) / 2, p)
        Interactions in the order of ``np.triu_indices(n, 1)``.
    precision : ndarray of shape (p, p)
        ``precision @ even / diag(precision)`` are the leave-one-out residuals.
    open_weights : ndarray like ``weights``
        What they take from scores beside sums that are known.
    sums : ndarray of shape (n, p)
        Sums of interactions over each feature.
    errors, errors_of_sums : OrderErrors
        How far interactions are off, and their sums; None where these are exact.
    """

    weights: FloatArray
    precision: FloatArray
    open_weights: FloatArray
    sums: FloatArray
    errors: OrderErrors
    errors_of_sums: OrderErrors | None

    def solve(self, even: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return interactions and their variances ``(q, k)``, and those of their sums ``(n, k)``.

        Parameters
        ----------
        even : ndarray of shape (p, k)
            ``(v(S) + v(N - S)) / 2`` of each pair, less that of nothing and everything.
        """
        sharp = np.diag(self.precision)
        pulled = self.precision @ even
        free = max(len(even) - 1 - len(self.weights), 1)
        energy = np.maximum((even * pulled).sum(axis=0), 0.0) / free
        left_out = (pulled / sharp[:, None]) ** 2
        wider = _UNLIKE * student_factor(free + 1) ** 2
        own = wider * self.errors.factor(pulled, energy)
        values: FloatArray = self.weights @ even
        of_sums = np.zeros((len(self.sums), even.shape[1]))
        if self.errors_of_sums is not None:
            of_sums = self.errors_of_sums.factor(pulled, energy) * (self.sums**2 @ left_out)
        return values, own * (self.open_weights**2 @ left_out), wider * of_sums


def pairs_needed(n: int) -> int:
    """Return the pairs of coalitions below which interactions are not estimated."""
    return int(np.ceil(1.5 * (comb(n, 2) + 1)))


def exact_interactions(scores: FloatArray, *, faithful: bool = False) -> FloatArray:
    """Shapley interaction index ``(n, n, k)``, from the scores ``(2**n, k)`` of all coalitions.

    Row ``i`` of ``scores`` belongs to the coalition of the bits set in ``i``; the diagonal is 0.
    ``faithful`` gives the interactions of the best fit by sums over features and pairs.

    References
    ----------
    Grabisch & Roubens (1999), An Axiomatic Approach to the Concept of Interaction among Players
    in Cooperative Games, definition 2. Tsai, Yeh & Ravikumar (2023), Faith-Shap: The Faithful
    Shapley Interaction Index, theorem 19 (of order 2).

    Examples
    --------
    >>> game = np.array([0.0, 0, 0, 1])[:, None]  # both or nothing
    >>> exact_interactions(game)[:, :, 0]
    array([[0., 1.],
           [1., 0.]])
    """
    n, k = len(scores).bit_length() - 1, scores.shape[1]
    kept = (np.arange(len(scores))[:, None] >> np.arange(n) & 1).astype(bool)
    size = kept.sum(axis=1)
    found = np.zeros((n, n, k))
    if n < 2:
        return found
    weight = np.array([1 / ((n - 1) * comb(n - 2, s)) for s in range(n - 1)])
    if faithful:
        sizes = np.arange(n - 1)
        weight *= 6 * (sizes + 1) * (n - 1 - sizes) / (n * (n + 1))
    for i in range(n):
        for j in range(i + 1, n):
            without = np.flatnonzero(~kept[:, i] & ~kept[:, j])
            a, b = 1 << i, 1 << j
            change = scores[without + a + b] - scores[without + a] - scores[without + b]
            change = change + scores[without]
            found[i, j] = found[j, i] = weight[size[without]] @ change
    return found


def even_map(design: PairDesign, scale: float, noise: float, *, faithful: bool = False) -> EvenMap:
    """Return the kriging map from even parts of scores to Shapley interaction indices.

    The even part of a game is taken for a constant, all products of two features, and a draw of
    a Gaussian process with kernel ``cosh(scale * sum_j s_j s'_j)``; the first two have flat
    priors, so games without interactions of more than three come out exactly. The interactions of
    one feature sum to what it adds to all others less what it adds to none, which the design
    holds for each feature (they are the slope of what it adds, along sizes); they are moved as
    little as that takes. Those of ``faithful`` have no such sum.

    Parameters
    ----------
    design : PairDesign
        With all coalitions of one feature.
    scale : float
    noise : float
        Variance of what the kernel does not explain, in units of the kernel at one coalition.
    faithful : bool
        As for ``exact_interactions``.
    """
    signs = np.where(design.half, 1.0, -1.0)
    p, n = signs.shape
    rows, columns = np.triu_indices(n, 1)
    products = np.hstack([np.ones((p, 1)), signs[:, rows] * signs[:, columns]])
    shift = n * np.log(np.cosh(scale))
    exponent = scale * signs @ signs.T
    kernel = (np.exp(exponent - shift) + np.exp(-exponent - shift)) / 2
    top = np.cosh(scale * n) / np.exp(shift)
    coef, precision = leave_one_out_map(kernel / top + noise * np.eye(p), products)
    gain = _interactions_of_kernel(signs, scale, faithful=faithful)
    weights = 4 * coef[1:] + gain / top @ precision
    sums = np.zeros((n, p))
    np.add.at(sums, rows, weights)
    np.add.at(sums, columns, weights)
    known = np.zeros_like(weights)
    if not faithful:
        weights = weights - _spread_out(sums)
        sums = _known_sums(design.half)
        known = _spread_out(sums)
    own, of_sums = even_order_errors(
        design.half, weights, known, sums, precision, scale, noise, faithful=faithful
    )
    unknown = of_sums if faithful else None
    return EvenMap(weights + known, precision, weights, sums, own, unknown)


def _known_sums(half: BoolArray) -> FloatArray:
    """Return the weights ``(n, p)`` of what the interactions of each feature sum to."""
    alone = np.flatnonzero(half.sum(axis=1) == 1)
    known = np.zeros(half.shape[::-1])
    known[half[alone].argmax(axis=1), alone] = -2.0
    return known


def _spread_out(sums: FloatArray) -> FloatArray:
    """Return the least interactions ``(n * (n - 1) / 2, p)`` with these sums ``(n, p)``."""
    n = len(sums)
    each = (sums - sums.sum(axis=0) / (2 * n - 2)) / (n - 2)
    rows, columns = np.triu_indices(n, 1)
    return np.asarray(each[rows] + each[columns], dtype=np.float64)


def _interactions_of_kernel(signs: FloatArray, scale: float, *, faithful: bool) -> FloatArray:
    """Shapley interaction indices ``(pairs, p)`` of the games ``S -> kernel(S, coalition)``."""
    n = signs.shape[1]
    rows, columns = np.triu_indices(n, 1)
    nodes, weights = np.polynomial.legendre.leggauss(n // 2 + 2)
    if faithful:  # features join at even odds rather than at any
        weights = weights * 1.5 * (1 - nodes**2)
    tilt = np.tanh(scale)
    gain = np.zeros((len(rows), len(signs)))
    for node, weight in zip(nodes, weights, strict=True):
        factor = 1 + node * tilt * signs
        each = signs / factor
        product = np.exp(np.log(factor).sum(axis=1))
        gain += 2 * weight * tilt**2 * (product[:, None] * each[:, rows] * each[:, columns]).T
    return gain
