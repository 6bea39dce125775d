"""How far a map's values are off for games of one order each, and of which orders games are.

Every fill has its features in an order of its own, so what a map gets wrong is alike for all sets
of features of a size: what counts of a game is how much of its variance lies in interactions of
three features, of five, and so on. The residuals of the pairs tell that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from blackbox_xai.protocols import BoolArray, FloatArray, IntArray
from blackbox_xai.solvers.orders import sums_of_products

__all__ = ["OrderErrors", "even_order_errors", "odd_prior", "order_errors"]

_EVEN_ORDERS = (4, 6)
_ORDERS = (3, 5, 7)  # the rest is taken for noise, of each pair by itself
_MOST_PAIRS = 256  # whose residuals are looked at
_MOST_SETS = 400  # of features, that stand for all of a size
_OPEN = 3.0  # how many times its size a component may well be
_FEWEST = 3e-3  # of the variance: a component is not taken for smaller beforehand
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class OrderErrors:
    """What games of ``q`` kinds, each of unit variance at a pair, do to one map.

    Kinds are interactions of three, five and seven features, and noise.

    Parameters
    ----------
    pairs : ndarray of shape (s,)
        Pairs whose residuals are looked at.
    forms : ndarray of shape (q, s, s)
        Covariances of the odd parts of these pairs under each kind.
    known : ndarray of shape (q, q)
        What one game tells of the variances of the kinds: their precision, for a game of the
        kernel.
    lead : ndarray of shape (q, q)
        Takes the forms of the residuals, in units of the kernel, to ``known`` times variances.
    errors : ndarray of shape (q,)
        Variance of the values, mean over the features.
    seen : ndarray of shape (q,)
        The same by squared leave-one-out residuals.
    prior : ndarray of shape (q,)
        Variances in the kernel.
    """

    pairs: IntArray
    forms: NDArray[np.float32]
    known: FloatArray
    lead: FloatArray
    errors: FloatArray
    seen: FloatArray
    prior: FloatArray

    @property
    def nbytes(self) -> int:
        """Memory held."""
        return self.forms.nbytes

    def factor(self, pulled: FloatArray, energy: FloatArray) -> float:
        """Return the variance of values over what leave-one-out residuals say.

        Parameters
        ----------
        pulled : ndarray of shape (p, m)
            Precision times odd parts, of ``m`` games.
        energy : ndarray of shape (m,)
            Their products with the odd parts, divided by how many pairs are free.
        """
        variances = self.composition(pulled, energy)
        return float(variances @ self.errors / max(float(variances @ self.seen), 1e-300))

    def composition(self, pulled: FloatArray, energy: FloatArray) -> FloatArray:
        """Return the variance ``(q,)`` of each kind, in units of the kernel; see ``factor``."""
        top = float(energy.max(initial=0.0))
        if not 0 < top < np.inf:
            return self.prior.copy()
        # Games count by their size, as they do in the error: large ones may be of other orders.
        share = np.maximum(energy, 0.0) / top
        square = float((share**2).sum())
        number = share.sum() ** 2 / square
        some = (pulled[self.pairs] / np.sqrt(top * square / share.sum())).astype(np.float32)
        forms = [float((some * (form @ some)).sum()) for form in self.forms]
        unit = np.maximum(self.prior, _FEWEST)
        known = self.known * number * np.outer(unit, unit) + np.eye(len(unit)) / _OPEN**2
        told = self.lead @ forms * unit + self.prior / unit / _OPEN**2
        root = np.linalg.cholesky(known)
        return np.asarray(nnls(root.T, np.linalg.solve(root, told))[0] * unit)


def order_errors(
    half: BoolArray, weights: FloatArray, precision: FloatArray, prior: Sequence[float]
) -> OrderErrors:
    """Return what a map makes of games of one order each.

    Parameters
    ----------
    half : ndarray of shape (p, n)
        One coalition of each pair.
    weights : ndarray of shape (n, p)
        Values beyond an equal split from the odd parts less those of an equal split.
    precision : ndarray of shape (p, p)
        Inverse covariance of the odd parts with linear games projected out.
    prior : sequence of float
        Variances of the kinds in the kernel, as by ``odd_prior``.

    References
    ----------
    Rao (1971), Estimation of Variance and Covariance Components: MINQUE Theory, section 3.
    Searle, Casella & McCulloch (1992), Variance Components, section 11.3.
    """
    n = half.shape[1]
    signs = np.where(half, 1.0, -1.0)
    orders = [order for order in _ORDERS if order < n]
    pairs = _some(half)
    games = []
    for order in orders:
        sets = _sets(n, order)
        odd = _products_of(signs, sets) - signs.mean(axis=1, dtype=np.float32)[:, None]
        values = np.full((n, len(sets)), -2 / n, dtype=np.float32)
        values[sets, np.arange(len(sets))[:, None]] += np.float32(2 / order)
        games.append((odd, values))
    forms = [_covariance(signs[pairs], order) for order in orders]
    noises = _of_noise(half, weights)
    return _assembled(pairs, forms, games, weights, precision, noises, prior)


def odd_prior(n: int, scale: float, noise: float) -> list[float]:
    """Return the variances of the kinds for ``n`` features, of a kernel as in ``odd_map``."""
    parts = [comb(n, order) * np.tanh(scale) ** order for order in range(1, n + 1, 2)]
    return [*(parts[order // 2] / sum(parts) for order in _ORDERS if order < n), noise]


def even_order_errors(
    half: BoolArray,
    weights: FloatArray,
    known: FloatArray,
    sums: FloatArray,
    precision: FloatArray,
    scale: float,
    noise: float,
    *,
    faithful: bool,
) -> tuple[OrderErrors, OrderErrors]:
    """Return what a map of even parts makes of games of four and six: of interactions, and sums.

    Parameters
    ----------
    half : ndarray of shape (p, n)
    weights : ndarray of shape (n * (n - 1) / 2, p)
        Interactions in the order of ``np.triu_indices(n, 1)``, less what is known of them.
    known : ndarray like ``weights``
        What is known of them.
    sums : ndarray of shape (n, p)
        Their sums over each feature.
    precision : ndarray of shape (p, p)
        Inverse covariance of the even parts with games of pairs projected out.
    scale, noise : float
        Of the kernel, as in ``even_map``.
    faithful : bool
        As for ``even_map``.
    """
    n = half.shape[1]
    signs = np.where(half, 1.0, -1.0)
    orders = [order for order in _EVEN_ORDERS if order <= n]
    parts = [comb(n, order) * np.tanh(scale) ** order for order in range(0, n + 1, 2)]
    shares = [parts[order // 2] / sum(parts) for order in orders]
    rows, columns = np.triu_indices(n, 1)
    some = _some(half)
    games, of_sums = [], []
    for order in orders:
        sets = _sets(n, order)
        there = np.zeros((n, len(sets)), dtype=np.float32)
        there[sets, np.arange(len(sets))[:, None]] = 1
        each = np.float32(4 / (order - 1) * (3 / (order + 1) if faithful else 1.0))
        even = _products_of(signs, sets) - np.float32(1)  # less that of nothing and everything
        part = known.astype(np.float32) @ even
        games.append((even, each * there[rows] * there[columns] - part))
        of_sums.append((even, each * (order - 1) * there))
    forms = [_covariance(signs[some], order, split=False) for order in orders]
    prior = [*shares, noise]
    both = ((weights, games), (sums, of_sums))
    own, of_features = [
        _assembled(
            some, forms, of_order, part, precision, float((part**2).sum(axis=1).mean()), prior
        )
        for part, of_order in both
    ]
    return own, of_features


def _assembled(
    pairs: IntArray,
    forms: Sequence[NDArray[np.float32]],
    games: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]],
    weights: FloatArray,
    precision: FloatArray,
    of_noise: float,
    prior: Sequence[float],
) -> OrderErrors:
    """Return what a map ``(q, p)`` makes of games, given as parts ``(p, m)`` and values."""
    pull = precision[pairs].astype(np.float32)
    sharp = np.diag(precision)
    free = np.where(sharp > _ROUNDING * sharp.max(), sharp, np.inf)
    share = (weights**2).mean(axis=0) / free**2
    share = share[pairs] * (share @ sharp / max(float(share[pairs] @ sharp[pairs]), 1e-300))
    single = weights.astype(np.float32)
    errors = [float(((single @ parts - values) ** 2).mean()) for parts, values in games]
    pulled = [pull @ parts / np.float32(np.sqrt(parts.shape[1])) for parts, _ in games]
    spreads = [part @ part.T for part in [*pulled, pull]]
    all_forms = np.stack([*forms, np.eye(len(pairs), dtype=np.float32)])
    expected = np.array([[float((a * b).sum()) for b in spreads] for a in all_forms])
    lead = _lead(all_forms, precision[np.ix_(pairs, pairs)], expected)
    return OrderErrors(
        pairs=pairs,
        forms=all_forms,
        known=lead @ expected,
        lead=lead,
        errors=np.array([*errors, of_noise]),
        seen=np.array([share @ np.diag(spread) for spread in spreads], dtype=np.float64),
        prior=np.array(prior),
    )


def _some(half: BoolArray) -> IntArray:
    """Return positions spread over the pairs, which stand by size."""
    return np.linspace(0, len(half) - 1, min(len(half), _MOST_PAIRS)).astype(np.intp)


def _lead(forms: NDArray[np.float32], precision: FloatArray, expected: FloatArray) -> FloatArray:
    """Return what takes forms to the score equations of the variances, for games of the kernel."""
    inner = [form @ precision.astype(np.float32) for form in forms]
    drawn = np.array([[2 * float((a * b.T).sum()) for b in inner] for a in inner])
    size = np.sqrt(np.maximum(np.diag(drawn), 1e-300))
    drawn = drawn / np.outer(size, size) + _ROUNDING * np.eye(len(size))
    return np.asarray(np.linalg.solve(drawn, expected / size[:, None]).T / size)


def _covariance(signs: FloatArray, order: int, *, split: bool = True) -> NDArray[np.float32]:
    """Return the covariance of the parts of pairs ``(s, n)``, less an equal split if wished.

    The game is a sum over all sets of ``order`` features of the products of their signs, with
    independent coefficients.
    """
    n = signs.shape[1]
    table = sums_of_products(np.arange(-n, n + 1.0), n, order) / comb(n, order)
    covariance = table[np.rint(signs @ signs.T).astype(np.intp) + n]
    if split:
        total = signs.sum(axis=1)
        both = np.outer(table[np.rint(total).astype(np.intp) + n], total)
        covariance += np.outer(total, total) / n**2 - (both + both.T) / n
    return np.asarray(covariance, dtype=np.float32)


def _sets(n: int, order: int) -> IntArray:
    """Return all sets of ``order`` features or, where they are many, some at random."""
    if comb(n, order) <= _MOST_SETS:
        return np.array(list(combinations(range(n), order)), dtype=np.intp)
    rank = np.random.default_rng(0).random((_MOST_SETS, n))
    return np.asarray(np.argpartition(rank, order - 1, axis=1)[:, :order], dtype=np.intp)


def _products_of(signs: FloatArray, sets: IntArray) -> NDArray[np.float32]:
    """Return the products ``(p, m)`` of the signs of the members of each set."""
    by_feature = signs.T.astype(np.float32)
    products: NDArray[np.float32] = by_feature[sets[:, 0]]
    for column in sets.T[1:]:
        products *= by_feature[column]
    return products.T


def _of_noise(half: BoolArray, weights: FloatArray) -> float:
    """Return the variance of the values where each pair of all has noise of its own."""
    n = half.shape[1]
    size = np.where(half, half.sum(axis=1)[:, None], (~half).sum(axis=1)[:, None])
    chain = np.array([2 / (n * comb(n - 1, s)) for s in range(n - 1)])
    exact = (np.where(half, 1.0, -1.0) * chain[size - 1]).T
    asked = ((weights - exact) ** 2 - exact**2).sum(axis=1).mean()
    return max(float(asked + 2 / n * chain.sum()), 0.0)
