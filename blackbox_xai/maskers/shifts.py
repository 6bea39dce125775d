"""Inputs moved instead of hidden: a number is added to every feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from blackbox_xai.errors import InputError
from blackbox_xai.maskers.base import Written
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
class ShiftedImage(Written):
    """An image; a shift is added to all pixels and colours of a segment.

    Images of integers are rounded and stay within the range of their type.
    """

    inner: MaskedImage

    @property
    def unit(self) -> FloatArray:
        """A two-hundredth of the range of the image."""
        pixels = self.inner.image
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
        return np.full(len(self.feature_names), float(self.inner.image.dtype.kind in "iub"))

    def write(
        self, batch: Any, at: int, kept: BoolArray | FloatArray, fills: IntArray | None
    ) -> None:
        """Write moved images from row ``at`` on; ``fills`` has no meaning here."""
        del fills
        pixels = self.inner.image
        whole = pixels.dtype.kind in "iub"
        limits = np.iinfo(pixels.dtype) if pixels.dtype.kind in "iu" else None
        for row, shifts in enumerate(kept, start=at):
            shift = shifts.astype(np.float64)[self.inner.labels]
            if pixels.ndim == 3:
                shift = shift[None] if self.inner.channels_first else shift[..., None]
            moved = pixels + shift
            if whole:
                moved = np.rint(moved)
            batch[row] = moved if limits is None else np.clip(moved, limits.min, limits.max)


@dataclass(frozen=True, eq=False)
class ShiftedRow(Written):
    """A row of a table; a shift is added to a column of numbers. Other columns stay."""

    inner: DrawnRow

    @property
    def varies(self) -> BoolArray:
        """Columns of numbers move, shape ``(1, d)``."""
        return self.inner.numbers.there[None]

    @property
    def unit(self) -> FloatArray:
        """Half a standard deviation of the background; of ``x`` where that is constant."""
        spread = 0.5 * self.inner.numbers.spread
        still = np.where(np.isnan(self.inner.x) | (self.inner.x == 0), 1.0, np.abs(self.inner.x))
        unit = np.where(spread > 0, spread, 0.1 * still)
        return np.where(self.inner.numbers.there & ~np.isnan(self.inner.x), unit, 0.0)

    @property
    def noise_unit(self) -> FloatArray:
        """Standard deviation of the background."""
        return 2 * self.unit

    @property
    def grain(self) -> FloatArray:
        """One in columns of integers."""
        return self.inner.numbers.whole.astype(np.float64)

    def write(
        self, batch: Any, at: int, kept: BoolArray | FloatArray, fills: IntArray | None
    ) -> None:
        """Write moved rows from row ``at`` on; ``fills`` has no meaning here."""
        self.inner.write(
            batch, at, self.inner.x + np.where(self.inner.numbers.there, kept, 0.0), fills
        )
