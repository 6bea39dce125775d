"""Bars from the base score to the prediction of one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from blackbox_xai._format import interval, number, signed
from blackbox_xai.plotting.folding import Bars, fold, is_additive
from blackbox_xai.plotting.style import (
    Palette,
    bare,
    choose_axes,
    choose_palette,
    label_axis,
    minus_ticks,
    name_rows,
    write_title,
)
from blackbox_xai.protocols import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["waterfall"]

_WIDTH = 7.5
_NAMES = 2.6


def waterfall(
    values: FloatArray,
    names: Sequence[str],
    *,
    base: float,
    score: float,
    std_err: FloatArray | None = None,
    unit: str = "output",
    ax: Axes | None = None,
    max_display: int = 10,
    palette: Palette | None = None,
    title: str | None = None,
) -> Axes:
    """Draw how the attributions of one row lead from ``base`` to ``score``.

    Bars continue one another when ``base`` plus all attributions gives ``score``; otherwise each
    begins at 0, so that no sum is suggested that does not hold.

    Parameters
    ----------
    values, std_err : ndarray of shape (d,)
        Attributions and standard errors, in ``unit``; whiskers are 95 % intervals.
    names : sequence of str
        Names of the ``d`` features.
    base, score : float
        Score with everything hidden, and of the row itself.
    unit : str
        Unit of the axis, such as "probability of malignant".
    ax, max_display, palette, title
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
    >>> ax = waterfall(np.array([2.0, -0.5]), ["age", "income"], base=1.0, score=2.5)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['everything hidden', 'age', 'income', 'prediction']
    """
    adds_up = is_additive(values, base, score)
    bars = fold(values, names, std_err, max_display=max_display, base=base if adds_up else None)
    own = ax is None
    ax = choose_axes(ax, _WIDTH, 1.5 + 0.32 * (len(bars.names) + 2 * adds_up))
    palette = choose_palette(palette, ax)
    _draw_bars(ax, bars, palette, first_row=int(adds_up))
    rows = list(bars.names)
    if adds_up:
        rows = ["everything hidden", *rows, "prediction"]
        _draw_ends(ax, base, score, len(rows), palette)
    else:
        ax.axvline(0, color=palette.faint, linewidth=0.8, zorder=0)
    name_rows(ax, rows, _NAMES)
    bare(ax, palette)
    minus_ticks(ax.xaxis)
    ax.margins(x=0.2)
    label_axis(ax.xaxis, _axis_label(unit, std_err, adds_up=adds_up), _WIDTH - _NAMES - 0.6)
    if title is not None:
        write_title(ax, title, own=own)
    return ax


def _axis_label(unit: str, std_err: FloatArray | None, *, adds_up: bool) -> str:
    if std_err is None:
        error = "errors not estimated"
    else:
        error = "whiskers: 95 % interval" if np.any(std_err) else "exact"
    return f"{'' if adds_up else 'effect on '}{unit} ({error})"


def _draw_bars(ax: Axes, bars: Bars, palette: Palette, first_row: int) -> None:
    heights = np.nan_to_num(bars.values)
    rows = np.arange(len(heights)) + first_row
    colours = [palette.of(value) for value in heights]
    ax.barh(rows, heights, left=bars.starts, color=colours, height=0.62, zorder=2)
    ends = bars.starts + heights
    reach = ends.copy()
    if bars.std_err is not None and np.any(bars.std_err):
        low, high = interval(1.0, 1.0)
        half = (high - low) / 2 * np.nan_to_num(bars.std_err)
        ax.errorbar(
            ends,
            rows,
            xerr=half,
            fmt="none",
            ecolor=palette.text,
            elinewidth=1.1,
            capsize=2.5,
            zorder=3,
        )
        reach = ends + np.where(heights < 0, -half, half)
    for row, at, value, i in zip(rows, reach, bars.values, range(len(rows)), strict=True):
        error = None if bars.std_err is None else float(bars.std_err[i])
        ax.annotate(
            "not available" if np.isnan(value) else signed(float(value), error),
            (at, row),
            xytext=(-4 if value < 0 else 4, 0),
            textcoords="offset points",
            ha="right" if value < 0 else "left",
            va="center",
            fontsize=9,
            color=palette.text,
        )


def _draw_ends(ax: Axes, base: float, score: float, rows: int, palette: Palette) -> None:
    for row, at in ((0, base), (rows - 1, score)):
        ax.plot([at], [row], marker="D", markersize=5, color=palette.text, zorder=3)
        ax.annotate(
            number(at),
            (at, row),
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            fontweight="bold",
            color=palette.text,
        )
        ax.axvline(at, color=palette.faint, linewidth=0.8, linestyle=":", zorder=0)
