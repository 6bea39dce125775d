"""What every surrogate shares: queries, their price, and fidelity on rows not seen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from blackbox_xai._checks import check_int
from blackbox_xai._inputs import pick_rows
from blackbox_xai._tables import Table, learn_table
from blackbox_xai.adapters import as_model
from blackbox_xai.errors import BudgetError, InputError
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray, IntArray, Scale
from blackbox_xai.surrogates.copies import row_weights
from blackbox_xai.surrogates.fidelity import Fidelity
from blackbox_xai.surrogates.measuring import explained, measure
from blackbox_xai.surrogates.sampling import realistic
from blackbox_xai.surrogates.search import Material, Plan

__all__ = ["Surrogate", "folds_of", "plans_for"]

_MIN_ROWS = 10


class Surrogate(BaseEstimator, ABC):  # type: ignore[misc]  # scikit-learn ships no types
    """Base of surrogates: a subclass learns from rows with known scores, and says scores."""

    queries: int
    max_queries: int | None
    categorical: Any
    random_state: int

    table_: Table
    fidelity_: Fidelity
    cost_: Ledger
    output_names_: tuple[str, ...]
    scale_: Scale

    @abstractmethod
    def _check(self) -> None:
        """Check the settings of the subclass."""

    @abstractmethod
    def _learn(self, material: Material) -> FloatArray:
        """Learn from rows with known scores; return cross-fitted predictions ``(n, k)``."""

    @abstractmethod
    def _say(self, design: FloatArray) -> FloatArray:
        """Return scores ``(n, k)`` of rows of the design."""

    def _leaves(
        self,
        design: FloatArray,  # noqa: ARG002
    ) -> tuple[IntArray | None, FloatArray | None]:
        """Return the leaf of each row and what each leaf says, or None for no leaves."""
        return None, None

    def fit(self, model: Any, X: Any) -> Any:
        """Learn to imitate ``model`` on rows like ``X``.

        Parameters
        ----------
        model : object
            Anything ``as_model`` takes.
        X : array, pandas or polars frame of shape (n, d)
            Rows as the model takes them, preferably none it was trained on.

        Returns
        -------
        self

        Raises
        ------
        InputError
            For settings or rows that cannot be used.
        BudgetError
            When ``max_queries`` does not cover the distinct rows of ``X``; nothing is sent.
        """
        self._check()
        check_int("queries", self.queries, minimum=0)
        if self.max_queries is not None:
            check_int("max_queries", self.max_queries, minimum=1)
        black_box = as_model(model)
        self.table_, rows = learn_table(X, self.categorical)
        if len(rows) < _MIN_ROWS:
            raise InputError(f"X must have at least {_MIN_ROWS} rows, got {len(rows)}.")
        first, group = _distinct(rows)
        n_made = self._n_synthetic(len(first))
        weight = row_weights(group)
        of_distinct = np.bincount(group, weight).astype(np.float64)
        made, parents, self.unrealistic_ = realistic(
            self.table_, rows[first], of_distinct, n_made, self.random_state
        )
        scores, self.cost_ = black_box.predict_counted(pick_rows(X, first))
        scores = scores[group]
        self.output_names_ = black_box.name_outputs(scores.shape[1])
        self.scale_ = black_box.scale
        if n_made:
            answers, cost = black_box.predict_counted(self.table_.decode(made))
            scores, self.cost_ = np.concatenate([scores, answers]), self.cost_ + cost
        design = self.table_.design(np.concatenate([rows, made]))
        n = len(rows)
        material = Material(design, scores, first[parents], group, weight)
        self.n_features_in_ = len(self.table_.columns)
        said = self._learn(material)
        train_r2 = explained(scores[:n], self._say(design[:n]))
        self.fidelity_ = self._measure(scores[:n], said, design[:n], train_r2, "cross-fitted")
        self._keep(material)
        return self

    def _keep(self, material: Material) -> None:
        """Keep what later methods need of the rows."""

    def _n_synthetic(self, n_rows: int) -> int:
        if self.max_queries is None:
            return int(self.queries)
        if self.max_queries < n_rows:
            raise BudgetError(
                f"max_queries = {self.max_queries} does not cover the {n_rows} distinct rows of X, "
                "which the model must score. Raise it or pass fewer rows."
            )
        return int(min(self.queries, self.max_queries - n_rows))

    def _measure(
        self, scores: FloatArray, said: FloatArray, design: FloatArray, train_r2: float, how: str
    ) -> Fidelity:
        leaf_of, leaf_values = self._leaves(design)
        return measure(
            scores,
            said,
            scale=self.scale_,
            output_names=self.output_names_,
            train_r2=train_r2,
            how=how,
            rng=np.random.default_rng(self.random_state),
            leaf_of=leaf_of,
            leaf_values=leaf_values,
        )

    def _read(self, X: Any) -> FloatArray:
        check_is_fitted(self)
        return self.table_.design(self.table_.encode(X))

    def predict(self, X: Any) -> FloatArray:
        """Return what the surrogate says, shape ``(n, k)``, in units of the model's output."""
        return self._say(self._read(X))

    def evaluate(self, model: Any, X: Any) -> Fidelity:
        """Measure fidelity on other rows, which the surrogate must not have seen.

        Costs one model row for each row of ``X``.
        """
        design = self._read(X)
        scores = as_model(model).predict(X)
        return self._measure(
            scores, self._say(design), design, self.fidelity_.train_r2, "held-out rows"
        )


def folds_of(material: Material, seed: int) -> IntArray:
    """Return the fold of each reference row: copies in one, more folds where rows are few."""
    n = int(material.group.max()) + 1
    if n == 1:  # all rows are copies of one
        return np.arange(material.n_reference) % 2
    folds = min(10 if n < 200 else 5, n)
    return np.asarray((np.random.default_rng(seed).permutation(n) % folds)[material.group])


def _distinct(rows: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the first row of each set of copies, in order, and the set of each row."""
    _, first, group = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.argsort(order)
    return first[order].astype(np.intp), place[group.ravel()].astype(np.intp)


def plans_for(material: Material) -> list[Plan]:
    """Return the ways to use synthetic rows that are tried."""
    plans = [Plan("no synthetic rows", synthetic=False)]
    if len(material.scores) > material.n_reference:
        plans += [Plan("mixed"), Plan("mixed, reference 70 %", reference_share=0.7)]
    return plans
