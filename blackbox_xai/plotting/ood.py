"""p-values of a batch beside what rows like the reference would give."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_p_values"]

_BINS = 20


def plot_p_values(
    p_values: NDArray[np.float64], *, alpha: float = 0.05, ax: Axes | None = None
) -> Axes:
    """Draw how p-values are spread; rows like the reference would spread evenly.

    Parameters
    ----------
    p_values : ndarray of shape (n,)
    alpha : float
        False-alarm rate; rows at or below it are flagged, and drawn in another colour.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(5.0, 3.0), layout="constrained")
    edges = np.linspace(0.0, 1.0, _BINS + 1)
    flagged = p_values <= alpha
    parts = [p_values[flagged], p_values[~flagged]]
    ax.hist(parts, bins=edges.tolist(), stacked=True, color=["C3", "C0"])
    ax.axhline(len(p_values) / _BINS, color="0.4", lw=1, ls="--", label="rows like the reference")
    ax.axvline(alpha, color="C3", lw=1)
    ax.set_title(f"{flagged.sum()} of {len(p_values)} rows flagged at {alpha:g}", fontsize=10)
    ax.set(xlabel="p-value", ylabel="rows", xlim=(0, 1))
    ax.legend(fontsize=8, frameon=False)
    return ax
