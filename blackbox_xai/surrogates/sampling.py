"""Synthetic rows that look like the reference rows, to be put to the model."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neighbors import NearestNeighbors

from blackbox_xai._rowwise import NearRows, by_blocks
from blackbox_xai._tables import Table
from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["mixed", "neighbours", "realistic", "unlike"]

_FEW = 12
_WAYS = ((15, 40, 0.7), (10, 25, 0.7), (5, 10, 0.7), (5, 10, 0.4))  # neighbours, step
_UNLIKE = 0.07


def neighbours(table: Table, rows: FloatArray, k: int) -> IntArray:
    """Return the ``k`` nearest other rows of each row, nearest first, shape ``(n, k)``.

    Numbers are divided by their standard deviation; two different categories are as far apart as
    two numbers one and a half deviations from each other.
    """
    design = table.design(rows)
    spread = design.std(axis=0)
    spread[table.is_category] = 1.0
    spread[spread == 0] = 1.0
    k = min(k, len(rows) - 1)
    if k < 1:
        return np.zeros((len(rows), 1), dtype=np.intp)
    found = NearestNeighbors(n_neighbors=k).fit(design / spread).kneighbors()
    return np.asarray(found[1], dtype=np.intp)


def mixed(
    table: Table,
    rows: FloatArray,
    near: IntArray,
    n: int,
    rng: np.random.Generator,
    *,
    weights: FloatArray | None = None,
    step: float,
) -> tuple[FloatArray, IntArray]:
    """Return ``n`` synthetic rows and the three rows each was made from.

    Row ``i`` is moved by ``step`` times the difference of two of its neighbours ``a`` and ``b``.
    Columns with few values, and categories, take the value of ``a`` with probability 1/2; whole
    numbers are rounded; nothing leaves the range that was seen.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, d)
        Codes of the reference rows.
    near : ndarray of shape (n_rows, k)
        Neighbours of each row.
    weights : ndarray of shape (n_rows,), optional
        How often each row is moved, relative to others; None: all alike.

    Returns
    -------
    synthetic : ndarray of shape (n, d)
    parents : ndarray of shape (n, 3)
    """
    base = _balanced(np.ones(len(rows)) if weights is None else weights, n, rng)
    pair = rng.integers(near.shape[1], size=(n, 2))
    a, b = near[base, pair[:, 0]], near[base, pair[:, 1]]
    moved = rows[base] + step * (rows[a] - rows[b])
    takes = rng.random((n, rows.shape[1])) < 0.5
    crossed_over = np.where(takes, rows[a], rows[base])
    few = table.categorical | _few_values(rows)
    made = np.where(few, crossed_over, moved)
    made = np.where(table.integer & ~few, np.round(made), made)
    made = np.clip(made, rows.min(axis=0), rows.max(axis=0))
    return made, np.stack([base, a, b], axis=1)


def realistic(
    table: Table, rows: FloatArray, weights: FloatArray, n: int, seed: int
) -> tuple[FloatArray, IntArray, float]:
    """Return ``n`` synthetic rows spread as widely as they can be and still look real.

    Half of them move among 15 neighbours, half among 40. The wider they spread, the less hangs on
    which rows happen to be in the reference; they move among fewer, and in smaller steps, until
    no more than 7 % are unlike it.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, d)
        Codes of the reference rows, all different.
    weights : ndarray of shape (n_rows,)

    Returns
    -------
    synthetic : ndarray of shape (n, d)
    parents : ndarray of shape (n, 3)
    unlike : float
        Share of synthetic rows that are unlike the reference.
    """
    found = neighbours(table, rows, _WAYS[0][1])
    design = table.design(rows)

    def spread(way: tuple[int, int, float]) -> tuple[FloatArray, IntArray, float]:
        near, far, step = way
        rng = np.random.default_rng(seed)
        parts = [
            mixed(table, rows, found[:, :k], size, rng, weights=weights, step=step)
            for k, size in ((near, n - n // 2), (far, n // 2))
        ]
        made = np.concatenate([part[0] for part in parts])
        return made, np.concatenate([part[1] for part in parts]), unlike(design, table.design(made))

    for way in _WAYS[:-1]:
        spreading = spread(way)
        if not spreading[2] > _UNLIKE:
            return spreading
    return spread(_WAYS[-1])


def _balanced(weights: FloatArray, n: int, rng: np.random.Generator) -> IntArray:
    """Return ``n`` row numbers, each row as often as its weight says, give or take one."""
    upto = np.cumsum(weights) / weights.sum()
    order = rng.permutation(n)
    at = np.searchsorted(upto, (order + rng.random()) / n, side="right")
    return np.minimum(at, len(weights) - 1).astype(np.intp)


def _few_values(rows: FloatArray) -> IntArray:
    return np.array([len(np.unique(column)) <= _FEW for column in rows.T])


def unlike(reference: FloatArray, made: FloatArray, k: int = 5) -> float:
    """Return the share of synthetic rows farther from the reference than 95 % of its own rows.

    Rows like the reference would give 0.05; nan without synthetic rows or with one reference row.
    """
    if not len(made) or len(reference) < 2:
        return float("nan")
    near = NearRows.learn(reference)
    k = min(k, len(reference) - 1)

    def distance(skip: int) -> Any:
        return lambda block: np.sqrt(near.find(block, k + skip)[1][:, skip:]).mean(axis=1)

    own = by_blocks(distance(1), reference)
    others = by_blocks(distance(0), made)
    allowed = np.sort(own)[min(int(np.ceil(0.95 * (len(own) + 1))), len(own)) - 1]
    return float((others > allowed).mean())
