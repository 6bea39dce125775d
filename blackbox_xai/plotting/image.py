"""An image beside what speaks for and against its prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.errors import InputError
from blackbox_xai.plotting.style import (
    Palette,
    choose_axes,
    choose_palette,
    diverging,
    font_families,
    minus_ticks,
    symmetric_limit,
    wrap,
    write_title,
)
from blackbox_xai.protocols import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["image", "overlay_alpha", "segment_edges", "to_rgb"]

_MOST_EDGES = 0.4


def to_rgb(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return an image ``(h, w)``, ``(h, w, c)`` or ``(c, h, w)`` as bytes ``(h, w, 3)`` to show.

    Bytes and floats within 0 to 1 (or 0 to 255) are shown as they are, other floats stretched
    from their smallest to their largest value.

    Examples
    --------
    >>> to_rgb(np.array([[0.0, 1.0]]))[0, :, 0]
    array([  0, 255], dtype=uint8)
    """
    array = np.asarray(pixels)
    if array.ndim == 3 and array.shape[-1] not in (1, 3, 4) and array.shape[0] in (1, 3, 4):
        array = np.moveaxis(array, 0, -1)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[-1] not in (1, 3, 4):
        raise InputError(f"image must have shape (h, w) or (h, w, 1|3|4), got {array.shape}.")
    array = array[..., :3]
    if array.dtype == np.uint8:
        return np.broadcast_to(array, (*array.shape[:2], 3)).copy()
    floats = np.nan_to_num(array.astype(np.float64))
    low, high = float(floats.min()), float(floats.max())
    if low >= 0 and high <= 255:
        low, high = 0.0, 1.0 if high <= 1 else 255.0
    scaled = (floats - low) / ((high - low) or 1.0) * 255
    return np.broadcast_to(np.rint(scaled).astype(np.uint8), (*array.shape[:2], 3)).copy()


def segment_edges(labels: IntArray) -> NDArray[np.bool_]:
    """Return True ``(h, w)`` where a pixel's right or lower neighbour is in another segment.

    Segments so small that their edges would cover the picture have none.

    Examples
    --------
    >>> segment_edges(np.array([[0, 0, 0, 1]]))
    array([[False, False,  True, False]])
    >>> segment_edges(np.arange(4).reshape(2, 2)).any()
    np.False_
    """
    edges = np.zeros(labels.shape, dtype=bool)
    edges[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    edges[:-1] |= labels[:-1] != labels[1:]
    return edges & np.bool_(edges.mean() < _MOST_EDGES)


def overlay_alpha(painted: FloatArray, limit: float) -> FloatArray:
    """Return opacities ``(h, w)`` from 0 where nothing matters to 0.85 at ``limit``."""
    return np.clip(np.abs(np.nan_to_num(painted)) / limit, 0, 1) * 0.85


def image(
    values: FloatArray,
    labels: IntArray,
    pixels: NDArray[Any],
    *,
    heatmap: FloatArray | None = None,
    unit: str = "output",
    ax: Axes | None = None,
    palette: Palette | None = None,
    title: str | None = None,
) -> Axes:
    """Draw an image, and beside it the attributions of its segments with one colour bar.

    Parameters
    ----------
    values : ndarray of shape (d,)
        Attribution of each segment, in ``unit``.
    labels : ndarray of shape (h, w)
        Segment of each pixel, -1 for none.
    pixels : ndarray
        The image, ``(h, w)``, ``(h, w, c)`` or ``(c, h, w)``.
    heatmap : ndarray of shape (h, w), optional
        Attributions pixel by pixel, drawn instead of the segments.
    unit : str
        Unit of the colour bar.
    ax, palette, title
        As for ``plot_explanation``.

    Returns
    -------
    matplotlib.axes.Axes
        Its ``child_axes`` are the image, the overlay and the colour bar.

    Raises
    ------
    InputError
        When ``pixels`` is not an image.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> ax = image(np.array([1.0, -2.0]), np.array([[0, 0], [1, 1]]), np.zeros((2, 2)))
    >>> len(ax.child_axes)
    3
    """
    shape = np.shape(labels)
    own = ax is None
    ax = choose_axes(ax, 7.5, float(np.clip(3.2 * shape[0] / shape[1], 1.2, 6.0)) + 0.9)
    palette = choose_palette(palette, ax)
    ax.set_axis_off()
    left, right = ax.inset_axes((0, 0, 0.44, 1)), ax.inset_axes((0.46, 0, 0.44, 1))
    left.imshow(to_rgb(pixels), interpolation="nearest")
    painted = np.append(np.nan_to_num(values), 0.0)[labels] if heatmap is None else heatmap
    _draw_overlay(ax, right, np.nan_to_num(painted), to_rgb(pixels), unit, palette)
    if heatmap is None:
        edges = np.zeros((*labels.shape, 4))
        edges[segment_edges(labels)] = (0.1, 0.1, 0.1, 0.35)
        right.imshow(edges, interpolation="nearest")
    for axes in (left, right):
        axes.set(xticks=[], yticks=[], anchor="N")
    if title is not None:
        write_title(ax, title, own=own)
    return ax


def _draw_overlay(
    ax: Axes,
    right: Axes,
    painted: FloatArray,
    rgb: NDArray[np.uint8],
    unit: str,
    palette: Palette,
) -> None:
    limit = symmetric_limit(painted)
    grey = rgb.mean(axis=2)
    right.imshow(grey, cmap="gray", vmin=-120, vmax=300, interpolation="nearest")
    colours = diverging(palette)
    shown = right.imshow(
        painted,
        cmap=colours,
        vmin=-limit,
        vmax=limit,
        alpha=overlay_alpha(painted, limit),
        interpolation="nearest",
    )
    figure = ax.get_figure(root=True)
    if figure is None:
        raise InputError("ax must belong to a figure.")
    mappable = type(shown)(right, cmap=colours)
    mappable.set_array(painted)
    mappable.set_clim(-limit, limit)
    bar = figure.colorbar(mappable, cax=ax.inset_axes((0.92, 0.05, 0.025, 0.9)))
    minus_ticks(bar.ax.yaxis)
    height = figure.get_figheight() * 0.7
    bar.ax.set_ylabel(
        wrap(f"effect on {unit}", height, 9, lines=2), fontsize=9, family=font_families()
    )
