"""A background summarised by k-means: few rows, each with the share of the data it stands for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.errors import InputError
from blackbox_xai.maskers.coded import CodedBlock
from blackbox_xai.maskers.columns import RawBlock
from blackbox_xai.maskers.tables import Table
from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["summarised", "weighted_median", "weighted_mode"]

_FIT_ROWS = 5000  # rows that centroids are looked for in; all rows are then assigned to them


def summarised(table: Table, weights: FloatArray, n_centroids: int) -> tuple[Table, FloatArray]:
    """Return a table of at most ``n_centroids`` rows and their weights.

    Numbers are scaled to unit variance before clustering. A centroid holds the mean of its
    cluster in float columns, the lower median in integer columns, and the most frequent value in
    all others, so that every column keeps its type and its categories. Of more than 5,000 rows
    (or ten for each centroid) a sample is clustered, and all are assigned to its clusters.

    Raises
    ------
    InputError
        When no column is numeric.
    """
    if n_centroids >= table.n_rows:
        return table, weights
    clusters = _clusters(_numbers(table), weights, n_centroids)
    n = int(clusters.max()) + 1
    members = [np.flatnonzero(clusters == i) for i in range(n)]
    blocks = tuple(_summary(block, weights, members, table.categorical) for block in table.blocks)
    shares = np.bincount(clusters, weights=weights)
    return replace(table, blocks=blocks), shares / shares.sum()


def weighted_median(values: NDArray[Any], weights: FloatArray) -> Any:
    """Return the lower weighted median: one of ``values``.

    Examples
    --------
    >>> int(weighted_median(np.array([4, 1, 2]), np.array([0.5, 0.3, 0.2])))
    2
    """
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weights[order])
    return values[order[np.searchsorted(total, total[-1] / 2)]]


def weighted_mode(values: NDArray[Any], weights: FloatArray) -> Any:
    """Return the value with the largest total weight; of equals, the one met first."""
    totals: dict[Any, float] = {}
    first: dict[Any, Any] = {}
    for value, weight in zip(values, weights.tolist(), strict=True):
        key = value if value == value else None
        first.setdefault(key, value)
        totals[key] = totals.get(key, 0.0) + weight
    return first[max(totals, key=lambda key: totals[key])]


def _numbers(table: Table) -> FloatArray:
    """Return the numeric columns, scaled, with gaps filled by the mean."""
    parts = []
    for block in table.blocks:
        if isinstance(block, RawBlock) and block.fill.dtype.kind in "fiub":
            chosen = [i for i, name in enumerate(block.names) if name not in table.categorical]
            parts.append(block.fill[:, chosen].astype(np.float64))
    numbers = np.concatenate(parts, axis=1) if parts else np.empty((table.n_rows, 0))
    gaps = np.isnan(numbers)
    numbers = numbers[:, ~gaps.all(axis=0)]
    if numbers.shape[1] == 0:
        raise InputError(
            "n_centroids needs a numeric column in the background. Use a sample of its rows."
        )
    mean, sd = np.nanmean(numbers, axis=0), np.nanstd(numbers, axis=0)
    scaled: FloatArray = (numbers - mean) / np.where(sd > 0, sd, 1.0)
    return np.nan_to_num(scaled, nan=0.0)


def _clusters(numbers: FloatArray, weights: FloatArray, n_centroids: int) -> IntArray:
    """Return the cluster of each row, ``0 .. n - 1``, none of them empty."""
    distinct, same = np.unique(numbers, axis=0, return_inverse=True)
    if len(distinct) <= n_centroids:
        return same.ravel()
    from sklearn.cluster import KMeans

    rng = np.random.default_rng(0)
    some = rng.permutation(len(numbers))[: max(_FIT_ROWS, 10 * n_centroids)]
    means = KMeans(n_centroids, n_init=1, max_iter=50, random_state=0)
    means.fit(numbers[some], sample_weight=weights[some])
    _, clusters = np.unique(means.predict(numbers), return_inverse=True)
    return clusters


def _summary(
    block: RawBlock | CodedBlock,
    weights: FloatArray,
    members: list[IntArray],
    categorical: frozenset[str],
) -> RawBlock | CodedBlock:
    """Return a block with one row for each cluster."""
    fill = np.empty((len(members), len(block.columns)), block.fill.dtype, order="F")
    for j, name in enumerate(block.names):
        measured = isinstance(block, RawBlock) and name not in categorical
        kind = block.fill.dtype.kind if measured else "O"
        for i, rows in enumerate(members):
            fill[i, j] = _centre(block.fill[rows, j], weights[rows], kind)
    order = block.order if isinstance(block, RawBlock) else "F"
    return replace(block, fill=np.array(fill, order="C" if order == "C" else "F"))


def _centre(values: NDArray[Any], weights: FloatArray, kind: str) -> Any:
    if kind == "f":
        there = ~np.isnan(values)
        total = weights[there].sum()
        return np.average(values[there], weights=weights[there]) if total > 0 else np.nan
    if kind in "iu":
        return weighted_median(values, weights)
    return weighted_mode(values, weights)
