"""Labels of pixels: as a grid, numbered from 0, and the colours that segmenters go by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import check_int
from blackbox_xai.errors import InputError
from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["Grid", "colours_of", "relabelled"]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Rectangles of equal size, up to one pixel.

    Parameters
    ----------
    rows, columns : int
        Rectangles along height and width; at most one for each pixel is made.

    Examples
    --------
    >>> import numpy as np
    >>> Grid(rows=1, columns=2)(np.zeros((2, 4)))
    array([[0, 0, 1, 1],
           [0, 0, 1, 1]])
    """

    rows: int = 7
    columns: int = 7

    def __call__(self, image: NDArray[Any]) -> IntArray:
        """Return labels of shape ``(height, width)``."""
        height, width = image.shape[:2]
        rows = min(check_int("rows", self.rows, minimum=1), height)
        columns = min(check_int("columns", self.columns, minimum=1), width)
        down = np.arange(height) * rows // height
        across = np.arange(width) * columns // width
        labels: IntArray = down[:, None] * columns + across
        return labels


def relabelled(labels: Any, height: int, width: int) -> IntArray:
    """Return labels ``0 .. d - 1`` in the order of the given ones, whatever those were.

    Raises
    ------
    InputError
        When there is not one integer label for each pixel.
    """
    array = np.asarray(labels)
    if array.shape != (height, width):
        raise InputError(
            f"segmenter must give one label for each pixel, shape ({height}, {width}), "
            f"got {array.shape}."
        )
    if array.dtype.kind not in "iub":
        raise InputError(f"segmenter must give integer labels, got {array.dtype}.")
    _, inverse = np.unique(array, return_inverse=True)
    return inverse.reshape(height, width).astype(np.intp)


def colours_of(image: NDArray[Any]) -> FloatArray:
    """Return three colour channels between 0 and 1, for segmenting only.

    Integers are scaled by their type's range, floats outside 0 to 1 by their own, so that
    segments do not depend on how the model wants its pixels scaled.
    """
    colours = image.astype(np.float64)
    if colours.ndim == 2:
        colours = colours[..., None]
    if image.dtype.kind in "iu":
        limits = np.iinfo(image.dtype)
        colours = (colours - limits.min) / (limits.max - limits.min)
    elif colours.size and (colours.min() < 0 or colours.max() > 1):
        low, high = colours.min(), colours.max()
        colours = (colours - low) / max(high - low, np.finfo(float).tiny)
    if colours.shape[-1] >= 3:
        return np.ascontiguousarray(colours[..., :3])
    return np.repeat(colours[..., :1], 3, axis=2)
