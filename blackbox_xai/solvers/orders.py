"""What a linear map of scores makes of interactions of each order, on average over features.

Every background row has the features in an order of its own, so what a map gets wrong of one set
of features it gets right of others, but for what it gets wrong of all sets of a size. That part
is the same for all rows and does not average out.
"""

from __future__ import annotations

from math import comb

import numpy as np

from blackbox_xai.protocols import BoolArray, FloatArray

__all__ = ["levelled", "order_response", "sums_of_products"]

_ORDERS = (3, 5)  # what even orders add, pairs of complements do not see
_CAUTION = 0.1  # the least information, in units of the kernel, for which a correction is worth it


def levelled(weights: FloatArray, precision: FloatArray, half: BoolArray) -> FloatArray:
    """Return the map ``(n, p)`` changed as little as it takes to get each order right on average.

    Parameters
    ----------
    weights : ndarray of shape (n, p)
        Values beyond an equal split from the odd parts of pairs; linear games come out exactly.
    precision : ndarray of shape (p, p)
        Inverse covariance of the odd parts with linear games projected out.
    half : ndarray of shape (p, n)
        One coalition of each pair.

    Notes
    -----
    Of all changes that leave linear games as they are, these add the least variance: Lagrange
    multipliers of one condition for each order, softened where there are too few pairs for it.
    """
    orders = [order for order in _ORDERS if order < half.shape[1]]
    if not orders:
        return weights
    asked = np.stack([order_response(half, order) for order in orders])
    changes = (asked - asked.mean(axis=1, keepdims=True)) @ precision
    known = np.tensordot(changes, asked, ((1, 2), (1, 2)))
    missing = 1 - np.tensordot(asked, weights, 2)
    share = np.linalg.solve(known + _CAUTION * np.eye(len(orders)), missing)
    return np.asarray(weights + np.tensordot(share, changes, 1))


def order_response(half: BoolArray, order: int) -> FloatArray:
    """Return what to weigh a map ``(n, p)`` with: the weighted sum is 1 where the order is right.

    It is the mean, over all sets of ``order`` features, of what the map gives their members for
    the game of that set alone, in units of their Shapley values; both beyond an equal split.

    Parameters
    ----------
    half : ndarray of shape (p, n)
    order : int
        Odd, less than ``n``.

    Examples
    --------
    >>> half = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1],
    ...                  [1, 1, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]], dtype=bool)
    >>> from blackbox_xai.coalitions.shapley import PairDesign
    >>> from blackbox_xai.solvers.shapley import paired_map
    >>> weights = np.array([2.0] * 4 + [1.0] * 3)  # all pairs, by the Shapley kernel
    >>> exact, _ = paired_map(PairDesign(half, weights, np.ones(7)))
    >>> float((exact * order_response(half, 3)).sum().round(9))
    1.0
    """
    n = half.shape[1]
    signs = np.where(half, 1.0, -1.0)
    total = signs.sum(axis=1, keepdims=True)
    others = sums_of_products(total - signs, n - 1, order - 1)
    equal = comb(n - 1, order - 1) * total / n
    sets = comb(n, order) * order
    return np.asarray((signs * others - equal).T / (sets * (2 / order - 2 / n)))


def sums_of_products(total: FloatArray, n: int, order: int) -> FloatArray:
    """Return sums over all sets of ``order`` of ``n`` signs of their products, by Newton.

    The signs enter by their sum alone: sums of their powers are that or ``n``.
    """
    found = [np.ones_like(total)]
    for k in range(1, order + 1):
        powers = [total if i % 2 else np.full_like(total, n) for i in range(1, k + 1)]
        terms = [(-1) ** i * found[k - 1 - i] * power for i, power in enumerate(powers)]
        found.append(sum(terms, np.zeros_like(total)) / k)
    return found[order]
