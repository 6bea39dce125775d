"""Interactions of pairs of features as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from blackbox_xai._checks import check_int
from blackbox_xai._format import signed
from blackbox_xai.plotting.folding import without_dust
from blackbox_xai.plotting.style import (
    Palette,
    choose_axes,
    choose_palette,
    diverging,
    font_families,
    name_rows,
    readable_on,
    symmetric_limit,
    write_title,
)
from blackbox_xai.protocols import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["interaction_heatmap"]

_NAMES = 1.6
_CELL = 0.6


def interaction_heatmap(
    values: FloatArray,
    main: FloatArray,
    names: Sequence[str],
    *,
    std_err: FloatArray | None = None,
    top: int = 12,
    ax: Axes | None = None,
    palette: Palette | None = None,
    title: str = "Interactions of pairs",
) -> Axes:
    """Draw interactions as a symmetric map, with what each feature gets by itself on the diagonal.

    Parameters
    ----------
    values : ndarray of shape (d, d)
        Interaction of each pair, in units of the model's output; the diagonal is not used.
    main : ndarray of shape (d,)
        What each feature gets by itself.
    names : sequence of str
        Names of the ``d`` features.
    std_err : ndarray of shape (d, d), optional
        Standard errors; an interaction within 1.96 of them of 0 is written in brackets.
    top : int
        Features shown: those with the largest sum of absolute parts.
    ax : Axes, optional
        Where to draw; None makes a figure.
    palette : Palette, optional
    title : str

    Returns
    -------
    Axes
    """
    check_int("top", top, minimum=1)
    shown = values.copy()
    np.fill_diagonal(shown, main)
    chosen = np.argsort(-np.abs(shown).sum(axis=1), kind="stable")[:top]
    shown = without_dust(shown[np.ix_(chosen, chosen)])
    unsure = np.zeros(shown.shape, dtype=bool)
    if std_err is not None:
        unsure = np.abs(shown) < 1.96 * std_err[np.ix_(chosen, chosen)]
        np.fill_diagonal(unsure, False)
    n, own = len(chosen), ax is None
    side = _NAMES + _CELL * n
    ax = choose_axes(ax, side + 0.9, side + 0.3)
    palette = choose_palette(palette, ax)
    limit = symmetric_limit(shown)
    image = ax.imshow(shown, cmap=diverging(palette), vmin=-limit, vmax=limit)
    chosen_names = [names[int(j)] for j in chosen]
    name_rows(ax, chosen_names, _NAMES)
    ax.set_xlim(-0.5, n - 0.5)
    ax.set_ylim(n - 0.5, -0.5)
    labels = [row.get_text() for row in ax.get_yticklabels()]
    ax.set_xticks(range(n), labels, rotation=90, family=font_families())
    for i in range(n):
        for j in range(n):
            text = signed(float(shown[i, j]))
            text = f"({text})" if unsure[i, j] else text
            color = readable_on(image.cmap(image.norm(shown[i, j])))
            ax.text(j, i, text, ha="center", va="center", fontsize=7, color=color)
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.7)
    bar.ax.tick_params(colors=palette.text)
    ax.tick_params(length=0, colors=palette.text)
    write_title(ax, title, own=own)
    return ax
