"""How the features of an input lie on it: columns, tokens, or segments of an image."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._plain import plain
from blackbox_xai.errors import InputError

__all__ = [
    "ImageLayout",
    "Layout",
    "TabularLayout",
    "TextLayout",
    "layout_from_dict",
    "pack_array",
    "unpack_array",
]


class Layout(Protocol):
    """Where each feature stands on its input."""

    @property
    def kind(self) -> str:
        """One of "tabular", "text", "image"."""

    def paint(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Lay ``values`` of shape ``(d, ...)`` out as the input is laid out."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``layout_from_dict`` reads back."""


@dataclass(frozen=True)
class TabularLayout:
    """One feature for each column or group of columns; ``data`` holds the values of ``x``."""

    data: tuple[Any, ...]
    kind: str = "tabular"

    def paint(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``values`` unchanged: a row has one cell for each feature."""
        return values

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"kind": self.kind, "data": plain(self.data)}


@dataclass(frozen=True)
class TextLayout:
    """Features are sets of character spans ``(start, stop)`` of ``text``."""

    text: str
    spans: tuple[tuple[tuple[int, int], ...], ...]
    kind: str = "text"

    def paint(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one value for each character of the text, 0 outside the features."""
        painted = np.zeros((len(self.text), *values.shape[1:]))
        for value, spans in zip(values, self.spans, strict=True):
            for start, stop in spans:
                painted[start:stop] = value
        return painted

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        spans = [[list(span) for span in feature] for feature in self.spans]
        return {"kind": self.kind, "text": self.text, "spans": spans}


@dataclass(frozen=True, eq=False)
class ImageLayout:
    """Features are segments of an image.

    Parameters
    ----------
    labels : ndarray of shape (height, width)
        Segment of each pixel, ``0 .. d - 1``; ``-1`` where no feature stands.
    image : ndarray
        The image as it was given, for display.
    """

    labels: NDArray[np.intp]
    image: NDArray[Any]
    kind: str = "image"

    def paint(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return one value for each pixel, shape ``(height, width, ...)``."""
        padded = np.concatenate([values, np.zeros((1, *values.shape[1:]))])
        return padded[self.labels]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; arrays are compressed and base64-coded."""
        labels = self.labels.astype(np.int32)
        return {"kind": self.kind, "labels": pack_array(labels), "image": pack_array(self.image)}


def layout_from_dict(data: dict[str, Any]) -> Layout:
    """Read back what ``Layout.to_dict`` wrote.

    Raises
    ------
    InputError
        When ``data`` was not written by this library.
    """
    kind = data.get("kind")
    if kind == "tabular":
        return TabularLayout(tuple(data["data"]))
    if kind == "text":
        spans = tuple(tuple((a, b) for a, b in feature) for feature in data["spans"])
        return TextLayout(data["text"], spans)
    if kind == "image":
        labels = unpack_array(data["labels"]).astype(np.intp)
        return ImageLayout(labels, unpack_array(data["image"]))
    raise InputError(f"layout must be one of 'tabular', 'text', 'image', got {kind!r}.")


_MAX_BYTES = 1 << 28  # a result file is untrusted: no array in it may unpack to more than this


def pack_array(array: NDArray[Any]) -> dict[str, Any]:
    """Return an array as plain data, compressed; ``unpack_array`` reads it back."""
    array = np.ascontiguousarray(array)
    code = base64.b64encode(zlib.compress(array.tobytes(), 6)).decode("ascii")
    return {"dtype": array.dtype.str, "shape": list(array.shape), "zlib": code}


def unpack_array(data: dict[str, Any]) -> NDArray[Any]:
    """Read back what ``pack_array`` wrote.

    Raises
    ------
    InputError
        When the array is too large, holds objects, or is not whole.
    """
    dtype = np.dtype(data["dtype"])
    shape = tuple(int(n) for n in data["shape"])
    size = int(np.prod(shape)) * dtype.itemsize
    if dtype.hasobject or not 0 <= size <= _MAX_BYTES:
        raise InputError(f"stored array of dtype {dtype} and shape {shape} is not acceptable.")
    raw = zlib.decompressobj().decompress(base64.b64decode(data["zlib"]), size + 1)
    if len(raw) != size:
        raise InputError(f"stored array has {len(raw)} bytes; expected {size} for shape {shape}.")
    return np.frombuffer(raw, dtype).reshape(shape).copy()
