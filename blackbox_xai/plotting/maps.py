"""Maps of the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from blackbox_xai._format import cut_text
from blackbox_xai.errors import InputError
from blackbox_xai.plotting.folding import dense_sample
from blackbox_xai.plotting.style import (
    CATEGORIES,
    MARKERS,
    Palette,
    choose_axes,
    choose_palette,
    font_families,
    label_axis,
    plain,
    write_title,
)
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["group_small", "map_points"]

_MAX_POINTS = 20_000


def group_small(
    labels: IntArray, names: Sequence[str], limit: int = 8
) -> tuple[IntArray, tuple[str, ...]]:
    """Keep the ``limit`` most frequent categories apart and call the rest "other".

    Examples
    --------
    >>> group_small(np.array([0, 1, 1, 2]), "abc", limit=2)
    (array([1, 0, 0, 1]), ('b', 'other'))
    """
    if len(names) <= limit:
        return labels, tuple(names)
    count = np.bincount(labels, minlength=len(names))
    top = np.argsort(-count, kind="stable")[: limit - 1]
    place = np.full(len(names), limit - 1)
    place[top] = np.arange(limit - 1)
    return place[labels], (*(names[i] for i in top), "other")


def map_points(
    points: FloatArray,
    labels: IntArray,
    names: Sequence[str],
    *,
    ringed: BoolArray | None = None,
    note: str = "",
    ax: Axes | None = None,
    palette: Palette | None = None,
    title: str | None = None,
) -> Axes:
    """Draw a projection; shape and colour say which output the model predicts.

    Parameters
    ----------
    points : ndarray of shape (n, 2)
        Positions, without unit.
    labels : ndarray of shape (n,)
        Index of the predicted output of each point.
    names : sequence of str
        Names of the outputs; beyond 8 the rarest become "other".
    ringed : ndarray of shape (n,), optional
        True for rows that are explained.
    note : str
        What the reader must know about distances, such as "PCA, 61 % of variance".
    ax, palette, title
        As for ``plot_explanation``.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        When shapes do not match.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> ax = map_points(np.eye(2), np.array([0, 1]), ["ok", "default"], note="PCA")
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['ok (1)', 'default (1)']
    """
    if points.ndim != 2 or points.shape[1] != 2 or len(labels) != len(points):
        raise InputError(
            f"points must have shape (n, 2) with one label each, got {points.shape} and "
            f"{len(labels)} labels."
        )
    own = ax is None
    ax = choose_axes(ax, 6.5, 5.0)
    palette = choose_palette(palette, ax)
    groups, group_names = group_small(labels, names)
    total = _draw_groups(ax, points, groups, group_names)
    if ringed is not None and ringed.any():
        ax.scatter(
            points[ringed, 0],
            points[ringed, 1],
            s=70,
            facecolors="none",
            edgecolors=palette.text,
            label=f"explained ({int(ringed.sum()):,})",
        )
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_color(palette.faint)
    hidden = f"{total:,} of {len(points):,} points shown, stratified by prediction. "
    label_axis(ax.xaxis, (hidden if total < len(points) else "") + note, 5.6)
    ax.legend(  # on a ground of its own: no map has a corner to spare
        prop={"family": font_families(), "size": 9},
        facecolor=palette.ground,
        edgecolor="none",
        framealpha=0.85,
    )
    if title is not None:
        write_title(ax, title, own=own)
    return ax


def _draw_groups(ax: Axes, points: FloatArray, groups: IntArray, names: Sequence[str]) -> int:
    """Draw points by group and return how many there was room for."""
    total = 0
    for c, name in enumerate(names):
        at = dense_sample(groups == c, _MAX_POINTS // len(names))
        total += len(at)
        count = int((groups == c).sum())
        ax.scatter(
            points[at, 0],
            points[at, 1],
            s=18,
            alpha=0.8,
            linewidths=0,
            color=CATEGORIES[c],
            marker=MARKERS[c],
            label=plain(f"{cut_text(name, 30)} ({count:,})"),
        )
    return total
