"""Histograms of oriented gradients: what edges point where, in each cell of an image."""

from __future__ import annotations

from typing import Any

import numpy as np

from blackbox_xai.errors import InputError
from blackbox_xai.protocols import FloatArray

__all__ = ["hog"]

_BATCH = 256


def hog(images: Any, *, cells: int = 7, orientations: int = 8) -> FloatArray:
    """Return histograms of gradient directions of images, normalised over blocks of 2 x 2 cells.

    Parameters
    ----------
    images : ndarray of shape (n, height, width) or with one more axis for channels
        Channels stand first or last, whichever axis is shorter; they are averaged.
    cells : int
        Cells along each side, fewer when the image has fewer than two pixels for each.
    orientations : int
        Directions between 0 and 180 degrees.

    Returns
    -------
    ndarray of shape (n, p)
        Without unit, between 0 and 1.

    References
    ----------
    Dalal, Triggs (2005), Histograms of oriented gradients for human detection.

    Examples
    --------
    >>> import numpy as np
    >>> stripes = np.tile([0.0, 0.0, 1.0, 1.0], (1, 8, 2))
    >>> found = hog(stripes, cells=2, orientations=4)
    >>> found.shape, bool(found[0, 0] > 0.4)
    ((1, 16), True)
    """
    grey = _grey(np.asarray(images))
    parts = [
        _histograms(grey[a : a + _BATCH], cells, orientations) for a in range(0, len(grey), _BATCH)
    ]
    return np.concatenate(parts)


def _grey(images: Any) -> FloatArray:
    if images.ndim == 3:
        return np.asarray(images, dtype=np.float64)
    if images.ndim != 4:
        raise InputError(
            "images must have shape (n, height, width) or one more axis for channels, "
            f"got {images.shape}."
        )
    channel = 1 if images.shape[1] <= images.shape[3] else 3
    return np.asarray(images.mean(axis=channel, dtype=np.float64))


def _histograms(grey: FloatArray, cells: int, orientations: int) -> FloatArray:
    n, height, width = grey.shape
    down, across = np.zeros_like(grey), np.zeros_like(grey)
    down[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    across[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    strength = np.hypot(down, across)
    angle = np.mod(np.arctan2(down, across), np.pi) * (orientations / np.pi)
    lower = np.floor(angle).astype(np.intp)
    share = angle - lower
    rows, columns = min(cells, max(height // 2, 1)), min(cells, max(width // 2, 1))
    row_of = np.arange(height) * rows // height
    column_of = np.arange(width) * columns // width
    cell = (row_of[:, None] * columns + column_of)[None] + (rows * columns) * np.arange(n)[
        :, None, None
    ]
    size = n * rows * columns * orientations
    found = np.zeros(size)
    for bins, part in ((lower, 1.0 - share), (lower + 1, share)):
        at = cell * orientations + bins % orientations
        found += np.bincount(at.ravel(), (strength * part).ravel(), size)
    return _normalised(found.reshape(n, rows, columns, orientations)).reshape(n, -1)


def _normalised(found: FloatArray) -> FloatArray:
    """Divide each cell by the length of the four cells it starts a block with."""
    square = (found**2).sum(axis=3)
    padded = np.pad(square, ((0, 0), (0, 1), (0, 1)), mode="edge")
    block = padded[:, :-1, :-1] + padded[:, 1:, :-1] + padded[:, :-1, 1:] + padded[:, 1:, 1:]
    floor = 1e-12 + 1e-3 * square.mean(axis=(1, 2), keepdims=True)
    return np.asarray(found / np.sqrt(block + floor)[..., None])
