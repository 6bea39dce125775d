"""One tree that stands in for the model, learnt from its answers."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from blackbox_xai._checks import check_choice, check_int
from blackbox_xai.protocols import FloatArray, IntArray
from blackbox_xai.surrogates.base import Surrogate, folds_of, plans_for
from blackbox_xai.surrogates.fidelity import Curve
from blackbox_xai.surrogates.lines import constant_lines, evaluate
from blackbox_xai.surrogates.nodes import cut, reading_order, route, shrink
from blackbox_xai.surrogates.rules import Rules
from blackbox_xai.surrogates.search import Growth, Material, Searched, build, search
from blackbox_xai.surrogates.stability import Stability, bootstrap_stability

__all__ = ["SurrogateTree"]

_CURVE = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
_MOST = 32


class SurrogateTree(Surrogate):
    """A small tree that imitates a model, with its fidelity on rows it has not seen.

    The tree learns the model's scores (not its labels) on the rows given and on synthetic rows
    that resemble them. Whether synthetic rows help, and how much leaves are shrunk towards their
    parents, is decided by cross-validation, which costs no model rows. Rows that are there more
    than once are put to the model once.

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
    plan_ : Plan
        How synthetic rows are used.
    r2_by_sampler_ : dict
        Cross-validated R2 of each way that was tried.
    strength_ : float
        Shrinkage of leaves towards their parents, as a share of the weight of all rows.
    unrealistic_ : float
        Share of synthetic rows farther from the reference than 95 % of its own rows.
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

    def _check(self) -> None:
        check_choice("leaf", self.leaf, ("constant", "linear"))
        if self.max_leaves != "auto":
            check_int("max_leaves", self.max_leaves, minimum=1)
        check_int("terms", self.terms, minimum=1)
        check_int("min_samples_leaf", self.min_samples_leaf, minimum=1)

    def _growth(self, max_leaves: int) -> Growth:
        terms = self.terms if self.leaf == "linear" else 0
        return Growth(max_leaves, self.min_samples_leaf, terms)

    def _learn(self, material: Material) -> FloatArray:
        n = material.n_reference
        top = _MOST if self.max_leaves == "auto" else int(self.max_leaves)
        grid = tuple(sorted({*(size for size in _CURVE if size <= max(top, _MOST)), top}))
        found = search(
            material,
            plans_for(material),
            self._growth(max(grid)),
            n_leaves=top,
            grid=grid,
            folds=folds_of(material, self.random_state),
            seed=self.random_state,
        )
        self.curve_ = _curve(found, material.scores[:n])
        if self.max_leaves == "auto":
            top = self.curve_.one_se
        self.plan_, self.strength_ = found.plan, found.strength
        rng = np.random.default_rng(self.random_state)
        nodes, lines = build(material, found.plan, self._growth(max(grid)), rng)
        self.nodes_ = cut(nodes, top)
        self.lines_ = lines or constant_lines(
            shrink(self.nodes_, found.strength * self.nodes_.weight[0])
        )
        self.order_ = reading_order(self.nodes_, self.table_.is_category)
        self.n_leaves_ = len(self.order_)
        self.r2_by_sampler_ = found.r2_by_plan
        return np.asarray(found.said[grid.index(top)])

    def _say(self, design: FloatArray) -> FloatArray:
        return evaluate(self.lines_, route(self.nodes_, design), design)

    def _leaves(self, design: FloatArray) -> tuple[IntArray, FloatArray]:
        at = route(self.nodes_, design)
        place = np.full(len(self.nodes_.left), -1)
        place[self.order_] = np.arange(len(self.order_))
        return np.asarray(place[at], dtype=np.intp), self.nodes_.value[self.order_]

    def _keep(self, material: Material) -> None:
        self.material_ = material

    def apply(self, X: Any) -> IntArray:
        """Return the leaf of each row, numbered from 0 as in the rules, shape ``(n,)``."""
        return self._leaves(self._read(X))[0]

    def stability(self, n_boot: int = 8, n_jobs: int = 1) -> Stability:
        """Compare trees grown on bootstrap resamples of the reference rows.

        Costs no model rows: a resample keeps the synthetic rows made from rows it holds, so it
        has fewer than the tree itself, and the figures err on the unstable side.

        Parameters
        ----------
        n_boot : int
            Resamples, at least 2.
        n_jobs : int
            Trees grown side by side; the numbers do not depend on it.

        Returns
        -------
        Stability
        """
        check_is_fitted(self)
        check_int("n_boot", n_boot, minimum=2)
        return bootstrap_stability(
            self.material_,
            self.plan_,
            self._growth(self.n_leaves_),
            self.strength_,
            n_boot=n_boot,
            n_jobs=n_jobs,
            seed=self.random_state,
        )

    @property
    def rules_(self) -> Rules:
        """The tree in words (``str``), and as ``.python()``, ``.sql()``, ``.json()``."""
        check_is_fitted(self)
        return Rules(self.nodes_, self.lines_, self.table_, self.output_names_, self.order_)

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
        for i, node in enumerate(self.order_):
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
