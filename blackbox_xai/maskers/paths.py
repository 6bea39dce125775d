"""Inputs on the way from their fill to themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai.errors import InputError
from blackbox_xai.maskers.base import Around
from blackbox_xai.maskers.draws import DrawnRow
from blackbox_xai.maskers.tabular import MaskedRow
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray, MaskedInput

__all__ = ["BlendedRow", "blended"]


def blended(masked: MaskedInput) -> MaskedInput:
    """Return the same input with features that can be shown in part.

    Raises
    ------
    InputError
        Where features are words or categories, which are there or not.
    """
    if masked.soft:
        return masked
    if isinstance(masked, MaskedRow) and masked.features is None:
        row = DrawnRow(masked)
        if row.numbers.there.all():
            return BlendedRow(row)
        there = row.numbers.there
        names = [n for n, number in zip(row.feature_names, there, strict=True) if not number]
        raise InputError(
            f"Columns {shown(names, 120)} hold no numbers and cannot be shown in part. "
            "Use mode='telescoping'."
        )
    raise InputError(
        f"Features of this input (kind {masked.layout.kind!r}) are there or not, and cannot be "
        "shown in part. Use mode='telescoping'."
    )


@dataclass(frozen=True, eq=False)
class BlendedRow(Around):
    """A row of numbers; ``kept`` is the share of ``x`` in each column, the rest background."""

    inner: DrawnRow
    soft = True

    @property
    def n_fills(self) -> int:
        """Number of background rows."""
        return self.inner.inner.n_fills

    @property
    def fill_weights(self) -> FloatArray:
        """Weights of the background rows."""
        return self.inner.inner.fill_weights

    @property
    def varies(self) -> BoolArray:
        """As of the row."""
        return self.inner.inner.varies

    def write(
        self, batch: Any, at: int, kept: BoolArray | FloatArray, fills: IntArray | None
    ) -> None:
        """Write blended rows from row ``at`` on."""
        shares = np.asarray(kept, dtype=np.float64)
        if fills is None:
            fills = np.tile(np.arange(self.n_fills), len(shares))
            shares = np.repeat(shares, self.n_fills, axis=0)
        background = self.inner.background[fills]
        self.inner.write(batch, at, background + shares * (self.inner.x - background), None)
