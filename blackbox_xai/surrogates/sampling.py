"""Synthetic rows that look like the reference rows, to be put to the model."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import NearestNeighbors

from blackbox_xai._tables import Table
from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["mixed", "neighbours"]

_FEW = 12
_STEP = 0.7


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
    step: float = _STEP,
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

    Returns
    -------
    synthetic : ndarray of shape (n, d)
    parents : ndarray of shape (n, 3)
    """
    base = _balanced(len(rows), n, rng)
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


def _balanced(n_rows: int, n: int, rng: np.random.Generator) -> IntArray:
    """Return ``n`` row numbers, each row as often as any other, give or take one."""
    whole, rest = divmod(n, n_rows)
    order = [np.tile(np.arange(n_rows), whole), rng.permutation(n_rows)[:rest]]
    return np.concatenate(order).astype(np.intp)


def _few_values(rows: FloatArray) -> IntArray:
    return np.array([len(np.unique(column)) <= _FEW for column in rows.T])
