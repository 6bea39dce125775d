"""The known rows that a new one resembles: by input, output, explanation, or embedding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from blackbox_xai._checks import check_int
from blackbox_xai._inputs import n_rows
from blackbox_xai.errors import InputError
from blackbox_xai.points import fit_space, nearest
from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["NearestExemplars", "Neighbours"]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Nearest exemplars of q rows.

    Parameters
    ----------
    indices, distances : ndarray of shape (q, m)
        Rows of the reference, nearest first, and their distances in its space.
    percentiles : ndarray of shape (q, m)
        Where each distance stands among the distances of reference rows to their own neighbour of
        the same rank, 0 to 100. Near 100: the exemplar is no likeness.
    label_agreement : ndarray of shape (q,) or None
        Share of the exemplars that have the commonest label among them; None without labels.
    """

    indices: IntArray
    distances: FloatArray
    percentiles: FloatArray
    label_agreement: FloatArray | None


class NearestExemplars(BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Finds the reference rows that new rows resemble.

    Parameters
    ----------
    n_exemplars : int
        How many for each row.
    features : callable, optional
        The space: None compares inputs; a model's ``predict`` compares outputs; an encoder
        compares embeddings. Lists of ``Explanation`` are compared by their attributions.
    standardize : bool
        Divide numeric columns by their standard deviation.

    Attributes
    ----------
    reference_distances_ : ndarray of shape (n, m)
        Distances of reference rows to their own neighbours, sorted by column.

    Examples
    --------
    >>> index = NearestExemplars(n_exemplars=1).fit(np.array([[0.0], [1.0], [5.0]]))
    >>> index.query(np.array([[0.9]])).indices.tolist()
    [[1]]
    """

    def __init__(
        self,
        *,
        n_exemplars: int = 5,
        features: Callable[[Any], Any] | None = None,
        standardize: bool = True,
    ) -> None:
        self.n_exemplars = n_exemplars
        self.features = features
        self.standardize = standardize

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the reference.

        Parameters
        ----------
        X : array, frame, or list of Explanation, of n rows
        y : array of shape (n,), optional
            Labels, for the agreement among exemplars.

        Returns
        -------
        self

        Raises
        ------
        InputError
            For too few rows, labels that do not match, or values that are missing or not finite.
        """
        m = check_int("n_exemplars", self.n_exemplars, minimum=1)
        if n_rows(X) <= m:
            raise InputError(f"X must have more than n_exemplars = {m} rows, got {n_rows(X)}.")
        self.labels_ = None if y is None else np.unique(np.asarray(y), return_inverse=True)[1]
        if self.labels_ is not None and self.labels_.shape != (n_rows(X),):
            raise InputError(f"y must have shape ({n_rows(X)},), got {self.labels_.shape}.")
        self.space_, self.points_ = fit_space(
            X, features=self.features, standardize=self.standardize
        )
        own = nearest(self.points_, self.points_, m, skip_self=True)[1]
        self.reference_distances_ = np.sort(own, axis=0)
        return self

    def query(self, X: Any) -> Neighbours:
        """Return the nearest exemplars of each row.

        Parameters
        ----------
        X : array, frame, or list of Explanation, of q rows

        Returns
        -------
        Neighbours

        Raises
        ------
        InputError
            For other columns than the reference has.
        """
        check_is_fitted(self, "points_")
        m = self.n_exemplars
        indices, distances = nearest(self.space_.points(X), self.points_, m)
        ranks = [
            np.searchsorted(self.reference_distances_[:, j], distances[:, j]) for j in range(m)
        ]
        percentiles = 100 * np.stack(ranks, axis=1) / len(self.points_)
        return Neighbours(indices, distances, percentiles, self._agreement(indices))

    def _agreement(self, indices: IntArray) -> FloatArray | None:
        if self.labels_ is None:
            return None
        labels = self.labels_[indices]
        same = (labels[:, :, None] == labels[:, None, :]).sum(axis=2)
        share: FloatArray = same.max(axis=1) / labels.shape[1]
        return share
