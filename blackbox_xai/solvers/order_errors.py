"""How far a map's values are off for games of one order each, and of which orders games are.

Every fill has its features in an order of its own, so what a map gets wrong is alike for all sets
of features of a size: what counts of a game is how much of its variance lies in interactions of
three features, of five, and so on. The residuals of the pairs tell that.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from blackbox_xai.protocols import BoolArray, FloatArray, IntArray
from blackbox_xai.solvers.orders import sums_of_products

__all__ = ["OrderErrors", "order_errors"]

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
        games = energy > 0
        some = (pulled[:, games][self.pairs] / np.sqrt(energy[games])).astype(np.float32)
        forms = [float((some * (form @ some)).sum()) for form in self.forms]
        unit = np.maximum(self.prior, _FEWEST)
        known = self.known * games.sum() * np.outer(unit, unit) + np.eye(len(unit)) / _OPEN**2
        told = self.lead @ forms * unit + self.prior / unit / _OPEN**2
        root = np.linalg.cholesky(known)
        return np.asarray(nnls(root.T, np.linalg.solve(root, told))[0] * unit)


def order_errors(
    half: BoolArray, weights: FloatArray, precision: FloatArray, scale: float, noise: float
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
    scale, noise : float
        Of the kernel, as in ``odd_map``.

    References
    ----------
    Rao (1971), Estimation of Variance and Covariance Components: MINQUE Theory, section 3.
    Searle, Casella & McCulloch (1992), Variance Components, section 11.3.
    """
    p, n = half.shape
    signs = np.where(half, 1.0, -1.0)
    pairs = np.linspace(0, p - 1, min(p, _MOST_PAIRS)).astype(np.intp)
    pull = precision[pairs].astype(np.float32)
    sharp = np.diag(precision)
    share = (weights**2).mean(axis=0) / np.maximum(sharp, 1e-300) ** 2
    share = share[pairs] * (share @ sharp / max(float(share[pairs] @ sharp[pairs]), 1e-300))
    forms, spreads, errors = [], [], []
    orders = [order for order in _ORDERS if order < n]
    for order in orders:
        odd, values = _games(signs, order)
        forms.append(_covariance(signs[pairs], order))
        pulled = pull @ odd
        spreads.append(pulled @ pulled.T / odd.shape[1])
        errors.append(float(((weights.astype(np.float32) @ odd - values) ** 2).mean()))
    forms.append(np.eye(len(pairs), dtype=np.float32))
    spreads.append(pull @ pull.T)
    errors.append(_of_noise(half, weights))
    expected = np.array([[float((a * b).sum()) for b in spreads] for a in forms])
    lead = _lead(forms, precision[np.ix_(pairs, pairs)], expected)
    tilt = np.tanh(scale)
    parts = [comb(n, order) * tilt**order for order in range(1, n + 1, 2)]
    return OrderErrors(
        pairs=pairs,
        forms=np.stack(forms),
        known=lead @ expected,
        lead=lead,
        errors=np.array(errors),
        seen=np.array([share @ np.diag(spread) for spread in spreads], dtype=np.float64),
        prior=np.array([*(parts[order // 2] / sum(parts) for order in orders), noise]),
    )


def _lead(
    forms: list[NDArray[np.float32]], precision: FloatArray, expected: FloatArray
) -> FloatArray:
    """Return what takes forms to the score equations of the variances, for games of the kernel."""
    inner = [form @ precision.astype(np.float32) for form in forms]
    drawn = np.array([[2 * float((a * b.T).sum()) for b in inner] for a in inner])
    size = np.sqrt(np.maximum(np.diag(drawn), 1e-300))
    drawn = drawn / np.outer(size, size) + _ROUNDING * np.eye(len(size))
    return np.asarray(np.linalg.solve(drawn, expected / size[:, None]).T / size)


def _covariance(signs: FloatArray, order: int) -> NDArray[np.float32]:
    """Return the covariance of the odd parts of pairs ``(s, n)``, less an equal split.

    The game is a sum over all sets of ``order`` features of the products of their signs, with
    independent coefficients.
    """
    n = signs.shape[1]
    table = sums_of_products(np.arange(-n, n + 1.0), n, order) / comb(n, order)
    total = signs.sum(axis=1)
    to_all = table[np.rint(total).astype(np.intp) + n]
    split = np.outer(to_all, total)
    between = table[np.rint(signs @ signs.T).astype(np.intp) + n] - (split + split.T) / n
    return np.asarray(between + np.outer(total, total) / n**2, dtype=np.float32)


def _games(signs: FloatArray, order: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return odd parts ``(p, m)`` and values ``(n, m)`` of products of ``order`` features' signs.

    Of all sets of features or, where they are many, of some at random; less an equal split.
    """
    n = signs.shape[1]
    if comb(n, order) <= _MOST_SETS:
        sets = np.array(list(combinations(range(n), order)), dtype=np.intp)
    else:
        rank = np.random.default_rng(0).random((_MOST_SETS, n))
        sets = np.argpartition(rank, order, axis=1)[:, :order]
    by_feature = signs.T.astype(np.float32)
    odd: NDArray[np.float32] = by_feature[sets[:, 0]]
    for column in sets.T[1:]:
        odd *= by_feature[column]
    odd -= by_feature.mean(axis=0)
    values = np.full((n, len(sets)), -2 / n, dtype=np.float32)
    values[sets, np.arange(len(sets))[:, None]] += np.float32(2 / order)
    return odd.T, values


def _of_noise(half: BoolArray, weights: FloatArray) -> float:
    """Return the variance of the values where each pair of all has noise of its own."""
    n = half.shape[1]
    size = np.where(half, half.sum(axis=1)[:, None], (~half).sum(axis=1)[:, None])
    chain = np.array([2 / (n * comb(n - 1, s)) for s in range(n - 1)])
    exact = (np.where(half, 1.0, -1.0) * chain[size - 1]).T
    asked = ((weights - exact) ** 2 - exact**2).sum(axis=1).mean()
    return max(float(asked + 2 / n * chain.sum()), 0.0)
