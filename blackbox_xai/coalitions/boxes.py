"""Boxes on a grid of places: windows that slide, and parts that are split."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from blackbox_xai.protocols import BoolArray, IntArray

__all__ = ["cover", "hidden_by", "sliding_boxes", "split", "tiles"]


def sliding_boxes(height: int, width: int, size: int, stride: int) -> IntArray:
    """Square windows that slide over a grid, the last ones flush with its border.

    Parameters
    ----------
    height, width : int
        Size of the grid; a line of features is a grid of height 1.
    size, stride : int
        Side of the windows and distance between them, in cells.

    Returns
    -------
    ndarray of shape (m, 4)
        Rows ``top, bottom, left, right``, the ends excluded.

    Examples
    --------
    >>> sliding_boxes(1, 4, 2, 1).tolist()
    [[0, 1, 0, 2], [0, 1, 1, 3], [0, 1, 2, 4]]
    """
    downs, rights = _starts(height, size, stride), _starts(width, size, stride)
    top, left = (axis.ravel() for axis in np.meshgrid(downs, rights, indexing="ij"))
    bottom, right = np.minimum(top + size, height), np.minimum(left + size, width)
    return np.stack([top, bottom, left, right], axis=1)


def _starts(side: int, size: int, stride: int) -> IntArray:
    last = max(side - size, 0)
    return np.unique(np.append(np.arange(0, last + 1, stride), last))


def tiles(height: int, width: int, parts: int) -> IntArray:
    """Boxes ``(m, 4)`` that cut each side of a grid into at most ``parts`` parts."""
    down = np.unique(np.linspace(0, height, min(parts, height) + 1).astype(np.intp))
    across = np.unique(np.linspace(0, width, min(parts, width) + 1).astype(np.intp))
    return np.array(
        [
            [top, bottom, left, right]
            for top, bottom in pairwise(down)
            for left, right in pairwise(across)
        ],
        dtype=np.intp,
    )


def split(box: IntArray, smallest: int) -> IntArray:
    """Halves of a box along each side of at least twice ``smallest`` cells, shape ``(m, 4)``.

    Examples
    --------
    >>> split(np.array([0, 1, 0, 6]), smallest=2).tolist()
    [[0, 1, 0, 3], [0, 1, 3, 6]]
    """
    top, bottom, left, right = (int(edge) for edge in box)
    downs, rights = _halves(top, bottom, smallest), _halves(left, right, smallest)
    return np.array([[a, b, c, e] for a, b in downs for c, e in rights], dtype=np.intp)


def _halves(start: int, stop: int, smallest: int) -> list[tuple[int, int]]:
    if stop - start < max(2 * smallest, 2):
        return [(start, stop)]
    middle = (start + stop) // 2
    return [(start, middle), (middle, stop)]


def hidden_by(boxes: IntArray, height: int, width: int) -> BoolArray:
    """Tell which cells each box covers, shape ``(m, height * width)``."""
    row, column = np.arange(height), np.arange(width)
    top, bottom, left, right = boxes.T[:, :, None]
    down = (row >= top) & (row < bottom)
    across = (column >= left) & (column < right)
    hidden: BoolArray = down[:, :, None] & across[:, None, :]
    return hidden.reshape(len(boxes), -1)


def cover(boxes: IntArray, height: int, width: int) -> IntArray:
    """Count the boxes that cover each cell, shape ``(height * width,)``."""
    corners = np.zeros((height + 1, width + 1), dtype=np.intp)
    top, bottom, left, right = boxes.T
    np.add.at(corners, (top, left), 1)
    np.add.at(corners, (bottom, right), 1)
    np.add.at(corners, (top, right), -1)
    np.add.at(corners, (bottom, left), -1)
    return corners.cumsum(axis=0).cumsum(axis=1)[:height, :width].ravel()
