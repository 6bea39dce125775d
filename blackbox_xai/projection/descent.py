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
    n = len(start)
    rate = learning_rate or max(n / exaggeration, 50.0)
    rows = np.repeat(np.arange(n), np.diff(graph.indptr))
    work = graph.copy()
    places, step, gains = start.copy(), np.zeros_like(start), np.ones_like(start)
    for _ in range(n_iter):
        gradient = 4 * (exaggeration * _attraction(graph, work, rows, places) - _push(places))
        same = np.sign(gradient) == np.sign(step)
        gains = np.maximum(np.where(same, gains * 0.8, gains + 0.2), 0.01)
        step = np.clip(momentum * step - rate * gains * gradient, -_MAX_STEP, _MAX_STEP)
        places = places + step
        places -= places.mean(axis=0)
        report()
    return places


def _attraction(
    graph: csr_array, work: csr_array, rows: np.ndarray, places: FloatArray
) -> FloatArray:
    """Return ``sum_j p_ij q_ij (y_i - y_j)``; ``work`` has the graph's structure."""
    x, y = places.T
    gap = (x[rows] - x[graph.indices]) ** 2
    gap += (y[rows] - y[graph.indices]) ** 2
    gap += 1
    np.divide(graph.data, gap, out=work.data)
    total = work @ np.column_stack([np.ones(len(places)), places])
    pull: FloatArray = total[:, :1] * places - total[:, 1:]
    return pull


def _push(places: FloatArray) -> FloatArray:
    """Return the normalised repulsion ``sum_j q_ij^2 (y_i - y_j) / Z``."""
    if len(places) <= _FEW:
        near = 1 / (1 + squared_distances(places, places))
        total = near.sum() - len(places)
        near *= near
        force = near.sum(axis=1)[:, None] * places - near @ places
        return np.asarray(force / max(float(total), 1e-12))
    field, self_mass = repulsion(places)
    force_x, force_y, mass = field.at(places)
    return np.column_stack([force_x, force_y]) / max(float((mass - self_mass).sum()), 1e-12)
