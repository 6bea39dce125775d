"""Multidimensional scaling by random pairs: linear in the number of rows."""

from __future__ import annotations

import numpy as np

from blackbox_xai.points.neighbours import blocks, squared_distances
from blackbox_xai.protocols import FloatArray

__all__ = ["classical_scaling", "majorise", "place_by_distance", "stochastic_scaling"]

_ROUNDS = 20
_FIRST, _LAST = 0.3, 0.001


def stochastic_scaling(
    points: FloatArray, start: FloatArray, *, epochs: int, rng: np.random.Generator
) -> FloatArray:
    """Lower the raw stress of a map by moving random pairs to their distance.

    In each round all rows are paired at random, so that no row is moved twice; both ends of a
    pair go a share ``eta`` of the way, which falls geometrically from 0.3 to 0.001.

    Parameters
    ----------
    points : ndarray of shape (n, dims)
        Rows whose Euclidean distances the map should keep.
    start : ndarray of shape (n, 2)
        Places to start from.
    epochs : int
        Each epoch has 20 rounds.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n, 2)

    References
    ----------
    J. X. Zheng, S. Pawar, D. F. M. Goodman (2019), "Graph drawing by stochastic gradient descent",
    algorithm 1, with random matchings in place of all pairs.
    """
    places = start.copy()
    half = len(points) // 2
    rounds = epochs * _ROUNDS
    for eta in np.geomspace(_FIRST, _LAST, rounds):
        order = rng.permutation(len(points))
        left, right = order[:half], order[half : 2 * half]
        wanted = np.sqrt(((points[left] - points[right]) ** 2).sum(axis=1))
        gap = places[left] - places[right]
        length = np.sqrt((gap**2).sum(axis=1))
        move = eta * (wanted - length) / (2 * np.maximum(length, 1e-12))
        places[left] += move[:, None] * gap
        places[right] -= move[:, None] * gap
    return places


def classical_scaling(dissimilarities: FloatArray) -> FloatArray:
    """Return the 2-D map of Torgerson's classical scaling of an ``(n, n)`` matrix.

    References
    ----------
    W. S. Torgerson (1952), "Multidimensional scaling: I. Theory and method".

    Examples
    --------
    >>> line = np.array([0.0, 1.0, 3.0])
    >>> places = classical_scaling(np.abs(line[:, None] - line))
    >>> np.abs(places[:, 0] - places[0, 0]).round(6)
    array([0., 1., 3.])
    """
    from scipy.linalg import eigh

    square = dissimilarities**2
    centred = square - square.mean(axis=0) - square.mean(axis=1)[:, None] + square.mean()
    n = len(square)
    values, vectors = eigh(-centred / 2, subset_by_index=[max(n - 2, 0), n - 1])
    places = np.zeros((n, 2))
    kept = vectors[:, ::-1] * np.sqrt(np.maximum(values[::-1], 0))
    kept *= np.where(kept[np.abs(kept).argmax(axis=0), np.arange(kept.shape[1])] < 0, -1, 1)
    places[:, : kept.shape[1]] = kept
    return places


def place_by_distance(
    distances: FloatArray, anchors: FloatArray, start: FloatArray, *, n_iter: int = 100
) -> FloatArray:
    """Place rows so that their distances to placed anchors are as wanted.

    Parameters
    ----------
    distances : ndarray of shape (q, n)
        Distances of each row to each anchor.
    anchors : ndarray of shape (n, 2)
        Places of the anchors.
    start : ndarray of shape (q, 2)
        Places to start from.
    n_iter : int
        Majorisation steps; each lowers the stress of every row.

    Returns
    -------
    ndarray of shape (q, 2)

    References
    ----------
    J. de Leeuw (1977), "Applications of convex analysis to multidimensional scaling": the
    Guttman transform with all but one point fixed.
    """
    places = start.copy()
    centre = anchors.mean(axis=0)
    for block in blocks(len(places), 3 * len(anchors)):
        wanted, here = distances[block], places[block]
        for _ in range(n_iter):
            gap = here[:, None, :] - anchors
            length = np.maximum(np.sqrt((gap**2).sum(axis=2)), 1e-12)
            here = centre + ((wanted / length)[..., None] * gap).mean(axis=1)
        places[block] = here
    return places


def majorise(points: FloatArray, places: FloatArray, *, n_iter: int) -> FloatArray:
    """Lower the stress of a map by Guttman transforms; each takes the square of the rows.

    Parameters
    ----------
    points : ndarray of shape (n, dims)
    places : ndarray of shape (n, 2)
    n_iter : int

    Returns
    -------
    ndarray of shape (n, 2)

    References
    ----------
    J. de Leeuw (1977), "Applications of convex analysis to multidimensional scaling": the stress
    never rises.
    """
    wanted = np.sqrt(squared_distances(points, points))
    for _ in range(n_iter):
        shown = np.sqrt(squared_distances(places, places))
        ratio = np.divide(wanted, np.maximum(shown, 1e-12, out=shown), out=shown)
        np.fill_diagonal(ratio, 0)
        places = (ratio.sum(axis=1)[:, None] * places - ratio @ places) / len(places)
    return places
