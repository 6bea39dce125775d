"""Methods side by side: curves of faithfulness, matrices of agreement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from blackbox_xai._format import number
from blackbox_xai.errors import InputError
from blackbox_xai.plotting.style import (
    CATEGORIES,
    Palette,
    bare,
    choose_axes,
    choose_palette,
    fit,
    font_families,
    label_axis,
    minus_ticks,
    write_title,
)
from blackbox_xai.protocols import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["agreement", "curves"]

_DASHES = ("-", "--", ":", "-.")


def curves(
    x: FloatArray,
    means: FloatArray,
    names: Sequence[str],
    *,
    low: FloatArray | None = None,
    high: FloatArray | None = None,
    x_label: str = "share of features hidden",
    unit: str = "output",
    ax: Axes | None = None,
    palette: Palette | None = None,
    title: str | None = None,
) -> Axes:
    """Draw curves with their bands; each has a colour and a dash of its own.

    Parameters
    ----------
    x : ndarray of shape (s,)
        Positions, from 0 to 1.
    means : ndarray of shape (c, s)
        Curves, in ``unit``.
    names : sequence of str
        Names of the curves.
    low, high : ndarray of shape (c, s), optional
        Ends of 95 % intervals.
    x_label, unit : str
        Labels of the axes.
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
    >>> ax = curves(np.array([0.0, 1.0]), np.array([[1.0, 0.0]]), ["deletion"])
    >>> ax.get_ylabel()
    'output'
    """
    if means.shape != (len(names), len(x)):
        raise InputError(f"means must have shape {(len(names), len(x))}, got {means.shape}.")
    own = ax is None
    ax = choose_axes(ax, 6.5, 4.0)
    palette = choose_palette(palette, ax)
    for c, name in enumerate(names):
        colour = CATEGORIES[c % len(CATEGORIES)]
        ax.plot(
            x,
            means[c],
            color=colour,
            linestyle=_DASHES[c % 4],
            linewidth=1.8,
            label=fit(name, 2.5, 9),
        )
        if low is not None and high is not None:
            ax.fill_between(x, low[c], high[c], color=colour, alpha=0.15, linewidth=0)
    bare(ax, palette)
    minus_ticks(ax.xaxis)
    minus_ticks(ax.yaxis)
    error = "errors not estimated" if low is None else "bands: 95 % interval"
    label_axis(ax.xaxis, f"{x_label} ({error})", 5.4)
    label_axis(ax.yaxis, unit, 3.2)
    ax.legend(frameon=False, prop={"family": font_families(), "size": 9})
    if title is not None:
        write_title(ax, title, own=own)
    return ax


def agreement(
    matrix: FloatArray,
    names: Sequence[str],
    *,
    chance: float | None = None,
    ceiling: FloatArray | None = None,
    measure: str = "agreement",
    ax: Axes | None = None,
    palette: Palette | None = None,
    title: str | None = None,
) -> Axes:
    """Draw how far methods agree; each cell shows the value and what it can be compared with.

    Parameters
    ----------
    matrix : ndarray of shape (a, a)
        Agreement of each pair of methods.
    names : sequence of str
        Names of the methods.
    chance : float, optional
        Agreement of unrelated explanations.
    ceiling : ndarray of shape (a, a), optional
        Agreement that the methods' own noise allows.
    measure : str
        Name of the measure.
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
    >>> ax = agreement(np.array([[1.0, 0.8], [0.8, 1.0]]), ["Lime", "Shapley"], chance=0.1)
    >>> ax.texts[1].get_text()
    '0.800'
    """
    if matrix.shape != (len(names), len(names)):
        raise InputError(f"matrix must have shape {(len(names),) * 2}, got {matrix.shape}.")
    own = ax is None
    ax = choose_axes(ax, 3.2 + 0.9 * len(names), 1.6 + 0.75 * len(names))
    palette = choose_palette(palette, ax)
    ax.imshow(np.ma.masked_invalid(matrix), cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for i in range(len(names)):
        for j in range(len(names)):
            text = number(float(matrix[i, j]))
            if ceiling is not None:
                text += f"\nof {number(float(ceiling[i, j]))}"
            bright = np.nan_to_num(matrix[i, j], nan=1.0) > 0.55
            ax.text(
                j,
                i,
                text,
                ha="center",
                va="center",
                fontsize=9,
                color="#000000" if bright else "#ffffff",
            )
    labels = [fit(name, 1.4, 9) for name in names]
    fonts = font_families()
    ax.set_xticks(range(len(names)), labels, rotation=30, ha="right", fontsize=9, family=fonts)
    ax.set_yticks(range(len(names)), labels, fontsize=9, family=fonts)
    parts = [measure]
    if chance is not None:
        parts.append(f"chance {number(chance)}")
    if ceiling is not None:
        parts.append("“of”: what the methods' own noise allows")
    label_axis(ax.xaxis, "; ".join(parts), 1.3 + 0.9 * len(names))
    ax.tick_params(colors=palette.text)
    if title is not None:
        write_title(ax, title, own=own)
    return ax
