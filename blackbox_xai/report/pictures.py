"""Small pictures as data URIs: the input, and what lies over it."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.plotting.image import overlay_alpha, segment_edges
from blackbox_xai.plotting.style import LIGHT
from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["overlay_picture", "photo_picture", "shrunk"]


def shrunk(shape: tuple[int, ...], longest: int) -> tuple[IntArray, IntArray]:
    """Return rows and columns to keep so that the longest side is at most ``longest`` pixels.

    Examples
    --------
    >>> rows, columns = shrunk((4, 2), 2)
    >>> rows.tolist(), columns.tolist()
    ([1, 3], [1])
    """
    step = max(max(shape[:2]) / longest, 1.0)
    rows, columns = (max(round(side / step), 1) for side in shape[:2])
    return (
        ((np.arange(rows) + 0.5) * shape[0] / rows).astype(np.intp),
        ((np.arange(columns) + 0.5) * shape[1] / columns).astype(np.intp),
    )


def photo_picture(rgb: NDArray[np.uint8], longest: int = 256) -> str:
    """Return an image ``(h, w, 3)`` of bytes as a WebP data URI.

    Examples
    --------
    >>> photo_picture(np.zeros((4, 4, 3), dtype=np.uint8))[:23]
    'data:image/webp;base64,'
    """
    from PIL import Image

    picture = Image.fromarray(rgb)
    rows, columns = shrunk(rgb.shape, longest)
    if (len(rows), len(columns)) != rgb.shape[:2]:
        picture = picture.resize((len(columns), len(rows)), Image.Resampling.LANCZOS)
    small = max(picture.size) <= 32
    return _uri(picture, lossless=small, quality=78)


def overlay_picture(
    values: FloatArray,
    labels: IntArray,
    limit: float,
    longest: int = 256,
    *,
    heatmap: FloatArray | None = None,
) -> str:
    """Return segments coloured by their attributions, clear where nothing matters, as WebP.

    Parameters
    ----------
    values : ndarray of shape (d,)
        Attribution of each segment.
    labels : ndarray of shape (h, w)
        Segment of each pixel, -1 for none.
    limit : float
        Size of the attribution that is drawn in full colour.
    longest : int
        Pixels on the longest side.
    heatmap : ndarray of shape (h, w), optional
        Attributions pixel by pixel, drawn instead of the segments.
    """
    from PIL import Image

    rows, columns = shrunk(labels.shape, longest)
    small = labels[np.ix_(rows, columns)]
    segments = np.append(np.nan_to_num(values), 0.0)[small]
    painted = segments if heatmap is None else np.nan_to_num(heatmap[np.ix_(rows, columns)])
    picture = np.empty((*small.shape, 4), dtype=np.uint8)
    picture[..., :3] = np.where(
        (painted < 0)[..., None], _bytes(LIGHT.lowers), _bytes(LIGHT.raises)
    )
    picture[..., 3] = np.rint(overlay_alpha(painted, limit) * 255)
    if heatmap is None:
        picture[segment_edges(small)] = (30, 30, 30, 110)
    return _uri(Image.fromarray(picture), lossless=True, quality=100)


def _bytes(colour: str) -> NDArray[np.uint8]:
    return np.frombuffer(bytes.fromhex(colour[1:]), dtype=np.uint8)


def _uri(picture: Any, *, lossless: bool, quality: int) -> str:
    file = io.BytesIO()
    picture.save(file, "WEBP", lossless=lossless, quality=quality, method=4, exact=lossless)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode("ascii")
