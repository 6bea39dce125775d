"""The chance that the model is wrong here: another question than whether an input is strange."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.utils.validation import check_is_fitted

from blackbox_xai._checks import check_fraction, check_int
from blackbox_xai._rowwise import NearRows, by_blocks
from blackbox_xai._tables import learn_table
from blackbox_xai.adapters import as_model
from blackbox_xai.calibration.labels import check_probabilities, score_labelled
from blackbox_xai.protocols import BoolArray, FloatArray

__all__ = ["ErrorRisk"]

_MIN_ROWS = 20


class ErrorRisk(BaseEstimator):  # type: ignore[misc]  # untyped base
    """How likely the model is wrong on a row.

    Two signs are averaged, each as a rank among the reference rows: how unsure the model is
    (1 - its largest probability), and how many of the nearest reference rows have another label
    than the one the model gives. An increasing step function turns the mean into a probability.

    Parameters
    ----------
    n_neighbours : int
    features : callable, optional
        Features of a batch, such as an encoder's; None: the columns of a table.
    categorical : sequence of str or int, optional
    labels : sequence, optional
        The label that each output of the model stands for.
    random_state : int

    Attributes
    ----------
    error_rate_ : float
        Share of reference rows the model gets wrong.
    cost_ : Ledger
        Model rows spent by ``fit``; scoring costs one for each row.

    Notes
    -----
    Fit on rows the model was not trained on: on its training rows a model makes no mistakes.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(-1, 1, size=(400, 2))
    >>> y = (X[:, 0] + rng.normal(scale=0.3, size=400) > 0).astype(int)
    >>> model = lambda X: 1 / (1 + np.exp(-4 * np.c_[-X[:, 0], X[:, 0]]))
    >>> risk = bx.ErrorRisk().fit(model, X, y).predict([[0.0, 0.0], [0.9, 0.0]])
    >>> bool(risk[0] > 0.3 > risk[1])
    True
    """

    def __init__(
        self,
        *,
        n_neighbours: int = 10,
        features: Any = None,
        categorical: Any = None,
        labels: Any = None,
        random_state: int = 0,
    ) -> None:
        self.n_neighbours = n_neighbours
        self.features = features
        self.categorical = categorical
        self.labels = labels
        self.random_state = random_state

    def fit(self, model: Any, X: Any, y: Any) -> ErrorRisk:
        """Learn on labelled rows that the model was not trained on.

        Raises
        ------
        InputError
            When scores are no probabilities, a label belongs to no output, or rows are too few.
        """
        check_int("n_neighbours", self.n_neighbours, minimum=1)
        self.model_ = as_model(model)
        if self.features is None:
            self.table_, codes = learn_table(X, self.categorical)
            rows = self.table_.design(codes)
        else:
            rows = np.asarray(self.features(X), dtype=np.float64)
        labelled = score_labelled(self.model_, X, y, self.labels, minimum=_MIN_ROWS)
        self.targets_ = labelled.targets
        self.near_ = NearRows.learn(rows)
        self.cost_ = labelled.cost
        given = labelled.probabilities.argmax(axis=1)
        unsure = 1.0 - labelled.probabilities.max(axis=1)
        other = self._disagreement(rows, given, themselves=True)
        self.unsure_, self.other_ = np.sort(unsure), np.sort(other)
        wrong = (given != self.targets_).astype(np.float64)
        self.error_rate_ = float(wrong.mean())
        self.step_ = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
        self.step_.fit(self._mean_rank(unsure, other), wrong)
        return self

    def _disagreement(self, rows: FloatArray, given: Any, *, themselves: bool) -> FloatArray:
        """Return the share of neighbours with another label; a reference row skips itself."""
        k = min(self.n_neighbours, len(self.targets_) - 1)

        def neighbours(block: FloatArray) -> FloatArray:
            return self.near_.find(block, k + themselves)[0].astype(np.float64)

        near = by_blocks(neighbours, rows).astype(np.intp)
        differs = self.targets_[near] != given[:, None]
        if themselves:
            own = near == np.arange(len(near))[:, None]
            own[~own.any(axis=1), -1] = True  # hidden among equal rows
            differs &= ~own
        return np.asarray(differs.sum(axis=1) / k)

    def _mean_rank(self, unsure: FloatArray, other: FloatArray) -> FloatArray:
        return (_rank(self.unsure_, unsure) + _rank(self.other_, other)) / 2.0

    def score_samples(self, X: Any) -> FloatArray:
        """Return the mean rank of the two signs, shape ``(n,)``, 0 to 1: higher = riskier."""
        check_is_fitted(self)
        probabilities = check_probabilities(self.model_.predict(X))
        if self.features is None:
            rows = self.table_.design(self.table_.encode(X))
        else:
            rows = np.asarray(self.features(X), dtype=np.float64)
        given = probabilities.argmax(axis=1)
        other = self._disagreement(rows, given, themselves=False)
        return self._mean_rank(1.0 - probabilities.max(axis=1), other)

    def predict(self, X: Any) -> FloatArray:
        """Return the probability that the model is wrong on each row, shape ``(n,)``.

        Rows on the same step of the step function are told apart by a millionth of their rank.
        """
        rank = self.score_samples(X)
        return np.asarray(np.clip(self.step_.predict(rank) + 1e-6 * (rank - 0.5), 0.0, 1.0))

    def flag(self, X: Any, risk: float = 0.2) -> BoolArray:
        """Return which rows have a risk above ``risk``."""
        return np.asarray(self.predict(X) > check_fraction("risk", risk))


def _rank(reference: FloatArray, values: FloatArray) -> FloatArray:
    """Return the share of sorted reference values below each value, ties counted half."""
    left = np.searchsorted(reference, values, side="left")
    right = np.searchsorted(reference, values, side="right")
    return np.asarray((left + right) / (2.0 * len(reference)))
