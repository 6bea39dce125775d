"""Images as PNG, for servers that take pictures in JSON."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.errors import InputError

__all__ = ["to_base64_png", "to_png"]

_COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}


def to_png(image: NDArray[Any]) -> bytes:
    """Return an image ``(h, w)`` or ``(h, w, channels)`` as PNG, 8 bits a channel.

    Parameters
    ----------
    image : ndarray
        uint8, or floats from 0 to 1, which are rounded to 1/255.

    Raises
    ------
    InputError
        For another shape or type, or floats outside 0 to 1.
    """
    if image.ndim == 2:
        image = image[:, :, None]
    if image.ndim != 3 or image.shape[2] not in _COLOUR_TYPE:
        raise InputError(f"An image must have shape (h, w) or (h, w, 1 to 4), got {image.shape}.")
    if image.dtype.kind == "f":
        if image.min() < 0 or image.max() > 1:
            raise InputError("A float image must lie between 0 and 1 to be sent as PNG.")
        image = np.rint(image * 255).astype(np.uint8)
    if image.dtype != np.uint8:
        raise InputError(f"An image must be uint8 or float, got {image.dtype}.")
    height, width, channels = image.shape
    lines = np.zeros((height, 1 + width * channels), np.uint8)
    lines[:, 1:] = image.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, _COLOUR_TYPE[channels], 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(lines.tobytes(), 3))
        + _chunk(b"IEND", b"")
    )


def to_base64_png(image: NDArray[Any]) -> str:
    """Return ``to_png(image)`` in base64."""
    return base64.b64encode(to_png(image)).decode()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
