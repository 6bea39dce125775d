"""What every detector shares: features, calibration rows, p-values, decisions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from blackbox_xai._checks import check_choice, check_fraction
from blackbox_xai.errors import InputError
from blackbox_xai.ood.conformal import (
    at_least,
    check_alpha,
    false_discovery,
    harmonic,
    self_ranks,
)
from blackbox_xai.ood.features import Readable, learn_reader
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray

__all__ = ["Detector"]

_MIN_ROWS = 8
_MARGIN, _FEW, _MANY = 0.7, 200, 300  # standard errors added up to few rows, none from many on


class Detector(TransformerMixin, BaseEstimator, ABC):  # type: ignore[misc]  # untyped bases
    """Base of detectors: a subclass fits members on some rows and scores others.

    Rows that members are fitted to never calibrate them: with ``calibration="split"`` a quarter
    of the rows is kept back; with "cross" every row is scored by members fitted without it.
    """

    alpha: float
    features: Any
    calibration: str
    categorical: Any
    random_state: int

    @abstractmethod
    def _fit_members(
        self, features: FloatArray, rng: np.random.Generator, targets: FloatArray | None
    ) -> Any:
        """Return members fitted to these rows, and to the model's scores of them if needed."""

    @abstractmethod
    def _score_members(self, members: Any, features: Any) -> FloatArray:
        """Return scores ``(n, members)``, higher = stranger, each row on its own."""

    @abstractmethod
    def _member_names(self) -> tuple[str, ...]:
        """Return the names of the columns of ``_score_members``."""

    def _member_weights(self) -> FloatArray:
        """Return how much each member counts when they are combined."""
        return np.ones(len(self._member_names()))

    def _learn(self, X: Any, *, with_hog: bool = False) -> None:
        """Fit and calibrate on reference rows."""
        self._check_shared()
        reader, features = learn_reader(X, self.features, self.categorical, with_hog=with_hog)
        self._calibrate(reader, features)

    def _check_shared(self) -> None:
        check_choice("calibration", self.calibration, ("split", "cross"))
        check_fraction("alpha", self.alpha)

    def _calibrate(
        self, reader: Readable, features: FloatArray, targets: FloatArray | None = None
    ) -> None:
        """Fit members and keep the scores of rows they were fitted without."""
        self.reader_ = reader
        n = len(features)
        if n < _MIN_ROWS:
            raise InputError(f"X must have at least {_MIN_ROWS} rows, got {n}.")
        self.n_features_in_ = reader.n_columns
        rng = np.random.default_rng(self.random_state)
        self.members_: list[Any] = []
        scores = []
        for held_out in _held_out(n, self.calibration, rng):
            kept = np.delete(np.arange(n), held_out)
            of_kept = None if targets is None else targets[kept]
            self.members_.append(self._fit_members(features[kept], rng, of_kept))
            scores.append(self._score_members(self.members_[-1], features[held_out]))
        self.calibration_scores_ = scores
        self.n_calibration_ = sum(len(part) for part in scores)
        own = _own_ranks(np.concatenate(scores))
        self.evidence_ = np.sort(np.log(harmonic(own, self._member_weights())))
        self.finest_ = float(self._final(np.array([np.inf]))[0])
        self.offset_ = -self._threshold(self.alpha)

    def _final(self, evidence: FloatArray) -> FloatArray:
        """Return p-values of the combined evidence.

        Cross-conformal p-values have no exact guarantee, and how far off they are varies most
        where reference rows are few: below 300 rows up to 0.7 standard errors are added, but for
        rows stranger than all reference rows.
        """
        n = len(self.evidence_)
        above = at_least(self.evidence_, evidence)
        p = (1.0 + above) / (n + 1.0)
        if self.calibration == "cross":
            errors = _MARGIN * min(max((_MANY - n) / (_MANY - _FEW), 0.0), 1.0)
            p = np.minimum(p + (above > 0) * errors * np.sqrt(p * (1.0 - p) / n), 1.0)
        return p

    def _threshold(self, alpha: float) -> float:
        """Return the calibration evidence above which rows are flagged at ``alpha``, or inf."""
        flagged = self._final(np.nextafter(self.evidence_, np.inf)) <= alpha
        return float(self.evidence_[flagged].min()) if flagged.any() else np.inf

    def _scored(self, X: Any) -> tuple[FloatArray, FloatArray]:
        """Return the members' p-values ``(n, members)`` and their combined evidence ``(n,)``.

        The evidence is the log of the harmonic combination. Both are means over the fits; a mean
        over p-values before they are combined would make new rows look too ordinary.
        """
        check_is_fitted(self)
        features = self.reader_.read(X)
        pooled = np.concatenate(self.calibration_scores_)
        p_values = np.zeros((len(features), pooled.shape[1]))
        evidence = np.zeros(len(features))
        for members in self.members_:
            p, ranked = _new_ranks(pooled, self._score_members(members, features))
            p_values += p / len(self.members_)
            evidence += np.log(harmonic(ranked, self._member_weights())) / len(self.members_)
        return p_values, evidence

    def p_values(self, X: Any) -> FloatArray:
        """Return the p-value of each row, shape ``(n,)``: low means unlike the reference.

        At most a share ``alpha`` of rows that are like the reference gets ``alpha`` or less.
        """
        return self._final(self._scored(X)[1])

    def flag(self, X: Any, alpha: float | None = None) -> BoolArray:
        """Return which rows are unlike the reference, at a false-alarm rate ``alpha``.

        Raises
        ------
        InputError
            When ``alpha`` is finer than ``finest_``, the smallest p-value that the number of
            calibration rows allows.
        """
        check_is_fitted(self)
        level = self.alpha if alpha is None else check_fraction("alpha", alpha)
        check_alpha(level, self.finest_, self.n_calibration_)
        return np.asarray(self.p_values(X) <= level)

    def discoveries(self, X: Any, alpha: float = 0.1) -> BoolArray:
        """Return which rows of a batch to look at, with a false-discovery rate of ``alpha``.

        Unlike every other method, this decides on the batch as a whole.
        """
        return false_discovery(self.p_values(X), check_fraction("alpha", alpha))

    def score_samples(self, X: Any) -> FloatArray:
        """Return scores ``(n,)``, higher = more like the reference, as scikit-learn has it."""
        return -self._scored(X)[1]

    def decision_function(self, X: Any) -> FloatArray:
        """Return ``score_samples - offset_``: negative for strange rows."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> IntArray:
        """Return 1 for rows like the reference, -1 for those flagged at ``self.alpha``."""
        return np.where(self.flag(X), -1, 1)

    def plot(self, X: Any, ax: Any = None) -> Any:
        """Draw the p-values of rows beside what rows like the reference would give.

        Returns
        -------
        Axes
        """
        from blackbox_xai.plotting.ood import plot_p_values

        return plot_p_values(self.p_values(X), alpha=self.alpha, ax=ax)

    def transform(self, X: Any) -> FloatArray:
        """Return the p-value and those of the members, shape ``(n, 1 + members)``."""
        members, evidence = self._scored(X)
        return np.column_stack([self._final(evidence), members])

    def get_feature_names_out(self, input_features: Any = None) -> Any:
        """Return the names of the columns of ``transform``, whatever ``input_features`` are."""
        del input_features
        names = ["p_value", *(f"p_{name}" for name in self._member_names())]
        return np.array(names, dtype=object)


def _held_out(n: int, calibration: str, rng: np.random.Generator) -> list[IntArray]:
    order = rng.permutation(n)
    if calibration == "split":
        return [np.sort(order[: max(n // 4, 1)])]
    return [np.sort(part) for part in np.array_split(order, min(5, n))]


def _new_ranks(known: FloatArray, scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return p-values ``(n, members)`` of new scores, and the same with a bonus at the top.

    Above the highest known score p-values do not fall any more; the bonus keeps the order there.
    """
    counts = np.stack([at_least(a, b) for a, b in zip(known.T, scores.T, strict=True)], axis=1)
    p = (1.0 + counts) / (len(known) + 1.0)
    beyond = np.stack([_beyond(a, b) for a, b in zip(known.T, scores.T, strict=True)], axis=1)
    return p, np.where(counts == 0, p / (1.0 + beyond), p)


def _own_ranks(scores: FloatArray) -> FloatArray:
    """Return p-values of the calibration rows, each ranked among the others and itself.

    The highest gets the bonus that a new row so far above the others would get: without it new
    rows would win every tie at the top, and be flagged too often.
    """
    found = np.stack([self_ranks(column) for column in scores.T], axis=1)
    for m, column in enumerate(scores.T):
        top = int(column.argmax())
        found[top, m] /= 1.0 + _beyond(np.delete(column, top), column[top : top + 1])[0]
    return found


def _beyond(known: FloatArray, scores: FloatArray) -> FloatArray:
    """Return how far scores lie above the highest known one, in median absolute deviations."""
    spread = float(np.median(np.abs(known - np.median(known))))
    top = float(known.max())
    return np.maximum(scores - top, 0.0) / max(spread, 1e-9 * (1.0 + abs(top)))
