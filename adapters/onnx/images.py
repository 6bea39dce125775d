"""Images of the user, (height, width, channels), as a model of images takes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.errors import InputError

__all__ = ["Channels", "Images"]

Channels = Literal["first", "last"]


@dataclass(frozen=True)
class Images:
    """Where the model's channels are, and how its numbers are scaled.

    Parameters
    ----------
    channels : {"first", "last"}, optional
        Layout that the model takes; images given as ``(height, width, channels)`` are turned into
        it. None: told by the declared shape.
    mean, std : tuple of float, optional
        ``(x - mean) / std`` is sent: one number, or one for each channel or column.
    """

    channels: Channels | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def stacked(self, batch: Any) -> NDArray[Any]:
        """Return a list of images as one array ``(n, ...)``.

        Raises
        ------
        InputError
            When the images differ in shape.
        """
        if isinstance(batch, np.ndarray) and batch.dtype != np.object_:
            return batch
        shapes = [np.shape(image) for image in batch]
        odd = next((i for i, shape in enumerate(shapes) if shape != shapes[0]), None)
        if odd is not None:
            raise InputError(
                f"inputs must be images of one shape; image 0 has {shapes[0]}, image {odd} has "
                f"{shapes[odd]}. Resize them first."
            )
        return np.stack([np.asarray(image) for image in batch])

    def arranged(self, images: NDArray[Any], declared: tuple[int | None, ...]) -> NDArray[Any]:
        """Return images ``(n, h, w)`` or ``(n, h, w, c)`` in the layout of the model, scaled.

        Raises
        ------
        InputError
            When they fit in no layout, or in both and ``channels`` does not tell which.
        """
        if images.ndim == 3:
            images = images[..., None]
        if images.ndim != 4:
            raise InputError(
                f"inputs must be images (n, height, width, channels), got shape {images.shape}."
            )
        return self._moved(self.scaled(images), declared)

    def scaled(self, cells: NDArray[Any]) -> NDArray[Any]:
        """Return ``(cells - mean) / std``, on the last axis; float32."""
        if self.mean is None and self.std is None:
            return cells
        mean = np.asarray(self.mean or 0.0, dtype=np.float32)
        std = np.asarray(self.std or 1.0, dtype=np.float32)
        for name, value in (("mean", mean), ("std", std)):
            if value.size not in (1, cells.shape[-1]):
                raise InputError(
                    f"{name} has {value.size} numbers, but inputs have {cells.shape[-1]} channels."
                )
        return (cells.astype(np.float32) - mean) / std

    def _moved(self, images: NDArray[Any], declared: tuple[int | None, ...]) -> NDArray[Any]:
        moved = images.transpose(0, 3, 1, 2)
        last, first = (_fits(array.shape, declared) for array in (images, moved))
        if self.channels == "first":
            last = False
        elif self.channels == "last":
            first = False
        if first and last:
            first, last = _small(declared[1]), _small(declared[3])
            if first == last:
                raise InputError(
                    f"inputs of shape {images.shape} fit the model with its channels first and "
                    "last. Pass channels='first' or channels='last'."
                )
        if not (first or last):
            wanted = ", ".join("n" if size is None else str(size) for size in declared)
            raise InputError(
                f"inputs of shape {images.shape}, read as (n, height, width, channels), do not fit "
                f"the model's input ({wanted}). Resize the images or convert their channels."
            )
        return moved if first else images


def _fits(given: tuple[int, ...], declared: tuple[int | None, ...]) -> bool:
    return all(d in (None, g) for g, d in zip(given[1:], declared[1:], strict=True))


def _small(size: int | None) -> bool:
    return size is not None and size <= 4
