"""A tree that people can read: one line for each leaf, grouped by the questions above it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.plotting.style import Palette, choose_palette

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_tree"]

_NAME = 30


def plot_tree(
    left: NDArray[np.intp],
    right: NDArray[np.intp],
    questions: Sequence[str],
    values: NDArray[np.float64],
    shares: NDArray[np.float64],
    *,
    output_names: Sequence[str],
    notes: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a tree from left to right, one row of text for each leaf.

    Parameters
    ----------
    left, right : ndarray of shape (nodes,)
        Children; -1 at leaves. The upper branch is the left child, where the question holds.
    questions : sequence of str
        What each inner node asks; ignored at leaves.
    values : ndarray of shape (nodes, k)
        What leaves say: bars, one for each output.
    shares : ndarray of shape (nodes,)
        Share of the rows, 0 to 1; line widths.
    output_names : sequence of str
    notes : sequence of str, optional
        Text behind each leaf, by node.
    ax : Axes, optional

    Returns
    -------
    Axes
    """
    import matplotlib.pyplot as plt

    leaves = _leaves_in_order(left, right)
    depth = _depths(left, right)
    height = {leaf: float(i) for i, leaf in enumerate(leaves)}
    for node in range(len(left) - 1, -1, -1):
        if left[node] >= 0:
            height[node] = (height[int(left[node])] + height[int(right[node])]) / 2
    deepest = max(depth.values())
    if ax is None:
        size = (2.1 * deepest + 5.5, 0.42 * len(leaves) + 1.0)
        _, ax = plt.subplots(figsize=size, layout="constrained")
    colours = choose_palette(None, ax)
    for node in range(len(left)):
        if left[node] >= 0:
            children = int(left[node]), int(right[node])
            _branch(ax, node, children, depth, height, shares, deepest, colours)
            ax.text(
                depth[node],
                height[node],
                _short(questions[node]),
                ha="center",
                va="center",
                fontsize=8,
                color=colours.text,
                bbox={"boxstyle": "round,pad=0.25", "fc": colours.ground, "ec": colours.faint},
            )
    _bars(ax, leaves, depth, height, deepest, values, shares, output_names, notes)
    ax.set_ylim(len(leaves) - 0.4, -0.9)
    ax.set_xlim(-0.6, deepest + 2.6)
    ax.set_axis_off()
    return ax


def _leaves_in_order(left: NDArray[np.intp], right: NDArray[np.intp]) -> list[int]:
    found, stack = [], [0]
    while stack:
        node = stack.pop()
        if left[node] < 0:
            found.append(node)
        else:
            stack += [int(right[node]), int(left[node])]
    return found


def _depths(left: NDArray[np.intp], right: NDArray[np.intp]) -> dict[int, int]:
    depth = {0: 0}
    for node in np.flatnonzero(left >= 0):
        depth[int(left[node])] = depth[int(right[node])] = depth[int(node)] + 1
    return depth


def _branch(
    ax: Axes,
    node: int,
    children: tuple[int, int],
    depth: dict[int, int],
    height: dict[int, float],
    shares: NDArray[np.float64],
    deepest: int,
    colours: Palette,
) -> None:
    x, y = depth[node], height[node]
    for child, word in zip(children, ("yes", "no"), strict=True):
        end = depth.get(child, deepest)
        width = 0.8 + 5.0 * float(shares[child])
        across = [y, height[child], height[child]]
        ax.plot([x, x, end], across, color=colours.faint, alpha=0.6, lw=width, zorder=0)
        ax.text(x + 0.03, height[child], word, fontsize=7, color=colours.text, va="bottom")


def _bars(
    ax: Axes,
    leaves: list[int],
    depth: dict[int, int],
    height: dict[int, float],
    deepest: int,
    values: NDArray[np.float64],
    shares: NDArray[np.float64],
    output_names: Sequence[str],
    notes: Sequence[str] | None,
) -> None:
    import matplotlib as mpl

    k = values.shape[1]
    shown = values[leaves]
    low = min(float(shown.min()), 0.0)
    span = max(float(shown.max()) - low, 1e-12)
    colours: Any = mpl.colormaps["tab10"]
    start = deepest + 0.15
    for leaf in leaves:
        ends = [depth[leaf], start]
        ax.plot(ends, [height[leaf]] * 2, color="0.8", lw=0.6, ls=":", zorder=0)
        for c in range(k):
            y = height[leaf] + (c + 0.5) * 0.7 / k - 0.35
            width = float(values[leaf, c]) / span
            ax.barh(y, width, 0.7 / k, left=start - low / span, color=colours(c % 10))
        said = (
            f"{values[leaf, 0]:.3g}" if k == 1 else _short(output_names[int(values[leaf].argmax())])
        )
        note = "" if notes is None else notes[leaf]
        text = f"{said}  ({100 * shares[leaf]:.0f} %){note}"
        ax.text(start + 1.08, height[leaf], text, fontsize=8, va="center")
    for c in range(k if k <= 10 else 0):
        ax.barh([0], [0], color=colours(c), label=_short(output_names[c]))
    if 1 < k <= 10:
        ax.legend(loc="upper left", ncols=min(k, 4), fontsize=7, frameon=False)
    elif k == 1:
        ax.set_title(_short(output_names[0]), fontsize=9)


def _short(text: str) -> str:
    """Cut long text in the middle: names are long, what they are compared with stands last."""
    if len(text) > _NAME:
        text = text[: _NAME - 12] + "\N{HORIZONTAL ELLIPSIS}" + text[-11:]
    return text.replace("$", r"\$")
