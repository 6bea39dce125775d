"""Many explanations as points: a swarm for each feature, one feature against its values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from blackbox_xai._format import counted, rest_label
from blackbox_xai.errors import InputError
from blackbox_xai.plotting.folding import dense_sample, order_by_size
from blackbox_xai.plotting.style import (
    Palette,
    bare,
    choose_axes,
    choose_palette,
    label_axis,
    minus_ticks,
    name_rows,
    wrap,
    write_title,
)
from blackbox_xai.protocols import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["beeswarm", "scatter"]

_WIDTH = 7.5
_NAMES = 2.6
_POINTS_PER_FEATURE = 2000


def beeswarm(
    values: FloatArray,
    names: Sequence[str],
    *,
    data: Any = None,
    unit: str = "output",
    ax: Axes | None = None,
    max_display: int = 10,
    palette: Palette | None = None,
    title: str | None = None,
) -> Axes:
    """Draw one point for each row and feature, coloured by the value of the feature.

    Parameters
    ----------
    values : ndarray of shape (n, d)
        Attributions of one output over rows.
    names : sequence of str
        Names of the ``d`` features.
    data : ndarray of shape (n, d), optional
        Values of the features; where they are missing, points are grey.
    unit : str
        Unit of the axis.
    ax, max_display, palette, title
        As for ``plot_explanation``; the label says how many rows are drawn.

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
    >>> ax = beeswarm(np.array([[0.1, -0.2], [0.3, 0.1]]), ["age", "income"])
    >>> ax.get_xlabel()
    'effect on output (2 rows)'
    """
    if values.ndim != 2 or values.shape[1] != len(names):
        raise InputError(f"values must have shape (n, {len(names)}), got {values.shape}.")
    order = order_by_size(np.nan_to_num(np.abs(values)).mean(axis=0))[:max_display]
    own = ax is None
    ax = choose_axes(ax, _WIDTH, 1.5 + 0.38 * len(order))
    palette = choose_palette(palette, ax)
    ranks = None if data is None else _ranks(np.asarray(data, dtype=np.float64)[:, order])
    ax.axvline(0, color=palette.faint, linewidth=0.8, zorder=0)
    for row, feature in enumerate(order):
        at = dense_sample(~np.isnan(values[:, feature]), _POINTS_PER_FEATURE)
        colours = palette.text if ranks is None else _viridis(ranks[at, row])
        heights = row + _swarm(values[at, feature])
        ax.scatter(values[at, feature], heights, c=colours, s=11, linewidths=0, alpha=0.9)
    name_rows(ax, [names[int(i)] for i in order], _NAMES)
    bare(ax, palette)
    minus_ticks(ax.xaxis)
    hidden = len(names) - len(order)
    more = f", {rest_label(hidden)} not shown" if hidden else ""
    label = f"effect on {unit} ({counted(len(values), 'row')}{more})"
    label_axis(ax.xaxis, label, _WIDTH - _NAMES - 0.8)
    if ranks is not None:
        _value_bar(ax)
    if title is not None:
        write_title(ax, title, own=own)
    return ax


def _ranks(data: FloatArray) -> FloatArray:
    """Return ranks from 0 (lowest) to 1 in each column; NaN stays NaN, ties share a rank."""
    ranks = np.full(data.shape, np.nan)
    for j in range(data.shape[1]):
        known = np.isfinite(data[:, j])
        _, place, count = np.unique(data[known, j], return_inverse=True, return_counts=True)
        ranks[known, j] = place / max(len(count) - 1, 1)
    return ranks


def _viridis(ranks: FloatArray) -> Any:
    from matplotlib import colormaps

    colours = colormaps["viridis"](np.nan_to_num(ranks) * 0.92)
    colours[np.isnan(ranks)] = (0.6, 0.6, 0.6, 1.0)
    return colours


def _swarm(values: FloatArray) -> FloatArray:
    """Return heights ``(n,)`` within +/-0.38 that keep points of equal value apart."""
    if len(values) == 0:
        return values
    low, high = values.min(), values.max()
    bins = np.floor((values - low) / ((high - low) or 1.0) * 60).astype(np.intp)
    order = np.argsort(bins, kind="stable")
    first = np.r_[True, bins[order][1:] != bins[order][:-1]]
    group = np.cumsum(first) - 1
    place = np.arange(len(order)) - np.flatnonzero(first)[group]
    offsets = np.empty(len(values))
    offsets[order] = (place + 1) // 2 * np.where(place % 2, 1.0, -1.0)
    return offsets * min(0.07, 0.38 / max(float(np.abs(offsets).max()), 1.0))


def _value_bar(ax: Axes) -> None:
    from matplotlib.cm import ScalarMappable

    figure = ax.get_figure(root=True)
    if figure is None:
        raise InputError("ax must belong to a figure.")
    colours = ScalarMappable(cmap="viridis")
    colours.set_clim(0, 1 / 0.92)
    bar = figure.colorbar(colours, ax=ax, fraction=0.03, pad=0.02, boundaries=np.linspace(0, 1, 65))
    bar.set_ticks([0, 1], labels=["low", "high"])
    height = figure.get_figheight() - 1.0
    label = wrap("value of the feature (grey: no number)", height, 9)
    bar.set_label(label, fontsize=9)


def scatter(
    data: FloatArray,
    values: FloatArray,
    *,
    name: str,
    unit: str = "output",
    colour: FloatArray | None = None,
    colour_name: str = "",
    ax: Axes | None = None,
    palette: Palette | None = None,
    title: str | None = None,
) -> Axes:
    """Draw attributions of one feature against its values, with the histogram of the values below.

    Parameters
    ----------
    data, values : ndarray of shape (n,)
        Values of the feature and its attributions.
    name, unit : str
        Labels of the axes.
    colour : ndarray of shape (n,), optional
        Values of another feature that colours the points.
    colour_name : str
        Name of that feature.
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
    >>> ax = scatter(np.array([20.0, 40.0]), np.array([-0.1, 0.2]), name="age")
    >>> ax.get_xlabel()
    'age (2 rows)'
    """
    if np.shape(data) != np.shape(values) or np.ndim(data) != 1:
        raise InputError(
            f"data and values must have the same shape (n,), got {np.shape(data)} and "
            f"{np.shape(values)}."
        )
    own = ax is None
    ax = choose_axes(ax, 5.5, 4.0)
    palette = choose_palette(palette, ax)
    at = dense_sample(np.isfinite(data) & np.isfinite(values), _POINTS_PER_FEATURE)
    colours = palette.lowers if colour is None else _viridis(_ranks(colour[:, None])[at, 0])
    ax.axhline(0, color=palette.faint, linewidth=0.8, zorder=0)
    ax.scatter(data[at], values[at], c=colours, s=16, linewidths=0, alpha=0.85)
    counts = ax.twinx()
    counts.hist(data[at], bins=30, color=palette.faint, alpha=0.35)
    counts.set_ylim(0, 8 * max(counts.get_ylim()[1], 1))
    counts.set_axis_off()
    bare(ax, palette)
    minus_ticks(ax.xaxis)
    minus_ticks(ax.yaxis)
    missing = len(data) - int(np.isfinite(data).sum())
    more = f", {missing:,} missing not shown" if missing else ""
    tail = f"; bright: high {colour_name}" if colour is not None else ""
    label_axis(ax.xaxis, f"{name} ({counted(len(data), 'row')}{more}{tail})", 4.2)
    label_axis(ax.yaxis, f"effect on {unit}", 3.0)
    if title is not None:
        write_title(ax, title, own=own)
    return ax
