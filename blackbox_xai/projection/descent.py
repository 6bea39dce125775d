"""The gradient descent of t-SNE on a sparse graph and a tabulated field."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from blackbox_xai.points import squared_distances
from blackbox_xai.projection.field import repulsion
from blackbox_xai.protocols import FloatArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["descend"]

_MAX_STEP = 5.0
_FEW = 400  # up to so many rows, all pairs cost less than a grid
_ROWS = 1000


def descend(
    graph: csr_array,
    start: FloatArray,
    *,
    n_iter: int,
    exaggeration: float,
    momentum: float,
    learning_rate: float | None = None,
    report: Callable[[], None] = lambda: None,
) -> FloatArray:
    """Move points down the gradient of the Kullback-Leibler divergence.

    Parameters
    ----------
    graph : csr_array of shape (n, n)
        Joint probabilities.
    start : ndarray of shape (n, 2)
        Places to start from.
    n_iter : int
        Steps.
    exaggeration : float
        Factor on the attraction.
    momentum : float
        Share of the last step that is kept.
    learning_rate : float, optional
        None means ``n / exaggeration``, at least 50.
    report : callable
        Called after every step.

    Returns
    -------
    ndarray of shape (n, 2)

    References
    ----------
    L. van der Maaten and G. Hinton (2008), equation 5, with the gains of R. Jacobs (1988). The
    learning rate is that of A. Belkina et al. (2019).
    """
    rate = learning_rate or max(len(start) / exaggeration, 50.0)
    pull = _Attraction(graph)
    places, step, gains = start.copy(), np.zeros_like(start), np.ones_like(start)
    for _ in range(n_iter):
        gradient = 4 * (exaggeration * pull(places) - _push(places))
        same = np.sign(gradient) == np.sign(step)
        gains = np.maximum(np.where(same, gains * 0.8, gains + 0.2), 0.01)
        step = np.clip(momentum * step - rate * gains * gradient, -_MAX_STEP, _MAX_STEP)
        places = places + step
        places -= places.mean(axis=0)
        report()
    return places


class _Attraction:
    """The pull of neighbours, ``sum_j p_ij (y_i - y_j) / (1 + |y_i - y_j|^2)``."""

    def __init__(self, graph: csr_array) -> None:
        self._starts = graph.indptr.astype(np.intp)
        self._ends = graph.indices.astype(np.intp)
        self._p = graph.data.astype(np.float32)

    def __call__(self, places: FloatArray) -> FloatArray:
        """Return the pull on places ``(n, 2)``; as complex numbers each is one, not two."""
        spots = np.ascontiguousarray(places, dtype=np.float32).view(np.complex64)[:, 0]
        pull = np.empty_like(spots)
        for low in range(0, len(spots), _ROWS):  # few enough that all stays in the cache
            starts = self._starts[low : low + _ROWS + 1]
            edges = slice(starts[0], starts[-1])
            gap = np.repeat(spots[low : low + _ROWS], np.diff(starts))
            gap -= spots[self._ends[edges]]
            square = gap.real**2
            square += gap.imag**2
            square += 1
            gap *= self._p[edges] / square
            pull[low : low + _ROWS] = np.add.reduceat(gap, starts[:-1] - starts[0])
        return pull.view(np.float32).reshape(-1, 2).astype(np.float64)


def _push(places: FloatArray) -> FloatArray:
    """Return the normalised repulsion ``sum_j q_ij^2 (y_i - y_j) / Z``."""
    if len(places) > _FEW:
        return repulsion(places)
    near = 1 / (1 + squared_distances(places, places))
    total = near.sum() - len(places)
    near *= near
    force = near.sum(axis=1)[:, None] * places - near @ places
    return np.asarray(force / max(float(total), 1e-12))
