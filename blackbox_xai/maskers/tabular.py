"""Columns of a table, hidden by putting background values in their place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from blackbox_xai._checks import check_int, shown
from blackbox_xai.errors import InputError
from blackbox_xai.layouts import TabularLayout
from blackbox_xai.maskers.base import Bound
from blackbox_xai.maskers.centroids import summarised
from blackbox_xai.maskers.columns import RawBlock
from blackbox_xai.maskers.grouping import grouped, shared_value
from blackbox_xai.maskers.numbers import Numbers
from blackbox_xai.maskers.tables import Table, read_table
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray, PairWriter

__all__ = ["MaskedRow", "TabularMasker"]

_BEHIND = 2000  # rows that stay at hand beside their centroids; a masker travels to processes


class TabularMasker:
    """Hides columns by putting in their place what the background holds there.

    Parameters
    ----------
    background : array or frame of shape (r, n_columns)
        Rows that stand for "not knowing": a sample of the data, or all of it. numpy arrays,
        pandas and polars frames. The model receives the same container with the same names,
        types and categories.
    n_centroids : int, optional
        Summarise the background by that many k-means centroids, weighted by the share of rows
        they stand for. Categories, texts and whole numbers stay what they are. `centroid_bias`
        measures what that changes.
    weights : array-like of shape (r,), optional
        How much each background row counts; scaled to sum to 1. Rows of weight 0 are left out.
        None: all alike.
    groups : mapping of str to sequence of str or int, optional
        Columns that are hidden together as one feature, such as the one-hot columns of one
        category. Columns in no group are features of their own.
    categorical : sequence of str or int, optional
        Columns whose numbers or texts are categories: a value that the background lacks is
        refused, and centroids hold the most frequent one. Categories of a frame's own categorical
        type are known without.
    feature_names : sequence of str, optional
        Column names of an array.

    Attributes
    ----------
    behind : TabularMasker or None
        The rows that centroids stand for; of more than 2,000, so many drawn by weight.

    Raises
    ------
    InputError
        When the background cannot be used; the message names the column.

    Examples
    --------
    >>> import numpy as np
    >>> masked = TabularMasker(np.zeros((1, 3))).bind([1.0, 2.0, 3.0])
    >>> batch = masked.allocate(1)
    >>> masked.write(batch, 0, np.array([[True, False, True]]), None)
    >>> masked.inputs(batch, 1)
    array([[1., 0., 3.]])
    """

    def __init__(
        self,
        background: Any,
        *,
        n_centroids: int | None = None,
        weights: Any = None,
        groups: Mapping[str, Sequence[str | int]] | None = None,
        categorical: Sequence[str | int] | None = None,
        feature_names: Sequence[str] | None = None,
    ) -> None:
        table = read_table(background, feature_names, categorical)
        shares = _weights(weights, table.n_rows)
        counted = np.flatnonzero(shares)
        if len(counted) < len(shares):
            table, shares = table.take(counted), shares[counted]
        self._table, self._weights = table, shares
        self.n_centroids: int | None = None
        self.feature_names, self._features = grouped(table.names, groups)
        self.behind: TabularMasker | None = None
        if n_centroids is not None:
            self._summarise(check_int("n_centroids", n_centroids, minimum=1))

    def _summarise(self, n_centroids: int) -> None:
        """Put centroids in the place of the rows, of which some stay at hand in ``behind``."""
        behind = copy(self)
        if self._table.n_rows > _BEHIND:
            drawn = np.random.default_rng(0).choice(self._table.n_rows, _BEHIND, p=self._weights)
            behind._table = self._table.take(drawn)
            behind._weights = np.full(_BEHIND, 1 / _BEHIND)
        self.behind = behind
        self._table, self._weights = summarised(self._table, self._weights, n_centroids)
        self.n_centroids = n_centroids

    @property
    def n_background(self) -> int:
        """Number of background rows."""
        return self._table.n_rows

    def bind(self, x: Any) -> MaskedRow:
        """Return one row with columns that can be hidden.

        Parameters
        ----------
        x : array, list, frame of one row, pandas Series or mapping
            Rows with names are matched by name, others by position.

        Returns
        -------
        MaskedRow

        Raises
        ------
        InputError
            When ``x`` is not one row of the background's table; the message names the column.
        """
        cells = self._table.encode(x)
        return MaskedRow(self._numbers, cells, self.feature_names, self._features)

    @cached_property
    def _numbers(self) -> Numbers:
        return Numbers(self._table, self._weights)

    def describe(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        return {
            "kind": "TabularMasker",
            "n_background": self.n_background,
            "n_centroids": self.n_centroids,
            "n_columns": len(self._table.names),
            "n_features": len(self.feature_names),
            "weighted": bool(np.ptp(self._weights) > 0),
            "categorical": sorted(self._table.categorical),
        }


@dataclass(frozen=True, eq=False)
class MaskedRow(Bound):
    """One row of a table whose features can be hidden; made by ``TabularMasker.bind``."""

    numbers: Numbers
    cells: tuple[Any, ...]
    feature_names: tuple[str, ...]
    features: IntArray | None
    soft = False

    @property
    def table(self) -> Table:
        """The background."""
        return self.numbers.table

    @property
    def fill_weights(self) -> FloatArray:
        """Weights of the background rows, summing to 1."""
        return self.numbers.weights

    @property
    def n_fills(self) -> int:
        """Number of background rows."""
        return self.table.n_rows

    @property
    def varies(self) -> BoolArray:
        """Where a background row differs from ``x``, shape ``(r, d)``; NaN equals NaN."""
        return self._varies

    @cached_property
    def _varies(self) -> BoolArray:
        differs = np.empty((self.n_fills, len(self.table.names)), dtype=bool)
        for block, cells in zip(self.table.blocks, self.cells, strict=True):
            differs[:, block.columns] = block.varies(cells)
        if self.features is None:
            return differs
        order = np.argsort(self.features, kind="stable")
        starts = np.searchsorted(self.features[order], np.arange(len(self.feature_names)))
        return np.logical_or.reduceat(differs[:, order], starts, axis=1)

    def closeness(self, fills: IntArray) -> FloatArray:
        """How close values of each feature are, 1 for the same, shape ``(d, 1 + f, 1 + f)``.

        First comes ``x``, then the background rows ``fills``. Numbers go by the share of the
        background between them, all else by equality, grouped columns by their product.
        """
        by_column = np.empty((len(self.table.names), 1 + len(fills), 1 + len(fills)))
        for block, cells in zip(self.table.blocks, self.cells, strict=True):
            by_column[block.columns] = block.closeness(cells, fills)
        if self.features is None:
            return by_column
        order = np.argsort(self.features, kind="stable")
        starts = np.searchsorted(self.features[order], np.arange(len(self.feature_names)))
        return np.multiply.reduceat(by_column[order], starts, axis=0)

    @property
    def contrast(self) -> FloatArray:
        """How far ``x`` is from the background, shape ``(d,)``; summed over grouped columns.

        Numbers: mean distance in standard deviations of the background. All else: share of
        background rows that differ.
        """
        by_column = np.empty(len(self.table.names))
        for block, cells in zip(self.table.blocks, self.cells, strict=True):
            by_column[block.columns] = block.contrast(cells, self.fill_weights)
        if self.features is None:
            return by_column
        d = len(self.feature_names)
        return np.bincount(self.features, by_column, minlength=d).astype(np.float64)

    @property
    def layout(self) -> TabularLayout:
        """The values of ``x``, one for each feature."""
        return self._layout

    @cached_property
    def _layout(self) -> TabularLayout:
        values: list[Any] = [None] * len(self.table.names)
        for block, cells in zip(self.table.blocks, self.cells, strict=True):
            for j, cell in zip(block.columns, cells, strict=True):
                values[j] = cell.item() if isinstance(cell, np.number | np.bool_) else cell
        if self.features is None:
            return TabularLayout(tuple(values))
        members = [np.flatnonzero(self.features == i) for i in range(len(self.feature_names))]
        return TabularLayout(tuple(shared_value(self.table.names, values, own) for own in members))

    @property
    def row_bytes(self) -> int:
        """Memory of one masked row, in bytes."""
        return sum(block.row_bytes for block in self.table.blocks)

    def allocate(self, n: int) -> list[Any]:
        """Return buffers for ``n`` rows."""
        return [block.allocate(n) for block in self.table.blocks]

    def write(
        self, batch: list[Any], at: int, kept: BoolArray | FloatArray, fills: IntArray | None
    ) -> None:
        """Write masked rows into ``batch`` from row ``at`` on."""
        whole = np.asarray(kept, dtype=bool)
        by_column = whole if self.features is None else whole[:, self.features]
        for block, buffer, cells in zip(self.table.blocks, batch, self.cells, strict=True):
            chosen = by_column
            if len(self.table.blocks) > 1:
                chosen = by_column[:, block.columns]
            block.write(buffer, at, cells, chosen, fills)

    @property
    def pair_writer(self) -> PairWriter | None:
        """What writes coalitions and their complements at once; None where nothing can."""
        (block, *others), features = self.table.blocks, self.features
        if others or not isinstance(block, RawBlock) or not block.writes_pairs:
            return None
        raw, cells = block, self.cells[0]

        def write(batch: Any, at: int, kept: BoolArray, fills: IntArray, always: BoolArray) -> None:
            if features is not None:
                kept, always = kept[..., features], always[..., features]
            raw.write_pairs(batch[0], at, cells, kept, fills, always)

        return write

    def inputs(self, batch: list[Any], n: int) -> Any:
        """Return the first ``n`` rows as the model takes them."""
        return batch[0][:n] if self.table.build is None else self.table.build(batch, n)


def _weights(weights: Any, n: int) -> FloatArray:
    if weights is None:
        return np.full(n, 1 / n)
    try:
        given = np.array(weights, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"weights must be numbers, got {shown(weights)}.") from error
    if given.shape != (n,):
        raise InputError(
            f"weights must have shape ({n},), one for each background row, got {given.shape}."
        )
    if not np.isfinite(given).all() or (given < 0).any() or given.sum() <= 0:
        raise InputError("weights must be finite, at least 0, and not all 0.")
    shares: FloatArray = given / given.sum()
    return shares
