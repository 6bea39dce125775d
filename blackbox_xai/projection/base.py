"""What all maps share: points, seeds, quality, and the scikit-learn contract."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from blackbox_xai._checks import check_int
from blackbox_xai._inputs import n_rows
from blackbox_xai.errors import InputError
from blackbox_xai.points.space import fit_space
from blackbox_xai.projection.quality import MapQuality, map_quality
from blackbox_xai.protocols import FloatArray

__all__ = ["Plane", "Projection"]


class Plane(TransformerMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Base of all that places rows in the plane, as scikit-learn's transformers do."""

    embedding_: FloatArray

    @abstractmethod
    def fit(self, X: Any, y: Any = None) -> Self:
        """Place rows."""

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> FloatArray:
        """Make the map and return the places of its rows, shape ``(n, 2)``."""
        if fit_params:
            raise TypeError(f"fit_transform got unexpected arguments {sorted(fit_params)}.")
        self.fit(X, y)
        return self.embedding_

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:  # noqa: ARG002
        """Return the names of the two columns."""
        return np.array(["map x", "map y"], dtype=object)


class Projection(Plane):
    """Base of maps in the plane; a subclass places points and new points.

    Attributes
    ----------
    embedding_ : ndarray of shape (n, 2)
        Places of the fitted rows.
    points_ : ndarray of shape (n, dims)
        The rows as scaled numbers, whose distances the map shows.
    n_features_in_ : int
    """

    features: Any
    standardize: bool
    random_state: int

    @abstractmethod
    def _place(self, points: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Return places of shape ``(n, 2)`` for the fitted points."""

    @abstractmethod
    def _place_new(self, points: FloatArray) -> FloatArray:
        """Return places of shape ``(q, 2)``, each as if it came alone."""

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: ARG002  # scikit-learn's signature
        """Make the map.

        Parameters
        ----------
        X : array, frame, or list of Explanation, of n rows
            Inputs; with ``features``, whatever that function takes.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        InputError
            For fewer than 3 rows, or values that are missing or not finite.
        """
        check_int("random_state", self.random_state, minimum=0)
        if n_rows(X) < 3:
            raise InputError(f"X must have at least 3 rows to make a map, got {n_rows(X)}.")
        self.space_, self.points_ = fit_space(
            X, features=self.features, standardize=self.standardize
        )
        self.n_features_in_ = len(self.space_.names)
        self.embedding_ = self._place(self.points_, np.random.default_rng(self.random_state))
        return self

    def transform(self, X: Any) -> FloatArray:
        """Place rows on the map; a row's place does not depend on the others in the call.

        Parameters
        ----------
        X : array, frame, or list of Explanation, of q rows

        Returns
        -------
        ndarray of shape (q, 2)

        Raises
        ------
        InputError
            For other columns than were fitted, or values that are missing or not finite.
        """
        check_is_fitted(self, "embedding_")
        return self._place_new(self.space_.points(X))

    def quality(self, *, n_neighbors: int = 15, max_rows: int = 1000) -> MapQuality:
        """Return how far the map can be believed.

        Parameters
        ----------
        n_neighbors : int
            Size of the neighbourhoods compared.
        max_rows : int
            Rows that are checked, each against all others.

        Returns
        -------
        MapQuality
        """
        check_is_fitted(self, "embedding_")
        return map_quality(
            self.points_,
            self.embedding_,
            n_neighbors=n_neighbors,
            max_rows=max_rows,
            random_state=self.random_state,
        )

    def caption(self) -> str:
        """Return a sentence to print under the map: what it shows and how well."""
        return f"{self._reading()} ({self.quality()})"

    @abstractmethod
    def _reading(self) -> str:
        """Return how the map is to be read."""
