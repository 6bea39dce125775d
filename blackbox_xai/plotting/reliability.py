"""Accuracy against confidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.plotting.style import choose_palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_reliability"]


def plot_reliability(
    confidence: NDArray[np.float64],
    accuracy: NDArray[np.float64],
    interval: NDArray[np.float64],
    n_rows: NDArray[np.int_],
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the accuracy of each bin with its interval; the closer to the diagonal the better.

    Parameters
    ----------
    confidence, accuracy : ndarray of shape (bins,)
        Means over the rows of each bin, 0 to 1.
    interval : ndarray of shape (bins, 2)
        Lower and upper end of the accuracy's interval.
    n_rows : ndarray of shape (bins,)
        Rows of each bin, written beside it.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(4.2, 4.0), layout="constrained")
    colours = choose_palette(None, ax)
    ax.plot([0, 1], [0, 1], color=colours.faint, lw=1, zorder=0)
    bars = np.abs(interval.T - accuracy)
    ax.errorbar(confidence, accuracy, yerr=bars, fmt="o", ms=4, lw=1, capsize=2, color="C0")
    for x, y, n in zip(confidence, interval[:, 0], n_rows, strict=True):
        ax.annotate(
            f"{n}",
            (x, y),
            xytext=(0, -3),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=7,
            color=colours.text,
        )
    ax.set(xlabel="confidence", ylabel="share of right answers", ylim=(-0.06, 1.04))
    ax.set_xlim(max(float(confidence.min(initial=1.0)) - 0.08, -0.04), 1.04)
    return ax
