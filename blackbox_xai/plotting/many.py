"""The picture of many explanations of one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from blackbox_xai.errors import InputError
from blackbox_xai.plotting.explained import Explained, output_unit
from blackbox_xai.plotting.style import Palette
from blackbox_xai.plotting.swarm import beeswarm
from blackbox_xai.protocols import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_explanations"]


def plot_explanations(
    explanations: Sequence[Explained],
    *,
    output: int | str | None = None,
    ax: Axes | None = None,
    max_display: int = 10,
    palette: Palette | None = None,
    title: str | None = None,
) -> Axes:
    """Draw one point for each row and feature of a table, coloured by the value of the feature.

    Parameters
    ----------
    explanations : sequence of Explanation
        Of the same features and outputs.
    output : int or str, optional
        Which output; None draws the one with the highest mean score.
    ax, max_display, palette, title
        As for ``plot_explanation``.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        When there is no explanation, or no such output, or when features or outputs differ, as
        those of texts and images do.

    Examples
    --------
    >>> import matplotlib, blackbox_xai as bx
    >>> matplotlib.use("Agg")
    >>> masker = bx.TabularMasker(np.zeros((1, 2)))
    >>> many = bx.Occlusion().explain_many(lambda X: X @ [1.0, -2.0], np.eye(2), masker)
    >>> plot_explanations(many).get_xlabel()
    'effect on score of output (2 rows)'
    """
    if not explanations:
        raise InputError("plot needs at least one explanation, got 0.")
    first = explanations[0]
    shape = first.feature_names, first.output_names
    if any((e.feature_names, e.output_names) != shape for e in explanations):
        raise InputError(
            "plot needs the same features and outputs in all explanations. Draw them one by one, "
            "as explanations[0].plot(), or pass outputs= to explain_many."
        )
    mean = np.mean([e.scores for e in explanations], axis=0)
    column = first.output_index(int(mean.argmax()) if output is None else output)
    return beeswarm(
        np.stack([e.values[:, column] for e in explanations]),
        first.feature_names,
        data=_numbers(explanations),
        unit=output_unit(first, column),
        ax=ax,
        max_display=max_display,
        palette=palette,
        title=title,
    )


def _numbers(explanations: Sequence[Explained]) -> FloatArray | None:
    """Return values of the features, NaN where they are no numbers; None where none is."""
    d = len(explanations[0].feature_names)
    rows = [getattr(e.layout, "data", ()) for e in explanations]
    if any(len(row) != d for row in rows):
        return None
    data = np.array([[_number(cell) for cell in row] for row in rows])
    return data if np.isfinite(data).any() else None


def _number(cell: Any) -> float:
    plain = isinstance(cell, bool | int | float | np.bool_ | np.integer | np.floating)
    return float(cell) if plain else np.nan
