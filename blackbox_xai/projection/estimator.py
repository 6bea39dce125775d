"""Maps made by somebody else's estimator, with quality and new rows as for all maps."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np

from blackbox_xai._checks import check_int
from blackbox_xai.errors import InputError
from blackbox_xai.points.neighbours import nearest
from blackbox_xai.projection.affinity import perplexity_weights
from blackbox_xai.projection.base import Projection
from blackbox_xai.protocols import FloatArray

__all__ = ["EstimatorProjection"]


class EstimatorProjection(Projection):
    """The map of any estimator with ``fit_transform``: UMAP, PaCMAP, openTSNE, scikit-learn.

    The estimator only makes the map. New rows are placed at the weighted mean of their
    neighbours' places, each as if it came alone, whether or not the estimator places new rows
    itself; those that do let a row's place depend on the others in the call.

    Parameters
    ----------
    estimator : object
        Such as ``umap.UMAP(random_state=0)``, ``pacmap.PaCMAP(random_state=0)``,
        ``openTSNE.sklearn.TSNE(random_state=0)`` or ``sklearn.manifold.Isomap()``, for two
        dimensions. It is copied, not changed; its seed is its own.
    n_neighbors : int
        Neighbours that place a new row.
    features : callable, optional
        Turns inputs into rows of numbers; None uses the inputs.
    standardize : bool
        Divide numeric columns by their standard deviation.
    random_state : int
        Seed of the rows that ``quality`` looks at.

    Attributes
    ----------
    estimator_ : object
        The fitted copy.
    embedding_, points_
        As for all projections.

    Examples
    --------
    >>> from sklearn.manifold import Isomap
    >>> t = np.linspace(0, 3, 60)
    >>> X = np.stack([np.cos(t), np.sin(t), t], axis=1)
    >>> curve = EstimatorProjection(Isomap(n_neighbors=4)).fit(X)
    >>> bool(np.abs(curve.transform(X[30:31]) - curve.embedding_[30]).max() < 0.1)
    True
    """

    def __init__(
        self,
        estimator: Any,
        *,
        n_neighbors: int = 5,
        features: Any = None,
        standardize: bool = True,
        random_state: int = 0,
    ) -> None:
        self.estimator = estimator
        self.n_neighbors = n_neighbors
        self.features = features
        self.standardize = standardize
        self.random_state = random_state

    def _place(self, points: FloatArray, rng: np.random.Generator) -> FloatArray:  # noqa: ARG002
        check_int("n_neighbors", self.n_neighbors, minimum=1)
        if isinstance(self.estimator, type) or not hasattr(self.estimator, "fit_transform"):
            raise InputError(
                "estimator must be an object with a method fit_transform, such as "
                f"sklearn.manifold.Isomap(), got {self.estimator!r}."
            )
        self.estimator_ = deepcopy(self.estimator)
        places = np.asarray(self.estimator_.fit_transform(points), dtype=np.float64)
        if places.shape != (len(points), 2):
            raise InputError(
                f"estimator must place {len(points)} rows in the plane, shape "
                f"({len(points)}, 2), got {places.shape}. Ask it for two dimensions."
            )
        if not np.isfinite(places).all():
            raise InputError("estimator must give finite places, got nan or inf.")
        return places

    def _place_new(self, points: FloatArray) -> FloatArray:
        k = min(self.n_neighbors, len(self.points_))
        indices, distances = nearest(points, self.points_, k)
        weights = perplexity_weights(distances, max(0.5 * k, 1.0))
        places = np.zeros((len(points), 2))
        for neighbour in range(k):  # one after the other, so that no row depends on its batch
            places += weights[:, neighbour, None] * self.embedding_[indices[:, neighbour]]
        return places

    def _reading(self) -> str:
        return f"{type(self.estimator_).__name__}: see its authors for how it is to be read"
