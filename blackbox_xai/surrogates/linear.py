"""A sparse linear or logistic stand-in for the model."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.optimize import minimize
from sklearn.utils.validation import check_is_fitted

from blackbox_xai._checks import check_choice, check_int
from blackbox_xai.errors import InputError
from blackbox_xai.protocols import FloatArray, IntArray
from blackbox_xai.surrogates.base import Surrogate, folds_of, plans_for
from blackbox_xai.surrogates.search import Material, select

__all__ = ["SurrogateLinear"]

_RIDGE = 1e-3
_TINY = 1e-8


class SurrogateLinear(Surrogate):
    """A linear model in a few columns that imitates a model.

    Columns are taken up one after another, each time the one that explains most of what is left.

    Parameters
    ----------
    max_terms : int
        Columns at most; each category counts as a column of 0 and 1.
    link : {"identity", "logistic"}
        "logistic" imitates probabilities by the softmax of linear scores.
    queries, max_queries, categorical, random_state
        As for ``SurrogateTree``.

    Attributes
    ----------
    coef_ : ndarray of shape (p, k)
        Weight of each column of the design, in units of output (or log odds) for each unit of
        the column; 0 where it is not used.
    intercept_ : ndarray of shape (k,)
    terms_ : tuple of str
        Names of the columns used, in the order they were taken up.
    fidelity_ : Fidelity
        Cross-fitted.
    cost_ : Ledger

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> X = np.random.default_rng(0).normal(size=(100, 4))
    >>> line = bx.SurrogateLinear(max_terms=2, queries=0)
    >>> line.fit(lambda X: 2 * X[:, 1] - X[:, 3] + 5, X).terms_
    ('x1', 'x3')
    >>> line.coef_[:, 0].round(2)
    array([ 0.,  2.,  0., -1.])
    """

    def __init__(
        self,
        *,
        max_terms: int = 10,
        link: str = "identity",
        queries: int = 1000,
        max_queries: int | None = None,
        categorical: Any = None,
        random_state: int = 0,
    ) -> None:
        self.max_terms = max_terms
        self.link = link
        self.queries = queries
        self.max_queries = max_queries
        self.categorical = categorical
        self.random_state = random_state

    def _check(self) -> None:
        check_int("max_terms", self.max_terms, minimum=1)
        check_choice("link", self.link, ("identity", "logistic"))

    def _learn(self, material: Material) -> FloatArray:
        n = material.n_reference
        if self.link == "logistic":
            _check_shares(material.scores)
        folds = folds_of(material, self.random_state)
        best, said = None, np.empty((0, 0))
        for plan in plans_for(material):
            tried = np.empty((n, material.scores.shape[1]))
            for fold in range(int(folds.max()) + 1):
                held_out = folds == fold
                used, weights = select(material, plan, held_out)
                fitted = self._fitted(material.design[used], material.scores[used], weights)
                tried[held_out] = self._applied(fitted, material.design[:n][held_out])
            error = float(((material.scores[:n] - tried) ** 2).sum())
            if best is None or error < best[0]:
                best, said = (error, plan), tried
        plan = best[1] if best is not None else plans_for(material)[0]
        used, weights = select(material, plan, np.zeros(n, dtype=bool))
        fitted = self._fitted(material.design[used], material.scores[used], weights)
        self.coef_, self.intercept_, chosen = fitted
        self.plan_ = plan
        self.terms_ = tuple(self._term(int(j)) for j in chosen)
        return said

    def _term(self, design_column: int) -> str:
        column, category = self.table_.design_columns()[design_column]
        found = self.table_.columns[column]
        if found.categories is None:
            return found.name
        return f"{found.name} = {found.categories[category]}"

    def _fitted(
        self, design: FloatArray, scores: FloatArray, weights: FloatArray
    ) -> tuple[FloatArray, FloatArray, IntArray]:
        """Return coefficients ``(p, k)``, intercepts ``(k,)`` and the columns used."""
        w = weights / weights.sum()
        centre = w @ design
        spread = np.sqrt(w @ (design - centre) ** 2)
        usable = spread > 1e-9 * (1.0 + np.abs(centre))
        z = np.where(usable, (design - centre) / np.where(usable, spread, 1.0), 0.0)
        if self.link == "logistic":
            if scores.shape[1] == 1:
                scores = np.hstack([1.0 - scores, scores])
            scores = np.clip(scores, 0.0, None)
            scores = scores / scores.sum(axis=1, keepdims=True)
        chosen, beta = _forward(z, scores, w, self.max_terms)
        offset = w @ scores
        if self.link == "logistic":
            beta, offset = _softmax_fit(z[:, chosen], scores, w, beta)
        coef = np.zeros((design.shape[1], scores.shape[1]))
        coef[chosen] = beta / spread[chosen][:, None]
        return coef, offset - centre @ coef, chosen

    def _applied(
        self, fitted: tuple[FloatArray, FloatArray, IntArray], design: FloatArray
    ) -> FloatArray:
        linear = design @ fitted[0] + fitted[1]
        if self.link == "identity":
            return np.asarray(linear)
        shares = _softmax(linear)
        return shares[:, 1:] if len(self.output_names_) == 1 else shares

    def _say(self, design: FloatArray) -> FloatArray:
        check_is_fitted(self)
        return self._applied((self.coef_, self.intercept_, np.empty(0, np.intp)), design)


def _check_shares(scores: FloatArray) -> None:
    sums = scores.sum(axis=1)
    single = scores.shape[1] == 1
    fits = (scores >= -1e-6).all() and (scores <= 1 + 1e-6).all()
    if not fits or (not single and np.abs(sums - 1).max() > 1e-3):
        raise InputError(
            "link='logistic' needs a model that gives probabilities. Use link='identity', or "
            "pass the model's predict_proba."
        )


def _forward(
    z: FloatArray, target: FloatArray, w: FloatArray, max_terms: int
) -> tuple[IntArray, FloatArray]:
    """Return the columns taken up and their ridge coefficients ``(terms, k)``."""
    gram = (z * w[:, None]).T @ z
    moment = (z * w[:, None]).T @ (target - w @ target)
    scale = float(np.abs(moment).max())
    chosen: list[int] = []
    beta = np.zeros((0, target.shape[1]))
    for _ in range(min(max_terms, z.shape[1])):
        left = moment - gram[:, chosen] @ beta
        gain = (left**2).sum(axis=1)
        gain[chosen] = -1.0
        best = int(gain.argmax())
        if gain[best] <= (1e-9 * scale) ** 2:
            break
        chosen.append(best)
        part = gram[np.ix_(chosen, chosen)] + _TINY * np.eye(len(chosen))
        beta = np.asarray(np.linalg.solve(part, moment[chosen]), dtype=np.float64)
    return np.array(chosen, dtype=np.intp), beta


def _softmax(linear: FloatArray) -> FloatArray:
    raised = np.exp(linear - linear.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def _softmax_fit(
    z: FloatArray, shares: FloatArray, w: FloatArray, start: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Fit softmax scores to probabilities by weighted cross entropy; return slopes and offsets."""
    terms, k = z.shape[1], shares.shape[1]
    ones = np.hstack([z, np.ones((len(z), 1))])

    def loss(flat: FloatArray) -> tuple[float, FloatArray]:
        theta = flat.reshape(terms + 1, k)
        said = _softmax(ones @ theta)
        penalty = _RIDGE * float((theta[:-1] ** 2).sum())
        value = -float((w @ (shares * np.log(np.maximum(said, 1e-12)))).sum()) + penalty
        slope = (ones * w[:, None]).T @ (said - shares)
        slope[:-1] += 2 * _RIDGE * theta[:-1]
        return value, slope.ravel()

    begin = np.zeros((terms + 1, k))
    begin[:-1] = start
    found = minimize(loss, begin.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    theta = np.asarray(found.x).reshape(terms + 1, k)
    return theta[:-1], theta[-1]
