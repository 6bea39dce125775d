"""Explanations of several inputs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from blackbox_xai import _export
from blackbox_xai.errors import InputError
from blackbox_xai.ledger import Ledger
from blackbox_xai.results.explanation import Explanation
from blackbox_xai.results.table import long_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Explanations"]


class Explanations(list[Explanation]):
    """Explanations of several inputs: a list that also knows how to leave as a whole.

    With ``on_error="return"`` some entries may be None; they are left out of
    frames and files.

    Parameters
    ----------
    explanations : iterable
    lost : Ledger, optional
        What was spent on inputs that could not be explained.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> masker = bx.TabularMasker(np.zeros((1, 2)))
    >>> many = bx.ExactShapley().explain_many(lambda X: X.sum(1), np.eye(2), masker)
    >>> many.to_frame()["row"].tolist()
    [0, 0, 1, 1]
    """

    def __init__(
        self, explanations: Iterable[Explanation] = (), *, lost: Ledger | None = None
    ) -> None:
        super().__init__(explanations)
        self.lost = lost or Ledger()

    def to_frame(self, backend: str = "pandas") -> Any:
        """Return one long data frame; the first column, ``row``, counts the inputs from 0."""
        rows: dict[str, list[Any]] = {}
        for i, explanation in _finished(self):
            table = long_table(explanation)
            for name, column in {"row": [i] * len(table["phi"]), **table}.items():
                rows.setdefault(name, []).extend(column)
        return _export.frame(rows, backend)

    def to_json(self) -> str:
        """Return a JSON list of explanations; ``from_json`` reads it back."""
        done = [e.to_dict() for _, e in _finished(self)]
        return json.dumps(done, ensure_ascii=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Explanations:
        """Read back what ``to_json`` wrote.

        Raises
        ------
        InputError
            When ``text`` is not JSON, or not a list of explanations.
        """
        data = _export.parse_json(text)
        if not isinstance(data, list):
            raise InputError("text must be a JSON list of explanations.")
        return cls([Explanation.from_dict(item) for item in data if item is not None])

    @property
    def cost(self) -> Ledger:
        """What all explanations cost together, and what was ``lost`` on those that failed."""
        return sum((e.cost for _, e in _finished(self)), self.lost)

    def to_shap(self) -> Any:
        """Return one ``shap.Explanation`` of all inputs.

        Its values have shape ``(n, d)``, or ``(n, d, k)`` for several outputs.

        Raises
        ------
        InputError
            When shap is not installed, or the inputs do not share features and outputs.
        """
        return _export.to_shap([e for _, e in _finished(self)])

    def plot(
        self,
        *,
        output: int | str | None = None,
        ax: Axes | None = None,
        max_display: int = 10,
        palette: Any = None,
        title: str | None = None,
    ) -> Axes:
        """Draw the attributions of all rows of a table for one output; never calls the model.

        Parameters
        ----------
        output : int or str, optional
            Which output; None means the one with the highest mean score.
        ax, max_display, palette, title
            As for ``Explanation.plot``; features beyond ``max_display`` are not shown.

        Returns
        -------
        matplotlib.axes.Axes

        Raises
        ------
        InputError
            When features or outputs differ, as those of texts and images do.
        """
        from blackbox_xai.plotting import plot_explanations

        done = [e for _, e in _finished(self)]
        return plot_explanations(
            done, output=output, ax=ax, max_display=max_display, palette=palette, title=title
        )


def _finished(many: Iterable[Explanation | None]) -> list[tuple[int, Explanation]]:
    """Return the explanations that are there, each with its place."""
    return [(i, explanation) for i, explanation in enumerate(many) if explanation is not None]
