"""Maps that keep distances."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from blackbox_xai._checks import check_int
from blackbox_xai.errors import InputError
from blackbox_xai.points.neighbours import blocks
from blackbox_xai.projection.base import Plane, Projection
from blackbox_xai.projection.linear import principal_axes
from blackbox_xai.projection.scaling import (
    classical_scaling,
    majorise,
    place_by_distance,
    stochastic_scaling,
)
from blackbox_xai.protocols import FloatArray

__all__ = ["ClassicalMDS", "MDSProjection"]

_ANCHORS = 1000
_FEW, _POLISH = 2000, 20


class MDSProjection(Projection):
    """Metric multidimensional scaling, stochastic: time and memory linear in the rows.

    Parameters
    ----------
    n_epochs : int
        Each has 20 rounds in which all rows are paired at random. Up to 2,000 rows, 20 steps of
        majorisation on all pairs follow.
    features : callable, optional
        Turns inputs into rows of numbers; None uses the inputs.
    standardize : bool
        Divide numeric columns by their standard deviation.
    random_state : int
        Seed.

    Attributes
    ----------
    embedding_, points_
        As for all projections.

    References
    ----------
    J. X. Zheng, S. Pawar, D. F. M. Goodman (2019), "Graph drawing by stochastic gradient descent".

    Examples
    --------
    >>> corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> mds = MDSProjection(standardize=False).fit(corners)
    >>> mds.quality().stress[0] < 0.01
    True
    """

    def __init__(
        self,
        *,
        n_epochs: int = 60,
        features: Any = None,
        standardize: bool = True,
        random_state: int = 0,
    ) -> None:
        self.n_epochs = n_epochs
        self.features = features
        self.standardize = standardize
        self.random_state = random_state

    def _place(self, points: FloatArray, rng: np.random.Generator) -> FloatArray:
        check_int("n_epochs", self.n_epochs, minimum=1)
        self._axes, _ = principal_axes(points, int(rng.integers(2**31)))
        start = points @ self._axes.T
        start += 1e-6 * max(float(np.abs(start).max()), 1e-6) * rng.normal(size=start.shape)
        places = stochastic_scaling(points, start, epochs=self.n_epochs, rng=rng)
        n = len(points)
        if n <= _FEW:
            places = majorise(points, places, n_iter=_POLISH)
        self._anchors = np.sort(rng.choice(n, min(n, _ANCHORS), replace=False))
        return places

    def _place_new(self, points: FloatArray) -> FloatArray:
        anchors, places = self.points_[self._anchors], self.embedding_[self._anchors]
        new = np.empty((len(points), 2))
        for block in blocks(len(points), anchors.size):
            gap = points[block][:, None, :] - anchors
            distances = np.sqrt((gap**2).sum(axis=2))
            start = places[distances.argmin(axis=1)] + 1e-6
            new[block] = place_by_distance(distances, places, start)
        return new

    def _reading(self) -> str:
        return "MDS: distances on the map are those in the data as far as the stress is low"


class ClassicalMDS(Plane):
    """Classical scaling of given dissimilarities, for data that have no coordinates.

    Attributes
    ----------
    embedding_ : ndarray of shape (n, 2)

    References
    ----------
    W. S. Torgerson (1952), "Multidimensional scaling: I. Theory and method". J. C. Gower (1968),
    "Adding a point to vector diagrams in multivariate analysis" (new rows).

    Examples
    --------
    >>> line = np.array([0.0, 1.0, 3.0])
    >>> mds = ClassicalMDS().fit(np.abs(line[:, None] - line))
    >>> places = mds.transform([[2.0, 1.0, 1.0]])  # dissimilarities to the three
    >>> bool(np.allclose(places, (mds.embedding_[1] + mds.embedding_[2]) / 2))
    True
    """

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002
        """Make the map.

        Parameters
        ----------
        X : array of shape (n, n)
            Dissimilarities: symmetric, not negative, 0 on the diagonal.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        InputError
            When it is no such matrix.
        """
        matrix = _numbers(X)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or len(matrix) < 3:
            raise InputError(
                f"X: dissimilarities must have shape (n, n) with n >= 3, got {matrix.shape}."
            )
        legal = np.isfinite(matrix).all() and (matrix >= 0).all() and not matrix.diagonal().any()
        if not legal or not np.allclose(matrix, matrix.T):
            raise InputError(
                "X: dissimilarities must be finite, symmetric, not negative, and 0 on the diagonal."
            )
        self.embedding_ = classical_scaling(matrix)
        self._mean_square = (matrix**2).mean(axis=0)
        return self

    def transform(self, X: Any) -> FloatArray:
        """Place new rows, each as if it came alone.

        Parameters
        ----------
        X : array of shape (q, n)
            Dissimilarities of each new row to each fitted one.

        Returns
        -------
        ndarray of shape (q, 2)

        Raises
        ------
        InputError
            For another shape, or dissimilarities that are negative or not finite.
        """
        check_is_fitted(self, "embedding_")
        matrix, n = _numbers(X), len(self.embedding_)
        if matrix.ndim != 2 or matrix.shape[1] != n:
            raise InputError(
                f"X: dissimilarities must have shape (q, {n}), one column for each fitted row, "
                f"got {matrix.shape}."
            )
        if not np.isfinite(matrix).all() or (matrix < 0).any():
            raise InputError("X: dissimilarities must be finite and not negative.")
        nearer = (self._mean_square - matrix**2) / 2
        axes = np.linalg.pinv(self.embedding_, rcond=1e-6)
        # Summed row by row: the last bits of a matrix product depend on how many rows it has.
        return np.stack([(nearer * axis).sum(axis=1) for axis in axes], axis=1)


def _numbers(dissimilarities: Any) -> FloatArray:
    try:
        return np.asarray(dissimilarities, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError("X: dissimilarities must be a matrix of numbers.") from error
