"""Nearest neighbours, block by block: no n x n matrix, and no row depends on its batch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["blocks", "nearest", "remeasured", "squared_distances"]

_BLOCK_BYTES = 16 << 20
_RECHECK_BYTES = 1 << 18
_SPARE = 4


def blocks(n: int, width: int) -> list[slice]:
    """Cut ``n`` rows into slices whose ``(rows, width)`` float64 matrix takes about 16 MiB."""
    rows = max(_BLOCK_BYTES // (8 * max(width, 1)), 1)
    return [slice(start, min(start + rows, n)) for start in range(0, n, rows)]


def squared_distances(queries: NDArray[Any], points: NDArray[Any]) -> NDArray[Any]:
    """Squared Euclidean distances, shape ``(len(queries), len(points))``, never negative."""
    cross: NDArray[Any] = queries @ points.T
    cross *= -2
    cross += (points**2).sum(1)
    cross += (queries**2).sum(1)[:, None]
    np.maximum(cross, 0, out=cross)
    return cross


def nearest(
    queries: FloatArray, points: FloatArray, k: int, *, skip_self: bool = False
) -> tuple[IntArray, FloatArray]:
    """Return the ``k`` nearest points of each query and their distances, nearest first.

    Candidates come from matrix products, whose last bits depend on the size of the block; they
    are measured again one by one, so that no query depends on the others in the call. Points
    should be centred, as distances between far-off points lose digits.

    Parameters
    ----------
    queries : ndarray of shape (q, dims)
    points : ndarray of shape (n, dims)
    k : int
        At most ``n``, or ``n - 1`` with ``skip_self``.
    skip_self : bool
        Query ``i`` is point ``i`` and is not its own neighbour.

    Returns
    -------
    indices : ndarray of shape (q, k)
    distances : ndarray of shape (q, k)

    Examples
    --------
    >>> points = np.array([[0.0], [1.0], [3.0]])
    >>> nearest(points, points, 1, skip_self=True)[0].ravel()
    array([1, 0, 1])
    """
    if skip_self:
        candidates = _of_each_other(points, min(k + _SPARE, len(points) - 1))
        return remeasured(queries, points, candidates, k)
    n = len(points)
    wanted = min(k + _SPARE, n)
    indices, distances = np.empty((len(queries), k), dtype=np.intp), np.empty((len(queries), k))
    small = points.astype(np.float32)
    for block in blocks(len(queries), n):
        rough = squared_distances(queries[block].astype(np.float32), small)
        near = np.argpartition(rough, wanted - 1, axis=1)[:, :wanted] if wanted < n else None
        candidates = np.broadcast_to(np.arange(n), rough.shape) if near is None else near
        indices[block], distances[block] = remeasured(queries[block], points, candidates, k)
    return indices, distances


def _of_each_other(points: FloatArray, k: int) -> IntArray:
    """Return the ``k`` nearest other points of each point, in any order, as far as digits allow.

    By scikit-learn, whose threads share the work and do not spin between matrix products.
    """
    from sklearn.neighbors import NearestNeighbors

    index = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points)
    return np.asarray(index.kneighbors(return_distance=False))


def remeasured(
    queries: FloatArray, points: FloatArray, candidates: IntArray, k: int
) -> tuple[IntArray, FloatArray]:
    """Return the ``k`` nearest of the candidates ``(q, c)`` and their distances, nearest first."""
    candidates = np.sort(candidates, axis=1)  # ties go to the lower number
    exact = _exact(queries, points, candidates)
    order = np.argsort(exact, axis=1, kind="stable")[:, :k]
    return (
        np.take_along_axis(candidates, order, axis=1),
        np.sqrt(np.take_along_axis(exact, order, axis=1)),
    )


def _exact(queries: FloatArray, points: FloatArray, candidates: IntArray) -> FloatArray:
    """Return squared distances to the candidates, a few queries at a time."""
    exact = np.empty(candidates.shape)
    step = max(_RECHECK_BYTES // (8 * candidates.shape[1] * points.shape[1]), 1)
    for start in range(0, len(queries), step):
        few = slice(start, start + step)
        gap = points[candidates[few]]
        gap -= queries[few, None, :]
        exact[few] = np.square(gap, out=gap).sum(axis=2)
    return exact
