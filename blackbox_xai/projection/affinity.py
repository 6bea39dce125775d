"""Who attracts whom in t-SNE: probabilities over nearest neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from blackbox_xai.protocols import FloatArray, IntArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["affinities", "perplexity_weights"]

_STEPS = 40


def perplexity_weights(distances: FloatArray, perplexity: float) -> FloatArray:
    """Turn distances to neighbours into probabilities of the given perplexity.

    Parameters
    ----------
    distances : ndarray of shape (n, k)
        Distances of each row to its neighbours.
    perplexity : float
        Effective number of neighbours, below ``k``; rows where all distances are equal get the
        uniform law.

    Returns
    -------
    ndarray of shape (n, k)
        Rows sum to 1 and are proportional to ``exp(-beta_i * distance**2)``.

    References
    ----------
    L. van der Maaten and G. Hinton (2008), "Visualizing data using t-SNE", equation 1 and
    section 2: the precision is found by bisection, here for all rows at once.

    Examples
    --------
    >>> weights = perplexity_weights(np.array([[1.0, 2.0, 3.0, 4.0]]), perplexity=2.0)
    >>> round(float(np.exp(-(weights * np.log(weights)).sum())), 6)
    2.0
    """
    square = distances**2 - distances.min(axis=1, keepdims=True) ** 2
    scale = np.where((mean := square.mean(axis=1)) > 0, mean, 1.0)
    low, high = np.full(len(square), -40.0), np.full(len(square), 40.0)
    target = np.log(perplexity)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        weights = _softmax(square, np.exp(middle) / scale)
        entropy = -np.where(weights > 0, weights * np.log(np.maximum(weights, 1e-300)), 0).sum(1)
        wide = entropy > target
        low, high = np.where(wide, middle, low), np.where(wide, high, middle)
    return _softmax(square, np.exp((low + high) / 2) / scale)


def _softmax(square: FloatArray, beta: FloatArray) -> FloatArray:
    weights = np.exp(-np.minimum(square * beta[:, None], 700.0))
    normalised: FloatArray = weights / weights.sum(axis=1, keepdims=True)
    return normalised


def affinities(indices: IntArray, distances: FloatArray, perplexity: float) -> csr_array:
    """Return the symmetric joint probabilities of t-SNE, summing to 1, as a sparse matrix."""
    from scipy.sparse import csr_array

    n, k = indices.shape
    weights = perplexity_weights(distances, min(perplexity, k * 0.9))
    starts = np.arange(0, n * k + 1, k)
    one_way = csr_array((weights.ravel(), indices.ravel(), starts), shape=(n, n))
    both = (one_way + one_way.T).tocsr()
    both.sum_duplicates()
    both.sort_indices()
    both.data /= both.data.sum()
    return both
