"""Sparse linear leaves: inside each leaf a line in a few columns, kept within what was seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blackbox_xai.protocols import FloatArray, IntArray
from blackbox_xai.surrogates.nodes import Nodes, route

__all__ = ["Lines", "constant_lines", "evaluate", "fit_lines"]

_RIDGE = 0.01
_MIN_ROWS = 30


@dataclass(frozen=True, eq=False)
class Lines:
    """What each node says: ``clip(intercept + sum_j coef_j inputs[column_j], low, high)``.

    Parameters
    ----------
    column : ndarray of shape (nodes, q)
        Columns of the design; -1 where a term is not used.
    coef : ndarray of shape (nodes, q, k)
    intercept, low, high : ndarray of shape (nodes, k)
    """

    column: IntArray
    coef: FloatArray
    intercept: FloatArray
    low: FloatArray
    high: FloatArray


def constant_lines(nodes: Nodes, q: int = 0) -> Lines:
    """Return lines without terms: each node says its value."""
    size, k = nodes.value.shape
    return Lines(
        column=np.full((size, q), -1, dtype=np.intp),
        coef=np.zeros((size, q, k)),
        intercept=nodes.value.copy(),
        low=np.full((size, k), -np.inf),
        high=np.full((size, k), np.inf),
    )


def evaluate(lines: Lines, at: IntArray, inputs: FloatArray) -> FloatArray:
    """Return what nodes ``at`` say of ``inputs``, shape ``(n, k)``."""
    said = lines.intercept[at]
    rows = np.arange(len(inputs))
    for q in range(lines.column.shape[1]):
        said = said + lines.coef[at, q] * inputs[rows, lines.column[at, q]][:, None]
    return np.clip(said, lines.low[at], lines.high[at])


def fit_lines(
    nodes: Nodes, inputs: FloatArray, scores: FloatArray, weights: FloatArray, q: int
) -> Lines:
    """Fit a line in at most ``q`` columns inside every node, leaves and inner nodes alike."""
    lines = constant_lines(nodes, q)
    members = _members(nodes, inputs)
    for node, rows in members.items():
        if len(rows) >= _MIN_ROWS:
            _fit_node(lines, node, inputs[rows], scores[rows], weights[rows])
    return lines


def _members(nodes: Nodes, inputs: FloatArray) -> dict[int, IntArray]:
    """Return the rows of each node."""
    at = route(nodes, inputs)
    members = {int(leaf): np.flatnonzero(at == leaf) for leaf in nodes.leaves}
    for node in np.flatnonzero(nodes.left >= 0)[::-1]:
        both = [members[int(nodes.left[node])], members[int(nodes.right[node])]]
        members[int(node)] = np.sort(np.concatenate(both))
    return members


def _fit_node(
    lines: Lines, node: int, inputs: FloatArray, scores: FloatArray, weights: FloatArray
) -> None:
    w = weights / weights.sum()
    centre = w @ inputs
    spread = np.sqrt(w @ (inputs - centre) ** 2)
    usable = spread > 1e-9 * (1.0 + np.abs(centre))
    z = np.where(usable, (inputs - centre) / np.where(usable, spread, 1.0), 0.0)
    target = scores - w @ scores
    chosen: list[int] = []
    beta = np.empty((0, scores.shape[1]))
    residual = target
    for _ in range(lines.column.shape[1]):
        gain = (((z * w[:, None]).T @ residual) ** 2).sum(axis=1)
        gain[chosen] = -1.0
        best = int(np.argmax(gain))
        if gain[best] <= 1e-24:
            break
        chosen.append(best)
        part = z[:, chosen]
        gram = (part * w[:, None]).T @ part + _RIDGE * np.eye(len(chosen))
        beta = np.linalg.solve(gram, (part * w[:, None]).T @ target)
        residual = target - part @ beta
    for slot, column in enumerate(chosen):
        lines.column[node, slot] = column
        lines.coef[node, slot] = beta[slot] / spread[column]
        lines.intercept[node] -= lines.coef[node, slot] * centre[column]
    if chosen:
        low, high = np.quantile(scores, [0.01, 0.99], axis=0)
        lines.low[node], lines.high[node] = low, high
