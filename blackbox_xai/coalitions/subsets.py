"""Random subsets of given sizes, balanced over features, and the laws their sizes follow."""

from __future__ import annotations

import numpy as np
from scipy.special import gammaln

from blackbox_xai.protocols import BoolArray, FloatArray, IntArray

__all__ = [
    "balanced_subsets",
    "binomial_sizes",
    "cosine_kernel",
    "size_weights",
    "stratified_draws",
    "uniform_sizes",
]


def binomial_sizes(d: int, p: float = 0.5) -> FloatArray:
    """Probability of each size ``0 .. d`` when every feature is kept with probability ``p``.

    Examples
    --------
    >>> binomial_sizes(2).round(2)
    array([0.25, 0.5 , 0.25])
    """
    sizes = np.arange(d + 1)
    ways = gammaln(d + 1) - gammaln(sizes + 1) - gammaln(d - sizes + 1)
    law = np.exp(ways + sizes * np.log(p) + (d - sizes) * np.log1p(-p))
    return np.asarray(law / law.sum(), dtype=np.float64)


def uniform_sizes(d: int) -> FloatArray:
    """Probability of each size ``0 .. d`` when the number hidden is uniform on ``1 .. d``.

    Examples
    --------
    >>> uniform_sizes(2)
    array([0.5, 0.5, 0. ])
    """
    law = np.full(d + 1, 1 / max(d, 1))
    law[d] = 0.0 if d else 1.0
    return law


def cosine_kernel(d: int, width: float) -> FloatArray:
    """Weight of each size ``0 .. d`` under LIME's kernel on the cosine distance.

    A coalition of ``s`` of ``d`` features lies ``1 - sqrt(s / d)`` away from the full one; the
    weight is ``exp(-distance**2 / (2 * width**2))``.

    References
    ----------
    Ribeiro, Singh, Guestrin (2016), "Why should I trust you?", section 3.4.

    Examples
    --------
    >>> cosine_kernel(4, width=0.25).round(3)
    array([0.   , 0.135, 0.503, 0.866, 1.   ])
    """
    distance = 1 - np.sqrt(np.arange(d + 1) / max(d, 1))
    return np.asarray(np.exp(-(distance**2) / (2 * width**2)), dtype=np.float64)


def size_weights(law: FloatArray, d: int) -> FloatArray:
    """Probability of each of all ``2**d`` coalitions whose size follows ``law``.

    In the order of ``all_subsets(d)``; subsets of one size are equally likely.
    """
    sizes = np.arange(d + 1)
    ways = np.rint(np.exp(gammaln(d + 1) - gammaln(sizes + 1) - gammaln(d - sizes + 1)))
    size = (np.arange(2**d)[:, None] >> np.arange(d) & 1).sum(axis=1)
    return np.asarray((law / ways)[size], dtype=np.float64)


def stratified_draws(law: FloatArray, n: int, rng: np.random.Generator) -> IntArray:
    """Draw ``n`` indices, each as often as ``law`` says up to one, in random order.

    Parameters
    ----------
    law : ndarray of shape (s,)
        Probabilities, summing to 1.
    n : int
        Number of draws.
    rng : Generator

    Returns
    -------
    ndarray of shape (n,)
        Every entry has the distribution ``law``; the counts differ from ``n * law`` by less
        than one.
    """
    points = (np.arange(n) + rng.random()) / max(n, 1)
    draws = np.searchsorted(np.cumsum(law), points, side="right")
    draws = np.minimum(draws, np.flatnonzero(law)[-1])
    return np.asarray(rng.permutation(draws), dtype=np.intp)


def balanced_subsets(
    sizes: IntArray, d: int, rng: np.random.Generator
) -> tuple[BoolArray, IntArray]:
    """Uniformly random subsets of the given sizes, cut from shared permutations.

    Subsets are laid one after another round a random permutation of the features; when the
    circle is full a new permutation starts. So subsets of ``d / 2`` features come as
    complementary pairs, and every feature is kept about equally often, which removes most of the
    chance correlation between features.

    Parameters
    ----------
    sizes : ndarray of shape (m,)
        Number of features to keep in each coalition.
    d : int
        Number of features.
    rng : Generator

    Returns
    -------
    kept : ndarray of shape (m, d)
        Each row is uniform over the subsets of its size.
    groups : ndarray of shape (m,)
        Which permutation a row was cut from: rows of one group depend on each other.
    """
    ends = np.cumsum(sizes)
    starts = ends - sizes
    groups = starts // max(d, 1)
    n_orders = int(groups[-1]) + 1 if len(sizes) else 0
    ranks = np.argsort(rng.random((n_orders, d)), axis=1).astype(np.int32)[groups]
    first = (starts % max(d, 1)).astype(np.int32)[:, None]
    last = first + sizes.astype(np.int32)[:, None]
    kept = ((ranks >= first) & (ranks < last)) | (ranks < last - d)
    return np.asarray(kept, dtype=bool), np.asarray(groups, dtype=np.intp)
