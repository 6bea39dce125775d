"""Mean sizes of effects over many explanations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from blackbox_xai._format import number, rest_label
from blackbox_xai.errors import InputError
from blackbox_xai.plotting.folding import order_by_size
from blackbox_xai.plotting.style import (
    CATEGORIES,
    Palette,
    bare,
    choose_axes,
    choose_palette,
    font_families,
    label_axis,
    minus_ticks,
    name_rows,
    write_title,
)
from blackbox_xai.protocols import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["bar", "mean_size"]

_WIDTH = 7.5
_NAMES = 2.6


def mean_size(
    values: FloatArray, rng: np.random.Generator, *, n_boot: int = 500
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean absolute attribution of each feature over rows, with 95 % bootstrap interval.

    Parameters
    ----------
    values : ndarray of shape (n, d)
        Attributions of one output.
    rng : numpy.random.Generator
        Draws the bootstrap samples.
    n_boot : int
        Samples.

    Returns
    -------
    mean, low, high : ndarray of shape (d,)
        In units of ``values``; the interval is the point itself for a single row.

    Examples
    --------
    >>> mean, low, high = mean_size(np.array([[1.0], [-3.0]]), np.random.default_rng(0))
    >>> float(mean[0]), float(low[0]), float(high[0])
    (2.0, 1.0, 3.0)
    """
    size = np.abs(values)
    n = len(size)
    counts = rng.multinomial(n, np.full(n, 1 / n), size=n_boot)
    means = counts @ np.nan_to_num(size) / n
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return np.nan_to_num(size).mean(axis=0), low, high


def bar(
    mean: FloatArray,
    names: Sequence[str],
    *,
    low: FloatArray | None = None,
    high: FloatArray | None = None,
    cohorts: Sequence[str] = ("all rows",),
    unit: str = "output",
    ax: Axes | None = None,
    max_display: int = 10,
    palette: Palette | None = None,
    title: str | None = None,
) -> Axes:
    """Draw mean absolute attributions, the largest on top.

    Parameters
    ----------
    mean : ndarray of shape (d,) or (c, d)
        Mean absolute attribution of each feature (in each of ``c`` cohorts), in ``unit``.
    names : sequence of str
        Names of the features.
    low, high : ndarray like ``mean``, optional
        Ends of 95 % intervals.
    cohorts : sequence of str
        Names of the cohorts.
    unit : str
        Unit of the axis.
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
    >>> ax = bar(np.array([0.1, 0.3]), ["age", "income"], unit="probability of default")
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['income', 'age']
    """
    heights = np.atleast_2d(mean)
    if heights.shape != (len(cohorts), len(names)):
        raise InputError(
            f"mean must have shape {(len(cohorts), len(names))}, one row for each cohort and one "
            f"column for each name, got {np.shape(mean)}."
        )
    order = order_by_size(heights.max(axis=0))
    shown = order if len(order) <= max_display + 1 else order[:max_display]
    own = ax is None
    ax = choose_axes(ax, _WIDTH, 1.4 + (0.12 + 0.2 * len(cohorts)) * (len(shown) + 1))
    palette = choose_palette(palette, ax)
    colours = [palette.text] if len(cohorts) == 1 else CATEGORIES
    for c, cohort in enumerate(cohorts):
        thick = 0.7 / len(cohorts)
        rows = np.arange(len(shown)) - 0.35 + thick * (c + 0.5)
        ends = heights[c, shown]
        ax.barh(
            rows,
            ends,
            height=thick * 0.9,
            color=colours[c % len(colours)],
            alpha=0.75,
            label=cohort,
            hatch=("", "//", "..", "xx")[c % 4],
            edgecolor=palette.ground,
        )
        reach = ends
        if low is not None and high is not None:
            ends_low, ends_high = np.atleast_2d(low)[c, shown], np.atleast_2d(high)[c, shown]
            reach = np.maximum(ends, ends_high)
            spread = np.abs(np.stack([ends - ends_low, ends_high - ends]))
            ax.errorbar(ends, rows, xerr=spread, fmt="none", ecolor=palette.text, capsize=2.5)
        for row, end, at in zip(rows, ends, reach, strict=True):
            _note(ax, number(float(end)), (float(np.nan_to_num(at)), row), palette)
    rest = heights[:, order[len(shown) :]].sum(axis=1)
    labels = [names[int(i)] for i in shown]
    name_rows(ax, labels, _NAMES)
    bare(ax, palette)
    minus_ticks(ax.xaxis)
    ax.set_xlim(left=0)
    ax.margins(x=0.15)
    error = "errors not estimated" if low is None else "whiskers: 95 % interval over rows"
    more = ""
    if len(order) > len(shown):
        total = ", ".join(number(float(value)) for value in rest)
        more = f"; {rest_label(len(order) - len(shown))} together: {total}"
    label = f"mean size of effect on {unit} ({error}{more})"
    label_axis(ax.xaxis, label, _WIDTH - _NAMES - 0.6)
    if len(cohorts) > 1:
        ax.legend(frameon=False, prop={"family": font_families(), "size": 9})
    if title is not None:
        write_title(ax, title, own=own)
    return ax


def _note(ax: Axes, text: str, at: tuple[float, float], palette: Palette) -> None:
    ax.annotate(
        text,
        at,
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
        color=palette.text,
    )
