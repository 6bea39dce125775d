"""Slopes of scores on the presence of single features, from sums that stream."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.protocols import FloatArray

__all__ = ["SlopeSums", "slopes"]

_TINY = 1e-12


def slopes(z: FloatArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Slope of the scores on each column of ``z`` by itself, and its standard error.

    Parameters
    ----------
    z : ndarray of shape (m, d)
        Presence of each feature.
    scores : ndarray of shape (m, k)

    Returns
    -------
    values, std_err : ndarray of shape (d, k)
        0 for a column that does not vary.

    Examples
    --------
    >>> z = np.array([[0.0], [1.0], [0.0], [1.0]])
    >>> slopes(z, 2 * z + 1)[0]
    array([[2.]])
    """
    m = len(z)
    zc, yc = z - z.mean(axis=0), scores - scores.mean(axis=0)
    power = (zc**2).sum(axis=0)
    varying = power > _TINY
    scale = np.where(varying, power, 1.0)[:, None]
    values = zc.T @ yc / scale
    std_err = np.empty_like(values)
    spare = m / max(m - 2, 1)
    for j in range(yc.shape[1]):
        pulls = zc * (yc[:, j, None] - zc * values[:, j])
        std_err[:, j] = np.sqrt(spare * (pulls**2).sum(axis=0)) / scale[:, 0]
    return np.where(varying[:, None], values, 0.0), np.where(varying[:, None], std_err, 0.0)


class SlopeSums:
    """Sums, in a few groups of rows, that give slopes for many features in little memory.

    Parameters
    ----------
    d, k : int
        Features and outputs.
    n_groups : int
        Groups that are left out in turn for the standard errors.
    """

    def __init__(self, d: int, k: int, n_groups: int) -> None:
        self.n = np.zeros(n_groups)
        self.presence, self.power = np.zeros((n_groups, d)), np.zeros((n_groups, d))
        self.scores, self.products = np.zeros((n_groups, k)), np.zeros((n_groups, k, d))
        self._origin: FloatArray | None = None

    def add(self, group: int, z: NDArray[Any], scores: FloatArray) -> None:
        """Take in rows ``(m, d)``, 0 to 1, and their scores ``(m, k)``."""
        origin = scores.mean(axis=0) if self._origin is None else self._origin
        self._origin = origin
        shifted, centred = scores - origin, z - z.dtype.type(0.5)
        self.n[group] += len(z)
        self.presence[group] += centred.sum(axis=0)
        self.power[group] += np.einsum("md,md->d", centred, centred)
        self.scores[group] += shifted.sum(axis=0)
        self.products[group] += shifted.T.astype(z.dtype) @ centred

    @property
    def mean(self) -> FloatArray:
        """Mean score, shape ``(k,)``."""
        origin = np.zeros(self.scores.shape[1]) if self._origin is None else self._origin
        return np.asarray(origin + self.scores.sum(axis=0) / self.n.sum(), dtype=np.float64)

    def slopes(self, left_out: int | None = None) -> FloatArray:
        """Return slopes ``(k, d)``, of all rows or without one group."""
        keep = np.arange(len(self.n)) != left_out
        n, s, y = self.n[keep].sum(), self.presence[keep].sum(axis=0), self.scores[keep].sum(axis=0)
        power = self.power[keep].sum(axis=0) - s**2 / n
        cross = self.products.sum(axis=0, where=keep[:, None, None]) - np.outer(y, s) / n
        varying = power > _TINY * n
        return np.where(varying, cross / np.where(varying, power, 1.0), 0.0)
