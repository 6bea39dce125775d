"""A tree as arrays: growing, cutting back, routing rows, and what its leaves say."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from sklearn.tree import DecisionTreeRegressor

from blackbox_xai.protocols import BoolArray, FloatArray, IntArray

__all__ = ["Nodes", "cut", "grow", "reading_order", "refit", "route", "shrink", "tidy"]


@dataclass(frozen=True, eq=False)
class Nodes:
    """A binary tree; a row goes left where ``inputs[feature] <= threshold``.

    Nodes are numbered in the order in which best-first growth made them, so the first
    ``2 L - 1`` nodes are the tree of ``L`` leaves.

    Parameters
    ----------
    feature, left, right : ndarray of shape (nodes,)
        Column of the design and children; -1 at leaves.
    threshold : ndarray of shape (nodes,)
    value : ndarray of shape (nodes, k)
        Mean output of the rows of each node.
    weight : ndarray of shape (nodes,)
        Sum of the weights of the rows of each node.
    """

    feature: IntArray
    threshold: FloatArray
    left: IntArray
    right: IntArray
    value: FloatArray
    weight: FloatArray

    @property
    def leaves(self) -> IntArray:
        """Numbers of the leaves."""
        return np.flatnonzero(self.left < 0)


def grow(
    inputs: FloatArray,
    scores: FloatArray,
    weights: FloatArray,
    *,
    max_leaves: int,
    min_leaf: int,
    rng: np.random.Generator,
) -> Nodes:
    """Grow a regression tree on scores ``(n, k)``, the best split of all leaves first.

    Columns are centred and scaled before they are handed over, because the grower computes in
    single precision: dates in seconds would otherwise collapse.
    """
    centre = inputs.mean(axis=0)
    spread = inputs.std(axis=0)
    spread[spread == 0] = 1.0
    tree = DecisionTreeRegressor(
        max_leaf_nodes=max(max_leaves, 2),
        min_samples_leaf=min(min_leaf, max(len(inputs) // 2, 1)),
        random_state=int(rng.integers(1 << 31)),
    )
    tree.fit((inputs - centre) / spread, scores, sample_weight=weights)
    raw = tree.tree_
    inner = raw.children_left >= 0
    feature = np.where(inner, raw.feature, -1).astype(np.intp)
    threshold = np.where(inner, raw.threshold * spread[feature] + centre[feature], 0.0)
    nodes = Nodes(
        feature=feature,
        threshold=threshold,
        left=raw.children_left.astype(np.intp),
        right=raw.children_right.astype(np.intp),
        value=np.empty((raw.node_count, scores.shape[1])),
        weight=np.empty(raw.node_count),
    )
    return cut(nodes, max_leaves)


def tidy(nodes: Nodes, spread: FloatArray) -> Nodes:
    """Round thresholds to about a hundredth of each column's spread, so that rules read well."""
    inner = nodes.feature >= 0
    width = spread[nodes.feature[inner]]
    decimals = 2 - np.floor(np.log10(np.where(width > 0, width, 1.0))).astype(int)
    threshold = nodes.threshold.copy()
    threshold[inner] = [
        float(np.round(t, d)) for t, d in zip(threshold[inner], decimals, strict=True)
    ]
    return replace(nodes, threshold=threshold)


def cut(nodes: Nodes, n_leaves: int) -> Nodes:
    """Return the tree as it was when it had ``n_leaves`` leaves."""
    size = min(2 * n_leaves - 1, len(nodes.left))
    leaf = (nodes.left[:size] < 0) | (nodes.left[:size] >= size)
    return Nodes(
        feature=np.where(leaf, -1, nodes.feature[:size]),
        threshold=np.where(leaf, 0.0, nodes.threshold[:size]),
        left=np.where(leaf, -1, nodes.left[:size]),
        right=np.where(leaf, -1, nodes.right[:size]),
        value=nodes.value[:size],
        weight=nodes.weight[:size],
    )


def route(nodes: Nodes, inputs: FloatArray) -> IntArray:
    """Return the leaf of each row, shape ``(n,)``."""
    at = np.zeros(len(inputs), dtype=np.intp)
    moving = np.arange(len(inputs))
    while len(moving):
        moving = moving[nodes.left[at[moving]] >= 0]
        here = at[moving]
        goes_left = inputs[moving, nodes.feature[here]] <= nodes.threshold[here]
        at[moving] = np.where(goes_left, nodes.left[here], nodes.right[here])
    return at


def refit(nodes: Nodes, inputs: FloatArray, scores: FloatArray, weights: FloatArray) -> Nodes:
    """Return the tree with the weighted means of these rows; an empty node takes its parent's."""
    at = route(nodes, inputs)
    size, k = len(nodes.left), scores.shape[1]
    weight = np.bincount(at, weights, size).astype(np.float64)
    total = np.stack([np.bincount(at, weights * scores[:, c], size) for c in range(k)], axis=1)
    inner = np.flatnonzero(nodes.left >= 0)
    for node in inner[::-1]:  # children have higher numbers than their parents
        for child in (nodes.left[node], nodes.right[node]):
            weight[node] += weight[child]
            total[node] += total[child]
    value = total / np.maximum(weight, np.finfo(float).tiny)[:, None]
    for node in inner:
        for child in (nodes.left[node], nodes.right[node]):
            if weight[child] == 0:
                value[child] = value[node]
    return replace(nodes, value=value, weight=weight)


def shrink(nodes: Nodes, strength: float) -> Nodes:
    """Pull each node towards its ancestors, the fewer rows the more.

    A leaf says ``root + sum (mean_l - mean_(l-1)) / (1 + strength / weight_(l-1))`` along its path.

    References
    ----------
    Agarwal, Tan, Ronen, Singh, Yu (2022), Hierarchical Shrinkage, eq. 1.
    """
    if strength == 0:
        return nodes
    value = nodes.value.copy()
    for node in np.flatnonzero(nodes.left >= 0):
        factor = 1.0 / (1.0 + strength / max(nodes.weight[node], 1e-12))
        for child in (nodes.left[node], nodes.right[node]):
            value[child] = value[node] + factor * (nodes.value[child] - nodes.value[node])
    return replace(nodes, value=value)


def reading_order(nodes: Nodes, right_first: BoolArray) -> IntArray:
    """Return the leaves in the order of the rules: what holds first, then what does not.

    ``right_first`` names the columns of 0 and 1 for categories, where "it is" stands right.
    """
    found, stack = [], [0]
    while stack:
        node = stack.pop()
        if nodes.left[node] < 0:
            found.append(node)
        else:
            children = [int(nodes.right[node]), int(nodes.left[node])]
            stack += children[::-1] if right_first[nodes.feature[node]] else children
    return np.array(found, dtype=np.intp)
