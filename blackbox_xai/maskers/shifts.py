"""Inputs moved instead of hidden: a number is added to every feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from blackbox_xai.errors import InputError
from blackbox_xai.layouts import ImageLayout, TabularLayout
from blackbox_xai.maskers.base import Bound
from blackbox_xai.maskers.draws import DrawnRow
from blackbox_xai.maskers.masked_image import MaskedImage
from blackbox_xai.maskers.tabular import MaskedRow
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray, MaskedInput

__all__ = ["Shifted", "ShiftedImage", "ShiftedRow", "shifted"]


class Shifted(MaskedInput, Protocol):
    """A bound input whose ``kept`` are numbers to be added to its features.

    ``unit`` is the size of a large step of each feature, ``(d,)``, 0 where it cannot move;
    ``grain`` the smallest step it can take, 0 if there is none; ``noise_unit`` what noise is
    measured in.
    """

    @property
    def unit(self) -> FloatArray:
        """Size of a large step."""

    @property
    def grain(self) -> FloatArray:
        """Smallest step."""

    @property
    def noise_unit(self) -> FloatArray:
        """Range of an image, standard deviation of a column."""


def shifted(masked: MaskedInput) -> Shifted:
    """Return the same input with features that can be moved.

    Raises
    ------
    InputError
        For a text, or a table with groups of columns: these have no size to add to.
    """
    if isinstance(masked, MaskedImage):
        return ShiftedImage(masked)
    if isinstance(masked, MaskedRow) and masked.features is None:
        return ShiftedRow(DrawnRow(masked))
    raise InputError(
        f"Gradients need features that are numbers, got an input of kind {masked.layout.kind!r} "
        "with groups or tokens. Use IntegratedGradients(mode='telescoping') or Occlusion."
    )


@dataclass(frozen=True, eq=False)
class ShiftedImage(Bound):
    """An image; a shift is added to all pixels and colours of a segment.

    Images of integers are rounded and stay within the range of their type.
    """

    image: MaskedImage
    soft = True
    n_fills = 1

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The segments."""
        return self.image.feature_names

    @property
    def fill_weights(self) -> FloatArray:
        """One way to move."""
        return np.ones(1)

    @property
    def varies(self) -> BoolArray:
        """Every segment moves, shape ``(1, d)``."""
        return np.ones((1, len(self.feature_names)), dtype=bool)

    @property
    def unit(self) -> FloatArray:
        """A two-hundredth of the range of the image."""
        pixels = self.image.image
        reach = float(pixels.max()) - float(pixels.min())
        return np.full(
            len(self.feature_names), 0.005 * (reach or max(abs(float(pixels.max())), 1.0))
        )

    @property
    def noise_unit(self) -> FloatArray:
        """Range of the image."""
        return 200 * self.unit

    @property
    def grain(self) -> FloatArray:
        """One level in images of integers."""
        return np.full(len(self.feature_names), float(self.image.image.dtype.kind in "iub"))

    @property
    def layout(self) -> ImageLayout:
        """As that of the image."""
        return self.image.layout

    @property
    def row_bytes(self) -> int:
        """Memory of one image, in bytes."""
        return self.image.row_bytes

    def allocate(self, n: int) -> Any:
        """Return a buffer for ``n`` images."""
        return self.image.allocate(n)

    def write(
        self, batch: Any, at: int, kept: BoolArray | FloatArray, fills: IntArray | None
    ) -> None:
        """Write moved images from row ``at`` on; ``fills`` has no meaning here."""
        del fills
        pixels = self.image.image
        whole = pixels.dtype.kind in "iub"
        limits = np.iinfo(pixels.dtype) if pixels.dtype.kind in "iu" else None
        for row, shifts in enumerate(kept, start=at):
            shift = shifts.astype(np.float64)[self.image.labels]
            if pixels.ndim == 3:
                shift = shift[None] if self.image.channels_first else shift[..., None]
            moved = pixels + shift
            if whole:
                moved = np.rint(moved)
            batch[row] = moved if limits is None else np.clip(moved, limits.min, limits.max)

    def inputs(self, batch: Any, n: int) -> Any:
        """Return the first ``n`` images."""
        return self.image.inputs(batch, n)


@dataclass(frozen=True, eq=False)
class ShiftedRow(Bound):
    """A row of a table; a shift is added to a column of numbers. Other columns stay."""

    row: DrawnRow
    soft = True
    n_fills = 1

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns."""
        return self.row.feature_names

    @property
    def fill_weights(self) -> FloatArray:
        """One way to move."""
        return np.ones(1)

    @property
    def varies(self) -> BoolArray:
        """Columns of numbers move, shape ``(1, d)``."""
        return self.row.numbers.there[None]

    @property
    def unit(self) -> FloatArray:
        """Half a standard deviation of the background; of ``x`` where that is constant."""
        spread = 0.5 * self.row.numbers.spread
        still = np.where(np.isnan(self.row.x) | (self.row.x == 0), 1.0, np.abs(self.row.x))
        unit = np.where(spread > 0, spread, 0.1 * still)
        return np.where(self.row.numbers.there & ~np.isnan(self.row.x), unit, 0.0)

    @property
    def noise_unit(self) -> FloatArray:
        """Standard deviation of the background."""
        return 2 * self.unit

    @property
    def grain(self) -> FloatArray:
        """One in columns of integers."""
        return self.row.numbers.whole.astype(np.float64)

    @property
    def layout(self) -> TabularLayout:
        """As that of the row."""
        return self.row.layout

    @property
    def row_bytes(self) -> int:
        """Memory of one row, in bytes."""
        return self.row.row_bytes

    def allocate(self, n: int) -> Any:
        """Return buffers for ``n`` rows."""
        return self.row.allocate(n)

    def write(
        self, batch: Any, at: int, kept: BoolArray | FloatArray, fills: IntArray | None
    ) -> None:
        """Write moved rows from row ``at`` on; ``fills`` has no meaning here."""
        self.row.write(batch, at, self.row.x + np.where(self.row.numbers.there, kept, 0.0), fills)

    def inputs(self, batch: Any, n: int) -> Any:
        """Return the first ``n`` rows."""
        return self.row.inputs(batch, n)
