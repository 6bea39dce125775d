"""The map of principal components."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from blackbox_xai.projection.base import Projection
from blackbox_xai.protocols import FloatArray

__all__ = ["PCAProjection"]


class PCAProjection(Projection):
    """The plane of largest variance: distances on it never exceed those in the data.

    Parameters
    ----------
    features : callable, optional
        Turns inputs into rows of numbers (an encoder, a model's outputs); None uses the inputs.
    standardize : bool
        Divide numeric columns by their standard deviation.
    random_state : int
        Seed; used for very wide data only.

    Attributes
    ----------
    explained_variance_ratio_ : ndarray of shape (2,)
        Share of the variance along each axis.
    embedding_, points_
        As for all projections.

    References
    ----------
    K. Pearson (1901), "On lines and planes of closest fit to systems of points in space".

    Examples
    --------
    >>> X = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0], [3.0, 3.0]])
    >>> pca = PCAProjection().fit(X)
    >>> pca.explained_variance_ratio_.round(6).tolist()
    [1.0, 0.0]
    """

    def __init__(
        self, *, features: Any = None, standardize: bool = True, random_state: int = 0
    ) -> None:
        self.features = features
        self.standardize = standardize
        self.random_state = random_state

    def _place(self, points: FloatArray, rng: np.random.Generator) -> FloatArray:
        seed = int(rng.integers(2**31))
        self.components_, self.explained_variance_ratio_ = principal_axes(points, seed)
        return self._place_new(points)

    def _place_new(self, points: FloatArray) -> FloatArray:
        # Summed row by row: the last bits of a matrix product depend on how many rows it has.
        return np.stack([(points * axis).sum(axis=1) for axis in self.components_], axis=1)

    def _reading(self) -> str:
        return f"PCA: {100 * self.explained_variance_ratio_.sum():.0f} % of the variance"


def principal_axes(points: FloatArray, seed: int) -> tuple[FloatArray, FloatArray]:
    """Return two principal axes ``(2, dims)`` and the shares of variance along them."""
    if not np.ptp(points, axis=0).any():
        return np.zeros((2, points.shape[1])), np.zeros(2)
    pca = PCA(n_components=min(2, *points.shape), random_state=seed).fit(points)
    axes, shares = np.zeros((2, points.shape[1])), np.zeros(2)
    axes[: len(pca.components_)] = pca.components_
    shares[: len(pca.components_)] = pca.explained_variance_ratio_
    return axes, shares
