"""Choosing a few points that stand for many."""

from __future__ import annotations

import numpy as np

from blackbox_xai.points import squared_distances
from blackbox_xai.protocols import FloatArray, IntArray

__all__ = [
    "criticisms",
    "k_medoids",
    "mean_discrepancy",
    "mmd_critic",
    "protodash",
    "rbf_kernel",
    "refine_for_outputs",
]

_SWAPS = 20


def rbf_kernel(points: FloatArray) -> FloatArray:
    """Return ``exp(-|a - b|^2 / median)``, shape ``(n, n)``; the median is over pairs."""
    square = squared_distances(points, points)
    np.fill_diagonal(square, 0)
    apart = square[np.triu_indices(len(square), 1)]
    width = float(np.median(apart)) if len(apart) else 1.0
    return np.exp(-square / (width or 1.0))


def k_medoids(points: FloatArray, m: int) -> tuple[IntArray, FloatArray]:
    """Choose points so that the others are near to one: greedily, then by swaps.

    Parameters
    ----------
    points : ndarray of shape (n, dims)
    m : int
        How many to choose.

    Returns
    -------
    indices : ndarray of shape (m,)
        In the order in which they were chosen.
    weights : ndarray of shape (m,)
        Share of the points that are nearest to each.

    References
    ----------
    L. Kaufman and P. J. Rousseeuw (1990), "Finding Groups in Data", chapter 2 (build and swap).

    Examples
    --------
    >>> points = np.array([[0.0], [0.1], [0.2], [9.0]])
    >>> indices, weights = k_medoids(points, 2)
    >>> sorted(indices.tolist()), sorted(weights.tolist())
    ([1, 3], [0.25, 0.75])
    """
    distances = np.sqrt(squared_distances(points, points))
    chosen: list[int] = []
    nearest = np.full(len(points), np.inf)
    for _ in range(m):
        gains = np.minimum(distances, nearest[:, None]).sum(axis=0)
        gains[chosen] = np.inf
        chosen.append(int(gains.argmin()))
        nearest = np.minimum(nearest, distances[:, chosen[-1]])
    indices = _swap(distances, np.array(chosen, dtype=np.intp))
    owner = distances[:, indices].argmin(axis=1)
    return indices, np.bincount(owner, minlength=m) / len(points)


def _swap(distances: FloatArray, indices: IntArray) -> IntArray:
    """Exchange a chosen point for a better one as long as the total distance falls."""
    for _ in range(_SWAPS):
        best, swap = distances[:, indices].min(axis=1).sum() * (1 - 1e-9), None
        for place in range(len(indices)):
            others = np.delete(indices, place)
            nearest = distances[:, others].min(axis=1) if len(others) else np.inf
            totals = np.minimum(distances, np.reshape(nearest, (-1, 1))).sum(axis=0)
            totals[indices] = np.inf
            if totals.min() < best:
                best, swap = totals.min(), (place, int(totals.argmin()))
        if swap is None:
            break
        indices[swap[0]] = swap[1]
    return indices


def mmd_critic(points: FloatArray, m: int) -> tuple[IntArray, FloatArray]:
    """Choose points whose sample is hardest to tell from all points, equally weighted.

    Parameters
    ----------
    points : ndarray of shape (n, dims)
    m : int
        How many to choose.

    Returns
    -------
    indices : ndarray of shape (m,)
        In the order in which they were chosen.
    weights : ndarray of shape (m,)
        All equal, summing to 1.

    References
    ----------
    B. Kim, R. Khanna, O. Koyejo (2016), "Examples are not enough, learn to criticize!",
    algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> points = np.repeat([[0.0], [10.0]], [30, 10], axis=0)
    >>> indices, weights = mmd_critic(points, 4)
    >>> sorted(points[indices, 0].tolist()), weights.tolist()
    ([0.0, 0.0, 0.0, 10.0], [0.25, 0.25, 0.25, 0.25])
    """
    kernel = rbf_kernel(points)
    mean = kernel.mean(axis=1)
    chosen: list[int] = []
    inside, pull, self_pull = 0.0, 0.0, np.zeros(len(points))
    for size in range(1, m + 1):
        within = inside + 2 * self_pull + kernel.diagonal()
        score = 2 * (pull + mean) / size - within / size**2
        score[chosen] = -np.inf
        best = int(score.argmax())
        inside, pull = float(within[best]), float(pull + mean[best])
        self_pull = self_pull + kernel[:, best]
        chosen.append(best)
    return np.array(chosen, dtype=np.intp), np.full(m, 1 / m)


