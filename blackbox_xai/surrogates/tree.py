"""One tree that stands in for the model, learnt from its answers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from blackbox_xai._checks import check_choice, check_int
from blackbox_xai._tables import learn_table
from blackbox_xai.adapters import as_model
from blackbox_xai.errors import BudgetError, InputError
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray, IntArray
from blackbox_xai.surrogates.fidelity import Curve, Fidelity, explained, measure
from blackbox_xai.surrogates.lines import constant_lines, evaluate
from blackbox_xai.surrogates.nodes import cut, route, shrink
from blackbox_xai.surrogates.rules import Rules
from blackbox_xai.surrogates.sampling import mixed, neighbours
from blackbox_xai.surrogates.search import Growth, Material, Plan, Searched, build, search

__all__ = ["SurrogateTree"]

_CURVE = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_MIN_ROWS = 10


class SurrogateTree(BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """A small tree that imitates a model, with its fidelity on rows it has not seen.

    The tree learns the model's scores (not its labels) on the rows given and on synthetic rows
    that resemble them. Whether synthetic rows help, and how much leaves are shrunk towards their
    parents, is decided by cross-validation, which costs no model rows.

    Parameters
    ----------
    max_leaves : int or "auto"
        Leaves at most. "auto" takes the fewest, up to 32, whose fidelity is within one standard
        error of the best.
    leaf : {"constant", "linear"}
        What a leaf says: its mean, or a line in at most ``terms`` columns.
    terms : int
        Columns in the line of a linear leaf.
    queries : int
        Synthetic rows put to the model; 0 for none.
    max_queries : int, optional
        Hard bound on all model rows of a fit, the reference rows included.
    min_samples_leaf : int
        Rows that every leaf must hold, synthetic ones counted.
    categorical : sequence of str or int, optional
        Columns of numbers that are to be read as categories.
    random_state : int

    Attributes
    ----------
    fidelity_ : Fidelity
        Cross-fitted: each row is judged by trees that saw neither it nor a row made from it.
    curve_ : Curve
        Fidelity against the number of leaves.
    n_leaves_ : int
    chosen_ : dict
        The sampler and shrinkage chosen, and the cross-validated R2 of each sampler.
    cost_ : Ledger
        Model rows spent by ``fit``.

    References
    ----------
    Craven, Shavlik (1996), Extracting tree-structured representations of trained networks.
    Agarwal, Tan, Ronen, Singh, Yu (2022), Hierarchical Shrinkage.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> X = np.random.default_rng(0).uniform(size=(200, 3))
    >>> tree = bx.SurrogateTree(max_leaves=2).fit(lambda X: (X[:, 1] > 0.5) * 1.0, X)
    >>> tree.fidelity_.r2 > 0.95
    True
    >>> print(tree.rules_)  # doctest: +ELLIPSIS
    if x1 <= 0.5...
    """

    def __init__(
        self,
        *,
        max_leaves: Any = 8,
        leaf: str = "constant",
        terms: int = 2,
        queries: int = 4000,
        max_queries: int | None = None,
        min_samples_leaf: int = 5,
        categorical: Any = None,
        random_state: int = 0,
    ) -> None:
        self.max_leaves = max_leaves
        self.leaf = leaf
        self.terms = terms
        self.queries = queries
        self.max_queries = max_queries
        self.min_samples_leaf = min_samples_leaf
        self.categorical = categorical
        self.random_state = random_state

    def fit(self, model: Any, X: Any) -> SurrogateTree:
        """Learn to imitate ``model`` on rows like ``X``.

        Parameters
        ----------
        model : object
            Anything ``as_model`` takes.
        X : array, pandas or polars frame of shape (n, d)
            Rows as the model takes them, preferably none it was trained on.

        Returns
        -------
        SurrogateTree

        Raises
        ------
        InputError
            For settings or rows that cannot be used.
        BudgetError
            When ``max_queries`` does not cover the rows of ``X``; nothing is sent.
        """
        self._check()
        black_box = as_model(model)
        self.table_, rows = learn_table(X, self.categorical)
        if len(rows) < _MIN_ROWS:
            raise InputError(f"X must have at least {_MIN_ROWS} rows, got {len(rows)}.")
        n_made = self._n_synthetic(len(rows))
        rng = np.random.default_rng(self.random_state)
        scores, self.cost_ = black_box.predict_counted(X)
        self.output_names_ = black_box.name_outputs(scores.shape[1])
        self.scale_ = black_box.scale
        made, parents, source = self._synthetic(rows, n_made, rng)
        if n_made:
            answers, cost = black_box.predict_counted(self.table_.decode(made))
            scores, self.cost_ = np.concatenate([scores, answers]), self.cost_ + cost
        material = Material(
            design=self.table_.design(np.concatenate([rows, made])),
            scores=scores,
            parents=parents,
            source=source,
            n_reference=len(rows),
        )
        self._learn(material)
        return self

    def _check(self) -> None:
        check_choice("leaf", self.leaf, ("constant", "linear"))
        if self.max_leaves != "auto":
            check_int("max_leaves", self.max_leaves, minimum=1)
        check_int("terms", self.terms, minimum=1)
        check_int("queries", self.queries, minimum=0)
        check_int("min_samples_leaf", self.min_samples_leaf, minimum=1)
        if self.max_queries is not None:
            check_int("max_queries", self.max_queries, minimum=1)

    def _n_synthetic(self, n_rows: int) -> int:
        if self.max_queries is None:
            return int(self.queries)
        if self.max_queries < n_rows:
            raise BudgetError(
                f"max_queries = {self.max_queries} does not cover the {n_rows} rows of X, which "
                "the model must score. Raise it or pass fewer rows."
            )
        return int(min(self.queries, self.max_queries - n_rows))

    def _synthetic(
        self, rows: FloatArray, n: int, rng: np.random.Generator
    ) -> tuple[FloatArray, IntArray, IntArray]:
        if not n:
            empty = np.empty((0, 3), dtype=np.intp)
            return rows[:0], empty, empty[:, 0]
        near = neighbours(self.table_, rows, 25)
        first = mixed(self.table_, rows, near[:, :10], n - n // 2, rng)
        second = mixed(self.table_, rows, near, n // 2, rng)
        source = np.repeat([0, 1], [n - n // 2, n // 2])
        made = np.concatenate([first[0], second[0]])
        return made, np.concatenate([first[1], second[1]]), source

    def _learn(self, material: Material) -> None:
        n = material.n_reference
        top = 32 if self.max_leaves == "auto" else int(self.max_leaves)
        grid = tuple(sorted({*_CURVE, top}))
        growth = Growth(
            max_leaves=max(grid),
            min_leaf=self.min_samples_leaf,
            terms=self.terms if self.leaf == "linear" else 0,
        )
        folds = np.random.default_rng(self.random_state).permutation(n) % (10 if n < 400 else 5)
        plans = [Plan("no synthetic rows", ())]
        if len(material.scores) > n:
            plans += [Plan("mixed", (0, 1)), Plan("mixed, reference 70 %", (0, 1), 0.7)]
        found = search(
            material, plans, growth, n_leaves=top, grid=grid, folds=folds, seed=self.random_state
        )
        self.curve_ = _curve(found, material.scores[:n])
        if self.max_leaves == "auto":
            top = self.curve_.one_se
        choice = found.choice
        rng = np.random.default_rng(self.random_state)
        nodes, lines = build(material, choice.plan, growth, rng)
        nodes = cut(nodes, top)
        self.lines_ = lines or constant_lines(shrink(nodes, choice.strength))
        self.nodes_ = nodes
        self.n_leaves_ = len(nodes.leaves)
        self.n_features_in_ = len(self.table_.columns)
        self.chosen_ = {
            "sampler": choice.plan.name,
            "shrinkage": choice.strength,
            "r2_by_sampler": choice.r2_by_plan,
        }
        self.fidelity_ = self._measured(material, choice.said)

    def _measured(self, material: Material, said: FloatArray) -> Fidelity:
        n = material.n_reference
        design, scores = material.design[:n], material.scores[:n]
        own = evaluate(self.lines_, route(self.nodes_, design), design)
        return self._measure(scores, said, design, explained(scores, own), "cross-fitted")

    def _measure(
        self, scores: FloatArray, said: FloatArray, design: FloatArray, train_r2: float, how: str
    ) -> Fidelity:
        leaves = self.nodes_.leaves
        return measure(
            scores,
            said,
            scale=self.scale_,
            output_names=self.output_names_,
            train_r2=train_r2,
            how=how,
            rng=np.random.default_rng(self.random_state),
            leaf_of=np.searchsorted(leaves, route(self.nodes_, design)),
            n_leaves=len(leaves),
            leaf_values=self.lines_.intercept[leaves],
        )

    def predict(self, X: Any) -> FloatArray:
        """Return what the tree says, shape ``(n, k)``, in units of the model's output."""
        check_is_fitted(self)
        design = self.table_.design(self.table_.encode(X))
        return evaluate(self.lines_, route(self.nodes_, design), design)

    def apply(self, X: Any) -> IntArray:
        """Return the leaf of each row, numbered from 0 as in the rules, shape ``(n,)``."""
        check_is_fitted(self)
        design = self.table_.design(self.table_.encode(X))
        found = np.searchsorted(self.nodes_.leaves, route(self.nodes_, design))
        return np.asarray(found, dtype=np.intp)

    def evaluate(self, model: Any, X: Any) -> Fidelity:
        """Measure fidelity on other rows, which the tree must not have seen.

        Returns
        -------
        Fidelity
        """
        check_is_fitted(self)
        scores = as_model(model).predict(X)
        design = self.table_.design(self.table_.encode(X))
        said = evaluate(self.lines_, route(self.nodes_, design), design)
        return self._measure(scores, said, design, self.fidelity_.train_r2, "held-out rows")

    @property
    def rules_(self) -> Rules:
        """The tree in words (``str``), and as ``.python()``, ``.sql()``, ``.json()``."""
        check_is_fitted(self)
        return Rules(self.nodes_, self.lines_, self.table_, self.output_names_)

    def plot(self, ax: Any = None) -> Any:
        """Draw the tree.

        Returns
        -------
        Axes
        """
        from blackbox_xai.plotting.tree import plot_tree

        rules, nodes = self.rules_, self.nodes_
        inner = nodes.left >= 0
        asks = [rules.split(i) if inner[i] else None for i in range(len(inner))]
        swap = np.array([ask is not None and ask.is_category for ask in asks])
        leaves = {leaf.leaf: leaf for leaf in self.fidelity_.leaves}
        notes = [""] * len(inner)
        for i, node in enumerate(nodes.leaves):
            notes[node] = "  imitated badly" if leaves[i].flagged else ""
        return plot_tree(
            np.where(swap, nodes.right, nodes.left),
            np.where(swap, nodes.left, nodes.right),
            ["" if ask is None else rules.phrase(ask, True) for ask in asks],
            nodes.value,
            nodes.weight / nodes.weight[0],
            output_names=self.output_names_,
            notes=notes,
            ax=ax,
        )


def _curve(found: Searched, scores: FloatArray) -> Curve:
    """Turn squared errors of folds into R2 with standard errors."""
    n_folds = found.errors.shape[1]
    variance = float(((scores - scores.mean(axis=0)) ** 2).sum()) / n_folds
    if not variance > 0:
        nan = (float("nan"),) * len(found.n_leaves)
        return Curve(n_leaves=found.n_leaves, r2=nan, std_err=nan, best=1, one_se=1)
    by_fold = 1 - found.errors / variance
    r2 = by_fold.mean(axis=1)
    std_err = by_fold.std(axis=1, ddof=1) / np.sqrt(n_folds)
    best = int(np.argmax(r2))
    # the standard error of the difference: folds share their luck
    behind = by_fold[best] - by_fold
    margin = behind.std(axis=1, ddof=1) / np.sqrt(n_folds)
    close = behind.mean(axis=1) <= np.maximum(margin, 1e-12)
    return Curve(
        n_leaves=found.n_leaves,
        r2=tuple(float(v) for v in r2),
        std_err=tuple(float(v) for v in std_err),
        best=found.n_leaves[best],
        one_se=found.n_leaves[int(np.flatnonzero(close)[0])],
    )
