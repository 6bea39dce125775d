"""Images and their fills, checked and brought into one form."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import shown
from blackbox_xai.errors import InputError
from blackbox_xai.maskers.fills import ColourFill, Fill, ImageFill
from blackbox_xai.protocols import IntArray

__all__ = ["as_dtype", "as_image", "channels_first", "filled_images"]


def as_image(x: Any) -> NDArray[Any]:
    """Return ``x`` as an owned, contiguous image."""
    image = np.array(x, order="C")
    if image.dtype.kind not in "fiub" or image.ndim not in (2, 3) or image.size == 0:
        raise InputError(
            "x must be one image of numbers, shape (height, width), (height, width, channels) or "
            f"(channels, height, width), got {image.dtype} of shape {image.shape}."
        )
    if image.dtype.kind == "f" and not np.isfinite(image).all():
        place = np.argwhere(~np.isfinite(image))[0].tolist()
        raise InputError(f"x is not finite at {tuple(place)}; pixels must be finite.")
    return image


def channels_first(shape: tuple[int, ...], channels: str | None) -> bool:
    if channels not in (None, "last", "first"):
        raise InputError(f"channels must be 'last', 'first' or None, got {shown(channels)}.")
    if len(shape) == 2:
        return False
    if channels is not None:
        return channels == "first"
    usual = (1, 3, 4)
    first, last = shape[0] in usual, shape[2] in usual
    if first == last:
        raise InputError(
            f"x has shape {shape}, from which it cannot be told where its channels stand. "
            "Say ImageMasker(channels='last') or 'first'."
        )
    return first


def filled_images(fill: Any, image: NDArray[Any], labels: IntArray) -> NDArray[Any]:
    """Return filled images of shape ``(r, height, width, channels)``."""
    stacks = []
    for one in _fills(fill):
        filled = np.asarray(one(image, labels))
        filled = filled if filled.ndim == 4 else filled[None]
        if filled.shape[1:] != image.shape or filled.dtype.kind not in "fiub":
            raise InputError(
                f"fill must give images of shape {image.shape}, got {filled.dtype} of shape "
                f"{filled.shape[1:]}."
            )
        stacks.append(filled)
    return np.concatenate(stacks)


def _fills(fill: Any) -> list[Fill]:
    """Return what the user gave as a list of fills."""
    if callable(fill):
        return [fill]
    if isinstance(fill, list | tuple) and fill and all(callable(one) for one in fill):
        return list(fill)
    if np.ndim(fill) >= 2:
        return [ImageFill(images=fill)]
    if fill is None or isinstance(fill, str) or np.asarray(fill).dtype.kind not in "fiub":
        raise InputError(f"fill must be a fill, a colour or an image, got {shown(fill)}.")
    colour = np.asarray(fill, dtype=np.float64)
    return [ColourFill(colour=float(colour) if colour.ndim == 0 else tuple(colour.tolist()))]


def as_dtype(filled: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return fills in the type of the image, rounded where that holds integers."""
    if not np.isfinite(filled).all():
        raise InputError("fill must be finite.")
    if dtype.kind == "f" or filled.dtype == dtype:
        return filled.astype(dtype)
    rounded = np.rint(filled)
    cast: NDArray[Any] = rounded.astype(dtype)
    if not (cast == rounded).all():
        raise InputError(
            f"fill has values from {filled.min():g} to {filled.max():g}, which the image's type "
            f"{dtype} cannot hold."
        )
    return cast
