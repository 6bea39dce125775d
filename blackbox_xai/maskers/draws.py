"""A row of a table whose cells are written one by one: for methods that draw values themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from blackbox_xai.layouts import TabularLayout
from blackbox_xai.maskers.base import Bound
from blackbox_xai.maskers.columns import RawBlock
from blackbox_xai.maskers.numbers import Numbers
from blackbox_xai.maskers.tabular import MaskedRow
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray

__all__ = ["DrawnRow"]


@dataclass(frozen=True, eq=False)
class DrawnRow(Bound):
    """The same row as ``row``, in the same containers, with ``kept`` holding cells.

    In columns of numbers ``kept`` is the number itself (rounded where the column holds
    integers). In other columns it is the background row whose cell is taken, or -1 for the cell
    of ``x``.

    Parameters
    ----------
    row : MaskedRow
    """

    row: MaskedRow
    soft = True
    n_fills = 1

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return self.row.table.names

    @property
    def fill_weights(self) -> FloatArray:
        """One way to write."""
        return np.ones(1)

    @property
    def varies(self) -> BoolArray:
        """Every column may change, shape ``(1, d)``."""
        return np.ones((1, len(self.feature_names)), dtype=bool)

    @property
    def layout(self) -> TabularLayout:
        """As that of the row."""
        return self.row.layout

    @property
    def row_bytes(self) -> int:
        """Memory of one row, in bytes."""
        return self.row.row_bytes

    @property
    def numbers(self) -> Numbers:
        """The columns of numbers and their background."""
        return self.row.numbers

    @cached_property
    def background(self) -> FloatArray:
        """Background of the columns of numbers, shape ``(r, d)``; 0 in the others."""
        return self.numbers.rows()

    @cached_property
    def x(self) -> FloatArray:
        """The row itself, shape ``(d,)``: its numbers, and -1 elsewhere."""
        cells = np.full(len(self.feature_names), -1.0)
        for block, own in zip(self.row.table.blocks, self.row.cells, strict=True):
            chosen = self.numbers.there[block.columns]
            if chosen.any():
                cells[block.columns[chosen]] = np.asarray(own)[chosen].astype(np.float64)
        return cells

    def allocate(self, n: int) -> list[Any]:
        """Return buffers for ``n`` rows."""
        return self.row.allocate(n)

    def write(
        self, batch: list[Any], at: int, kept: BoolArray | FloatArray, fills: IntArray | None
    ) -> None:
        """Write rows of cells from row ``at`` on; ``fills`` has no meaning here."""
        del fills
        for block, buffer, own in zip(self.row.table.blocks, batch, self.row.cells, strict=True):
            cells = kept if len(block.columns) == kept.shape[1] else kept[:, block.columns]
            if isinstance(block, RawBlock):
                _write_raw(block, buffer[at : at + len(kept)], own, cells, self.numbers.there)
            else:
                rows = cells.astype(np.intp)
                taken = np.take_along_axis(block.fill, np.maximum(rows, 0), axis=0)
                x_codes = block.codes_of(buffer, own)
                buffer.codes[at : at + len(kept)] = np.where(rows < 0, x_codes, taken)

    def inputs(self, batch: list[Any], n: int) -> Any:
        """Return the first ``n`` rows as the model takes them."""
        return self.row.inputs(batch, n)


def _write_raw(
    block: RawBlock, out: Any, own: Any, cells: BoolArray | FloatArray, numeric: BoolArray
) -> None:
    """Write numbers as they are, and other cells from the background."""
    number = numeric[block.columns]
    if number.all():
        out[...] = np.rint(cells) if block.fill.dtype.kind in "iu" else cells
        return
    for i in range(len(block.columns)):
        if number[i]:
            out[:, i] = np.rint(cells[:, i]) if block.fill.dtype.kind in "iu" else cells[:, i]
        else:
            rows = cells[:, i].astype(np.intp)
            out[:, i] = np.where(rows < 0, own[i], block.fill[np.maximum(rows, 0), i])
