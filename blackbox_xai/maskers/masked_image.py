"""One image with segments that can be hidden, written into batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.errors import InputError
from blackbox_xai.layouts import ImageLayout
from blackbox_xai.maskers.base import Bound
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray

__all__ = ["MaskedImage"]


@dataclass(frozen=True, eq=False)
class MaskedImage(Bound):
    """One image whose segments can be hidden; made by ``ImageMasker.bind``.

    Parameters
    ----------
    image : ndarray
        As the user gave it, ``(height, width)`` with channels last, first or absent.
    filled : ndarray of shape (r, ...)
        What hidden segments show, in the shape and type of the image.
    labels : ndarray of shape (height, width)
        Segment of each pixel, ``0 .. d - 1``.
    channels_first : bool
        Whether the first axis of the image holds its channels.
    """

    image: NDArray[Any]
    filled: NDArray[Any]
    labels: IntArray
    channels_first: bool
    soft = True

    @property
    def n_fills(self) -> int:
        """Number of filled images."""
        return len(self.filled)

    @property
    def fill_weights(self) -> FloatArray:
        """All fills count alike."""
        return np.full(self.n_fills, 1 / self.n_fills)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """``segment 0`` to ``segment d - 1``."""
        return self._feature_names

    @cached_property
    def _feature_names(self) -> tuple[str, ...]:
        return tuple(f"segment {i}" for i in range(int(self.labels.max()) + 1))

    @property
    def varies(self) -> BoolArray:
        """Whether hiding a segment changes any of its pixels, shape ``(r, d)``."""
        return self._varies

    @cached_property
    def _varies(self) -> BoolArray:
        differs = self.filled != self.image
        if self.image.ndim == 3:
            differs = differs.any(axis=1 if self.channels_first else 3)
        varies = np.zeros((self.n_fills, len(self.feature_names)), dtype=bool)
        for one, pixels in zip(varies, differs, strict=True):
            one[self.labels[pixels]] = True
        return varies

    @property
    def contrast(self) -> FloatArray:
        """How far each segment is from its fill: summed absolute difference, shape ``(d,)``."""
        image = self.image.astype(np.float64)
        change = np.zeros(image.shape)
        for filled in self.filled:
            change += np.abs(filled - image) / self.n_fills
        if self.image.ndim == 3:
            change = change.sum(axis=0 if self.channels_first else 2)
        d = len(self.feature_names)
        totals = np.bincount(self.labels.ravel(), weights=change.ravel(), minlength=d)
        return totals.astype(np.float64)

    @cached_property
    def _runs(self) -> tuple[IntArray, IntArray]:
        """Segments and lengths of the runs of equal labels, row by row: far fewer than pixels."""
        flat = self.labels.ravel()
        starts = np.flatnonzero(np.diff(flat, prepend=-1))
        return flat[starts], np.diff(starts, append=flat.size)

    @property
    def layout(self) -> ImageLayout:
        """The labels, and the image to show them on."""
        return self._layout

    @cached_property
    def _layout(self) -> ImageLayout:
        return ImageLayout(self.labels, self.image)

    @property
    def container(self) -> tuple[Any, ...]:
        """Shape and type; only images that are alike in them go to the model together."""
        return (*self.image.shape, self.image.dtype.str)

    @property
    def row_bytes(self) -> int:
        """Memory of one masked image, in bytes."""
        return self.image.nbytes

    def pixels(self) -> MaskedImage:
        """Return the same image with every pixel a feature of its own, row by row."""
        height, width = self.labels.shape
        return replace(self, labels=np.arange(height * width).reshape(height, width))

    def allocate(self, n: int) -> NDArray[Any]:
        """Return a buffer for ``n`` images."""
        return np.empty((n, *self.image.shape), self.image.dtype)

    def write(
        self, batch: NDArray[Any], at: int, kept: BoolArray | FloatArray, fills: IntArray | None
    ) -> None:
        """Write masked images into ``batch`` from row ``at`` on; fractions of ``kept`` blend."""
        labels, lengths = self._runs
        whole = len(labels) < self.labels.size
        for coalition, rows, chosen in self._schedule(at, kept, fills):
            pixels = coalition.take(labels, mode="clip")
            pixels = np.repeat(pixels, lengths) if whole else pixels
            self._paint(batch, rows, pixels.reshape(self.labels.shape), chosen)

    def blend(
        self,
        batch: NDArray[Any],
        at: int,
        weights: BoolArray | FloatArray,
        fills: IntArray | None = None,
    ) -> None:
        """Write the image blended with its fill, pixel by pixel.

        Parameters
        ----------
        batch : ndarray
            Made by ``allocate``.
        at : int
            First row to write.
        weights : ndarray of shape (m, height, width)
            Share of the image in each pixel, 0 to 1; bool selects.
        fills : ndarray of shape (m,), optional
            Fill of each row. None: every mask under every fill, ``m * r`` rows.
        """
        for pixels, rows, chosen in self._schedule(at, weights, fills):
            self._paint(batch, rows, pixels, chosen)

    def inputs(self, batch: NDArray[Any], n: int) -> NDArray[Any]:
        """Return the first ``n`` images as the model takes them."""
        return batch[:n]

    def _schedule(self, at: int, kept: NDArray[Any], fills: IntArray | None) -> Any:
        """Yield each coalition with the rows it is written to and the fills of these rows."""
        r = self.n_fills
        for i, coalition in enumerate(kept):
            if fills is None:
                yield coalition, range(at + i * r, at + i * r + r), range(r)
            else:
                yield coalition, range(at + i, at + i + 1), fills[i : i + 1]

    def _paint(
        self, batch: NDArray[Any], rows: range, pixels: NDArray[Any], chosen: Sequence[int]
    ) -> None:
        if batch.shape[1:] != self.image.shape or batch.dtype != self.image.dtype:
            raise InputError(
                f"Images explained together must be alike, got {batch.shape[1:]} {batch.dtype} "
                f"and {self.image.shape} {self.image.dtype}. Explain them one by one."
            )
        if pixels.dtype == np.bool_:
            for row, fill in zip(rows, chosen, strict=True):
                self._select(batch[row], self.filled[fill], pixels)
            return
        weights = self._spread(pixels.astype(_blend_dtype(self.image.dtype), copy=False))
        shown_part, hidden_part = self.image * weights, 1 - weights
        for row, fill in zip(rows, chosen, strict=True):
            blended = self.filled[fill] * hidden_part
            blended += shown_part
            if batch.dtype.kind in "iub":
                np.rint(blended, out=blended)
            batch[row] = blended

    def _select(self, out: NDArray[Any], filled: NDArray[Any], pixels: BoolArray) -> None:
        """Write image where ``pixels``, else fill; whole pixels are moved, not channels."""
        out[...] = filled
        if self.image.ndim == 3 and not self.channels_first:
            whole = np.dtype((np.void, self.image.itemsize * self.image.shape[-1]))
            source = self.image.view(whole)[..., 0]
            np.copyto(out.view(whole)[..., 0], source, where=pixels)
        else:
            np.copyto(out, self.image, where=pixels)

    def _spread(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return pixel weights in a shape that multiplies the image."""
        if self.image.ndim == 2 or self.channels_first:
            return pixels
        return np.repeat(pixels.ravel(), self.image.shape[-1]).reshape(self.image.shape)


def _blend_dtype(dtype: np.dtype[Any]) -> Any:
    """Return the float type in which pixels of ``dtype`` are blended."""
    if dtype.kind == "f":
        return dtype
    return np.float32 if dtype.itemsize <= 2 else np.float64
