"""Mean sizes of effects over many explanations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
from blackbox_xai.protocols import FloatArray, IntArray

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
    for c, cohort in enumerate(cohorts):
        part = _Cohort(cohort, c, len(cohorts), heights[c, shown], _ends(low, high, c, shown))
        _draw_cohort(ax, part, palette)
    name_rows(ax, [names[int(i)] for i in shown], _NAMES)
    bare(ax, palette)
    minus_ticks(ax.xaxis)
    ax.set_xlim(left=0)
    ax.margins(x=0.15)
    error = "errors not estimated" if low is None else "whiskers: 95 % interval over rows"
    rest = _rest_words(heights[:, order[len(shown) :]])
    label = f"mean size of effect on {unit} ({error}{rest})"
    label_axis(ax.xaxis, label, _WIDTH - _NAMES - 0.6)
    if len(cohorts) > 1:
        ax.legend(frameon=False, prop={"family": font_families(), "size": 9})
    if title is not None:
        write_title(ax, title, own=own)
    return ax


@dataclass(frozen=True, eq=False)
class _Cohort:
    """Bars of one of several cohorts: their heights, and the ends of their intervals."""

    name: str
    place: int
    count: int
    heights: FloatArray
    ends: tuple[FloatArray, FloatArray] | None


def _ends(
    low: FloatArray | None, high: FloatArray | None, cohort: int, shown: IntArray
) -> tuple[FloatArray, FloatArray] | None:
    if low is None or high is None:
        return None
    return np.atleast_2d(low)[cohort, shown], np.atleast_2d(high)[cohort, shown]


def _draw_cohort(ax: Axes, part: _Cohort, palette: Palette) -> None:
    """Draw the bars of a cohort beside those of the others, with whiskers and numbers."""
    thick = 0.7 / part.count
    rows = np.arange(len(part.heights)) - 0.35 + thick * (part.place + 0.5)
    colours = [palette.text] if part.count == 1 else CATEGORIES
    ax.barh(
        rows,
        part.heights,
        height=thick * 0.9,
        color=colours[part.place % len(colours)],
        alpha=0.75,
        label=part.name,
        hatch=("", "//", "..", "xx")[part.place % 4],
        edgecolor=palette.ground,
    )
    reach = part.heights
    if part.ends is not None:
        low, high = part.ends
        reach = np.maximum(reach, high)
        spread = np.abs(np.stack([part.heights - low, high - part.heights]))
        ax.errorbar(part.heights, rows, xerr=spread, fmt="none", ecolor=palette.text, capsize=2.5)
    for row, height, at in zip(rows, part.heights, reach, strict=True):
        _note(ax, number(float(height)), (float(np.nan_to_num(at)), row), palette)


def _rest_words(hidden: FloatArray) -> str:
    """Say what features that are not shown, ``(c, hidden)``, come to together."""
    if hidden.shape[1] == 0:
        return ""
    total = ", ".join(number(float(value)) for value in hidden.sum(axis=1))
    return f"; {rest_label(hidden.shape[1])} together: {total}"


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