def protodash(points: FloatArray, m: int) -> tuple[IntArray, FloatArray]:
    """Choose points and weights whose kernel mean is that of all points.

    Parameters
    ----------
    points : ndarray of shape (n, dims)
    m : int
        How many to choose.

    Returns
    -------
    indices : ndarray of shape (m,)
        In the order in which they were chosen.
    weights : ndarray of shape (m,)
        How much each stands for, summing to 1.

    References
    ----------
    K. Gurumoorthy, A. Dhurandhar, G. Cecchi, C. Aggarwal (2019), "Efficient data representation
    by selecting prototypes with importance weights", algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> points = np.repeat([[0.0], [10.0]], [30, 10], axis=0)
    >>> indices, weights = protodash(points, 2)
    >>> points[indices, 0].tolist(), weights.round(2).tolist()
    ([0.0, 10.0], [0.75, 0.25])
    """
    from scipy.linalg import cholesky
    from scipy.optimize import nnls

    kernel = rbf_kernel(points)
    mean = kernel.mean(axis=1)
    chosen: list[int] = []
    weights = np.zeros(0)
    for _ in range(m):
        gradient = mean - kernel[:, chosen] @ weights
        gradient[chosen] = -np.inf
        chosen.append(int(gradient.argmax()))
        inner = kernel[np.ix_(chosen, chosen)] + 1e-10 * np.eye(len(chosen))
        root = cholesky(inner, lower=False)
        weights = nnls(root, np.linalg.solve(root.T, mean[chosen]))[0]
    total = float(weights.sum())
    return np.array(chosen, dtype=np.intp), weights / total if total else np.full(m, 1 / m)


def mean_discrepancy(points: FloatArray, indices: IntArray, weights: FloatArray) -> float:
    """Return the squared maximum mean discrepancy of weighted points to all points."""
    kernel = rbf_kernel(points)
    mean = kernel.mean(axis=1)
    inner = kernel[np.ix_(indices, indices)]
    return float(weights @ inner @ weights - 2 * weights @ mean[indices] + mean.mean())


def criticisms(points: FloatArray, indices: IntArray, weights: FloatArray, m: int) -> IntArray:
    """Return the points that the chosen ones misrepresent most: extremes of the witness.

    References
    ----------
    B. Kim, R. Khanna, O. Koyejo (2016), equation 3, with a point once taken left out.
    """
    kernel = rbf_kernel(points)
    witness = np.abs(kernel.mean(axis=1) - kernel[:, indices] @ weights)
    free = np.ones(len(points), dtype=bool)
    free[indices] = False
    taken: list[int] = []
    for _ in range(min(m, int(free.sum()))):
        best = int(np.where(free, witness, -1.0).argmax())
        taken.append(best)
        free[best] = False
        witness = witness * (1 - kernel[:, best])
    return np.array(taken, dtype=np.intp)


def refine_for_outputs(points: FloatArray, scores: FloatArray, indices: IntArray) -> IntArray:
    """Exchange chosen points as long as the nearest one predicts the scores better.

    Parameters
    ----------
    points : ndarray of shape (n, dims)
        Where "nearest" is measured.
    scores : ndarray of shape (n, k)
        What the nearest chosen point should predict, by least squares.
    indices : ndarray of shape (m,)
        Points to start from.

    Returns
    -------
    ndarray of shape (m,)

    Examples
    --------
    >>> points, scores = np.arange(4.0)[:, None], np.array([[0.0], [0.0], [1.0], [1.0]])
    >>> scores[refine_for_outputs(points, scores, np.array([0, 1]))].ravel().tolist()
    [1.0, 0.0]
    """
    distances = squared_distances(points, points)
    errors = squared_distances(scores, scores)
    rows, chosen = np.arange(len(points)), indices.copy()
    best = errors[rows, chosen[distances[:, chosen].argmin(axis=1)]].sum()
    for _ in range(_SWAPS):
        before = best
        for place in range(len(chosen)):
            others = np.delete(chosen, place)
            if not len(others):
                continue
            owner = others[distances[:, others].argmin(axis=1)]
            nearer = distances < distances[rows, owner][:, None]
            totals = np.where(nearer, errors, errors[rows, owner][:, None]).sum(axis=0)
            totals[others] = np.inf
            if totals.min() < best * (1 - 1e-9):
                chosen[place], best = int(totals.argmin()), totals.min()
        if best == before:
            break
    return chosen
