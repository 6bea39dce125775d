"""A sum of small trees: for models that add up effects, shorter than one tree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from blackbox_xai._checks import check_int
from blackbox_xai.protocols import FloatArray
from blackbox_xai.surrogates.base import Surrogate, folds_of, plans_for
from blackbox_xai.surrogates.lines import constant_lines
from blackbox_xai.surrogates.nodes import Nodes, reading_order, route
from blackbox_xai.surrogates.rules import Rules
from blackbox_xai.surrogates.search import Material, select

__all__ = ["SurrogateSum"]


@dataclass(frozen=True, eq=False)
class _Candidate:
    """The best next split of one leaf, and how much squared error it removes."""

    gain: float
    feature: int
    threshold: float


class _Growing:
    """One tree of the sum while it grows."""

    def __init__(self, n: int, k: int) -> None:
        self.feature, self.threshold = [-1], [0.0]
        self.left, self.right = [-1], [-1]
        self.value = [np.zeros(k)]
        self.at = np.zeros(n, dtype=np.intp)

    def split(self, leaf: int, candidate: _Candidate, design: FloatArray) -> None:
        """Turn a leaf into a question."""
        self.feature[leaf], self.threshold[leaf] = candidate.feature, candidate.threshold
        self.left[leaf], self.right[leaf] = len(self.left), len(self.left) + 1
        here = self.at == leaf
        goes_left = design[:, candidate.feature] <= candidate.threshold
        for child_rows, child in (
            (here & goes_left, self.left[leaf]),
            (here & ~goes_left, self.right[leaf]),
        ):
            self.at[child_rows] = child
            self.feature.append(-1)
            self.threshold.append(0.0)
            self.left.append(-1)
            self.right.append(-1)
            self.value.append(self.value[leaf].copy())

    def leaves(self) -> list[int]:
        """Return the numbers of the leaves."""
        return [node for node, child in enumerate(self.left) if child < 0]

    def said(self) -> FloatArray:
        """Return what the tree says of the rows it grows on."""
        return np.stack(self.value)[self.at]

    def finished(self) -> Nodes:
        """Return the tree as arrays."""
        return Nodes(
            feature=np.array(self.feature, dtype=np.intp),
            threshold=np.array(self.threshold),
            left=np.array(self.left, dtype=np.intp),
            right=np.array(self.right, dtype=np.intp),
            value=np.stack(self.value),
            weight=np.bincount(self.at, minlength=len(self.left)).astype(np.float64),
        )


class SurrogateSum(Surrogate):
    """A sum of trees that imitates a model, with a fixed number of splits in all.

    Each step adds the split, to any of the trees or as the root of a new one, that removes most
    of the error left. Where a model adds up effects of single columns, each tree tells one.

    Parameters
    ----------
    max_splits : int
        Splits in all trees together.
    max_trees : int
    queries, max_queries, min_samples_leaf, categorical, random_state
        As for ``SurrogateTree``.

    Attributes
    ----------
    trees_ : tuple of Nodes
    base_ : ndarray of shape (k,)
        What the sum starts from: the model's mean.
    fidelity_ : Fidelity
        Cross-fitted.
    cost_ : Ledger

    References
    ----------
    Tan, Singh, Nasseri, Agarwal, Yu (2022), Fast interpretable greedy-tree sums.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> X = np.random.default_rng(0).uniform(size=(300, 3))
    >>> f = lambda X: (X[:, 0] > 0.5) + 2.0 * (X[:, 1] > 0.3)
    >>> total = bx.SurrogateSum(max_splits=2, queries=0).fit(f, X)
    >>> len(total.trees_), total.fidelity_.r2 > 0.95
    (2, True)
    """

    def __init__(
        self,
        *,
        max_splits: int = 15,
        max_trees: int = 8,
        queries: int = 4000,
        max_queries: int | None = None,
        min_samples_leaf: int = 5,
        categorical: Any = None,
        random_state: int = 0,
    ) -> None:
        self.max_splits = max_splits
        self.max_trees = max_trees
        self.queries = queries
        self.max_queries = max_queries
        self.min_samples_leaf = min_samples_leaf
        self.categorical = categorical
        self.random_state = random_state

    def _check(self) -> None:
        check_int("max_splits", self.max_splits, minimum=1)
        check_int("max_trees", self.max_trees, minimum=1)
        check_int("min_samples_leaf", self.min_samples_leaf, minimum=1)

    def _learn(self, material: Material) -> FloatArray:
        n = material.n_reference
        folds = folds_of(material, self.random_state) % 3
        tried = {}
        for plan in plans_for(material)[:2]:
            said = np.empty((n, material.scores.shape[1]))
            for fold in range(int(folds.max()) + 1):
                held_out = folds == fold
                used, weights = select(material, plan, held_out)
                base, trees = self._grown(material.design[used], material.scores[used], weights)
                said[held_out] = _sum(base, trees, material.design[:n][held_out])
            tried[plan] = (float(((material.scores[:n] - said) ** 2).sum()), said)
        self.plan_ = min(tried, key=lambda plan: tried[plan][0])
        used, weights = select(material, self.plan_, np.zeros(n, dtype=bool))
        self.base_, self.trees_ = self._grown(material.design[used], material.scores[used], weights)
        return tried[self.plan_][1]

    def _grown(
        self, design: FloatArray, scores: FloatArray, weights: FloatArray
    ) -> tuple[FloatArray, tuple[Nodes, ...]]:
        n, k = scores.shape
        base = weights @ scores / weights.sum()
        trees: list[_Growing] = []
        residual = scores - base
        floor = 1e-12 * float((weights[:, None] * residual**2).sum())
        spread = design.std(axis=0)
        for _ in range(self.max_splits):
            fresh = [_Growing(n, k)] if len(trees) < self.max_trees else []
            options = [
                (self._candidate(design, residual, weights, tree.at == leaf, spread), tree, leaf)
                for tree in [*trees, *fresh]
                for leaf in tree.leaves()
            ]
            best, tree, leaf = max(options, key=lambda option: option[0].gain)
            if best.gain <= floor:
                break
            if fresh and tree is fresh[0]:
                trees.append(tree)
            tree.split(leaf, best, design)
            _settle(trees, scores - base, weights)
            residual = scores - base - sum(t.said() for t in trees)
        return base, tuple(tree.finished() for tree in trees)

    def _candidate(
        self,
        design: FloatArray,
        residual: FloatArray,
        weights: FloatArray,
        here: Any,
        spread: FloatArray,
    ) -> _Candidate:
        """Return the best split of the rows ``here``."""
        rows, target, w = design[here], residual[here], weights[here]
        if len(rows) < 2 * self.min_samples_leaf:
            return _Candidate(-1.0, -1, 0.0)
        scale = np.where(spread > 0, spread, 1.0)
        stump = DecisionTreeRegressor(
            max_depth=1, min_samples_leaf=self.min_samples_leaf, random_state=self.random_state
        )
        tree = stump.fit(rows / scale, target, sample_weight=w).tree_
        if tree.node_count < 3:
            return _Candidate(-1.0, -1, 0.0)
        feature = int(tree.feature[0])
        before = w @ (target - w @ target / w.sum()) ** 2
        goes_left = rows[:, feature] <= (threshold := float(tree.threshold[0] * scale[feature]))
        if goes_left.all() or not goes_left.any():
            return _Candidate(-1.0, -1, 0.0)
        after = sum(
            w[side] @ (target[side] - w[side] @ target[side] / w[side].sum()) ** 2
            for side in (goes_left, ~goes_left)
        )
        return _Candidate(float((before - after).sum()), feature, threshold)

    def _say(self, design: FloatArray) -> FloatArray:
        return _sum(self.base_, self.trees_, design)

    @property
    def rules_(self) -> tuple[Rules, ...]:
        """One ``Rules`` for each tree; ``predict`` is ``base_`` plus their sum."""
        return tuple(
            Rules(
                nodes,
                constant_lines(nodes),
                self.table_,
                self.output_names_,
                reading_order(nodes, self.table_.is_category),
            )
            for nodes in self.trees_
        )


def _settle(
    trees: list[_Growing], target: FloatArray, weights: FloatArray, rounds: int = 3
) -> None:
    """Set the leaves of each tree to the mean of what the other trees leave, a few times over."""
    said = [tree.said() for tree in trees]
    for _ in range(rounds if len(trees) > 1 else 1):
        for i, tree in enumerate(trees):
            left = target - sum(part for j, part in enumerate(said) if j != i)
            for leaf in tree.leaves():
                here = tree.at == leaf
                if here.any():
                    tree.value[leaf] = weights[here] @ left[here] / weights[here].sum()
            said[i] = tree.said()


def _sum(base: FloatArray, trees: tuple[Nodes, ...], design: FloatArray) -> FloatArray:
    said = np.tile(base, (len(design), 1))
    for nodes in trees:
        said = said + nodes.value[route(nodes, design)]
    return said
