"""Pictures of one explanation; how it is drawn follows from how its features lie on the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import TYPE_CHECKING, Any

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai.errors import InputError
from blackbox_xai.layouts import ImageLayout, TabularLayout, TextLayout
from blackbox_xai.plotting.explained import Explained, explanation_title, output_unit
from blackbox_xai.plotting.image import image
from blackbox_xai.plotting.style import Palette
from blackbox_xai.plotting.text import text
from blackbox_xai.plotting.waterfall import waterfall
from blackbox_xai.protocols import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["data_label", "named_values", "plot_explanation"]


def plot_explanation(
    explanation: Explained,
    *,
    output: int | str | None = None,
    ax: Axes | None = None,
    max_display: int = 10,
    palette: Palette | None = None,
    title: str | None = None,
) -> Axes:
    """Draw one explanation: bars for a row, an overlay for an image, underlines for a text.

    Parameters
    ----------
    explanation : Explanation
        What is drawn.
    output : int or str, optional
        Which output; None draws the one with the highest score. The title says which.
    ax : matplotlib.axes.Axes, optional
        Where to draw; None makes a figure.
    max_display : int
        Features shown one by one; the rest is summed.
    palette : Palette, optional
        Colours; None takes those that suit the ground of ``ax``.
    title : str, optional
        Title instead of the usual one.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        When there is no such output, or a layout that this library does not know.

    Examples
    --------
    >>> import matplotlib, numpy as np, blackbox_xai as bx
    >>> matplotlib.use("Agg")
    >>> masker = bx.TabularMasker(np.zeros((1, 2)))
    >>> why = bx.Occlusion().explain(lambda X: X @ [1.0, -2.0], np.array([3.0, 1.0]), masker)
    >>> plot_explanation(why).get_xlabel()
    'score of output (errors not estimated)'
    """
    column = explanation.output_index(output)
    errors = explanation.std_err
    picture = _Picture(
        values=explanation.values[:, column],
        std_err=None if errors is None else errors[:, column],
        heatmap=_heatmap(explanation, column),
        names=explanation.feature_names,
        base=float(explanation.base[column]),
        score=float(explanation.scores[column]),
        unit=output_unit(explanation, column),
        ax=ax,
        max_display=max_display,
        palette=palette,
        title=explanation_title(explanation, column) if title is None else title,
    )
    return _draw(explanation.layout, picture)


@dataclass(frozen=True, eq=False)
class _Picture:
    """One output of an explanation, ready to be drawn."""

    values: FloatArray
    std_err: FloatArray | None
    heatmap: FloatArray | None
    names: tuple[str, ...]
    base: float
    score: float
    unit: str
    ax: Axes | None
    max_display: int
    palette: Palette | None
    title: str


def _heatmap(explanation: Explained, output: int) -> FloatArray | None:
    """Return the pixel map of one output, where the method gives one."""
    heatmap: FloatArray | None = getattr(explanation, "heatmap", None)
    return None if heatmap is None else heatmap[..., output]


@singledispatch
def _draw(layout: Any, _: _Picture) -> Axes:
    raise InputError(f"explanation has layout {shown(layout)}, which cannot be drawn.")


@_draw.register(TabularLayout)
def _draw_row(layout: TabularLayout, picture: _Picture) -> Axes:
    return waterfall(
        picture.values,
        named_values(picture.names, layout.data),
        base=picture.base,
        score=picture.score,
        std_err=picture.std_err,
        unit=picture.unit,
        ax=picture.ax,
        max_display=picture.max_display,
        palette=picture.palette,
        title=picture.title,
    )


@_draw.register(TextLayout)
def _draw_text(layout: TextLayout, picture: _Picture) -> Axes:
    return text(
        picture.values,
        layout.text,
        layout.spans,
        std_err=picture.std_err,
        unit=picture.unit,
        ax=picture.ax,
        max_display=picture.max_display,
        palette=picture.palette,
        title=picture.title,
    )


@_draw.register(ImageLayout)
def _draw_image(layout: ImageLayout, picture: _Picture) -> Axes:
    return image(
        picture.values,
        layout.labels,
        layout.image,
        heatmap=picture.heatmap,
        unit=picture.unit,
        ax=picture.ax,
        palette=picture.palette,
        title=picture.title,
    )


def named_values(names: Sequence[str], data: Sequence[Any]) -> tuple[str, ...]:
    """Return "name = value" for each feature; the name alone for a feature of several columns.

    Examples
    --------
    >>> named_values(["age", "city"], [41.0, "Riga"])
    ('age = 41', 'city = Riga')
    """
    if len(names) != len(data):
        return tuple(names)
    return tuple(f"{name} = {data_label(value)}" for name, value in zip(names, data, strict=True))


def data_label(value: Any) -> str:
    """Write a cell of the data: four digits of a number, anything else as it is.

    Examples
    --------
    >>> data_label(0.123456), data_label(3.0), data_label("Riga"), data_label(None)
    ('0.1235', '3', 'Riga', 'missing')
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return "missing"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return "0" if value == 0 else f"{value:.4g}".replace("-", "\N{MINUS SIGN}")
