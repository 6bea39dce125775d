"""A row of a table whose cells are written one by one: for methods that draw values themselves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from blackbox_xai.maskers.base import Written
from blackbox_xai.maskers.columns import RawBlock
from blackbox_xai.maskers.numbers import Numbers
from blackbox_xai.maskers.tabular import MaskedRow
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray

__all__ = ["DrawnRow"]


@dataclass(frozen=True, eq=False)
class DrawnRow(Written):
    """The same row as ``inner``, in the same containers, with ``kept`` holding cells.

    In columns of numbers ``kept`` is the number itself (rounded where the column holds
    integers). In other columns it is the background row whose cell is taken, or -1 for the cell
    of ``x``.

    Parameters
    ----------
    inner : MaskedRow
    """

    inner: MaskedRow

    @property
    def numbers(self) -> Numbers:
        """The columns of numbers and their background."""
        return self.inner.numbers

    @cached_property
    def background(self) -> FloatArray:
        """Background of the columns of numbers, shape ``(r, d)``; 0 in the others."""
        return self.numbers.rows()

    @cached_property
    def x(self) -> FloatArray:
        """The row itself, shape ``(d,)``: its numbers, and -1 elsewhere."""
        cells = np.full(len(self.feature_names), -1.0)
        for block, own in zip(self.inner.table.blocks, self.inner.cells, strict=True):
            chosen = self.numbers.there[block.columns]
            if chosen.any():
                cells[block.columns[chosen]] = np.asarray(own)[chosen].astype(np.float64)
        return cells

    def write(
        self, batch: list[Any], at: int, kept: BoolArray | FloatArray, fills: IntArray | None
    ) -> None:
        """Write rows of cells from row ``at`` on; ``fills`` has no meaning here."""
        del fills
        for block, buffer, own in zip(
            self.inner.table.blocks, batch, self.inner.cells, strict=True
        ):
            cells = kept if len(block.columns) == kept.shape[1] else kept[:, block.columns]
            if isinstance(block, RawBlock):
                _write_raw(block, buffer[at : at + len(kept)], own, cells, self.numbers.there)
            else:
                rows = cells.astype(np.intp)
                taken = np.take_along_axis(block.fill, np.maximum(rows, 0), axis=0)
                x_codes = block.codes_of(buffer, own)
                buffer.codes[at : at + len(kept)] = np.where(rows < 0, x_codes, taken)


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
