"""What explainers return: finished numbers, with names, units, error bars and their price."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from blackbox_xai import _export
from blackbox_xai._checks import check_choice, shown
from blackbox_xai._plain import plain
from blackbox_xai.errors import InputError
from blackbox_xai.layouts import Layout, layout_from_dict, pack_array, unpack_array
from blackbox_xai.ledger import Ledger
from blackbox_xai.plotting.explained import summary
from blackbox_xai.protocols import FloatArray, Scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Attribution", "Explanation", "Explanations"]

_FORMAT = "blackbox_xai.explanation/1"
_Z95 = 1.959963984540054


@dataclass(frozen=True, eq=False)
class Attribution:
    """What a solver found out about one input; an explainer dresses it as an ``Explanation``.

    Parameters
    ----------
    values : ndarray of shape (d, k)
        Attribution of each feature for each output, in units of the model's output.
    base : ndarray of shape (k,)
        Score that the attributions start from.
    std_err : ndarray of shape (d, k), optional
        Standard error of each value; 0 where it is exact, None when not estimated.
    diagnostics : dict
        Plain data about how the numbers came about.
    heatmap : ndarray of shape (height, width, k), optional
        Attribution of each pixel, where a method looks finer than the features.
    scores : ndarray of shape (k,), optional
        Score of the input in the unit of the values, where that is not the model's.
    """

    values: FloatArray
    base: FloatArray
    std_err: FloatArray | None = None
    diagnostics: dict[str, Any] = field(default_factory=dict)
    heatmap: FloatArray | None = None
    scores: FloatArray | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Explanation:
    """Why a model answered as it did on one input.

    Explainers make it; ``from_json`` reads it back.

    Parameters
    ----------
    values : ndarray of shape (d, k)
        Attributions of ``d`` features to ``k`` outputs, in units of ``scale``.
    std_err : ndarray of shape (d, k) or None
        Their standard errors, same units; 0 where a value is exact, None where the method gives
        none.
    base, scores : ndarray of shape (k,)
        The score that attributions start from, and the model's score of the input.
    feature_names, output_names : tuple of str
        Names of the features and outputs.
    scale : {"probability", "score", "value"}
        Unit of the scores.
    layout : Layout
        How the features lie on the input.
    method : str
        Name of the explainer.
    settings, masker : dict
        Settings of the explainer and of the masker, as plain data.
    cost : Ledger
        Queries spent.
    diagnostics : dict
        How the numbers came about; plain data.
    heatmap : ndarray of shape (height, width, k) or None
        Attribution of each pixel of an image, where the method looks finer than the features.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> masker = bx.TabularMasker(np.zeros((1, 2)), feature_names=["age", "income"])
    >>> why = bx.ExactShapley().explain(lambda X: X @ [1.0, 2.0], np.ones(2), masker)
    >>> why.values[:, 0]
    array([1., 2.])
    >>> Explanation.from_json(why.to_json()).feature_names
    ('age', 'income')
    """

    values: FloatArray
    std_err: FloatArray | None
    base: FloatArray
    scores: FloatArray
    feature_names: tuple[str, ...]
    output_names: tuple[str, ...]
    scale: Scale
    layout: Layout
    method: str
    settings: dict[str, Any]
    masker: dict[str, Any]
    cost: Ledger
    diagnostics: dict[str, Any]
    heatmap: FloatArray | None = None

    @property
    def low(self) -> FloatArray | None:
        """Lower ends of the 95 % intervals, shape ``(d, k)``; None without standard errors."""
        return None if self.std_err is None else self.values - _Z95 * self.std_err

    @property
    def high(self) -> FloatArray | None:
        """Upper ends of the 95 % intervals, shape ``(d, k)``; None without standard errors."""
        return None if self.std_err is None else self.values + _Z95 * self.std_err

    def output_index(self, output: int | str | None = None) -> int:
        """Return the column of ``output``; None means the one with the highest score.

        Raises
        ------
        InputError
            When there is no such output.
        """
        if output is None:
            return int(np.argmax(self.scores))
        if isinstance(output, str) and output in self.output_names:
            return self.output_names.index(output)
        k = len(self.output_names)
        if isinstance(output, int | np.integer) and -k <= output < k:
            return int(output) % k
        raise InputError(f"output must be one of {shown(self.output_names)}, got {shown(output)}.")

    def paint(self, output: int | str | None = None) -> FloatArray:
        """Return the attributions laid out as the input is.

        Parameters
        ----------
        output : int or str, optional
            Which output; None means the one with the highest score.

        Returns
        -------
        ndarray
            One value for each cell of a row, each pixel ``(height, width)``, or each character.
        """
        j = self.output_index(output)
        if self.heatmap is not None:
            return self.heatmap[..., j]
        return self.layout.paint(self.values[:, j])

    def to_frame(self, backend: str = "pandas") -> Any:
        """Return a long data frame: output, feature, value, phi, se, low, high.

        Parameters
        ----------
        backend : {"pandas", "polars"}
            Which library makes the frame.

        Raises
        ------
        InputError
            When that library is not installed.
        """
        return _export.frame(_rows(self), backend)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data that ``json`` can write and ``from_dict`` reads back."""
        return {
            "format": _FORMAT,
            "method": self.method,
            "scale": self.scale,
            "feature_names": list(self.feature_names),
            "output_names": list(self.output_names),
            "scores": plain(self.scores.tolist()),
            "base": plain(self.base.tolist()),
            "values": plain(self.values.tolist()),
            "std_err": None if self.std_err is None else plain(self.std_err.tolist()),
            "layout": self.layout.to_dict(),
            "settings": plain(self.settings),
            "masker": plain(self.masker),
            "cost": self.cost.to_dict(),
            "diagnostics": plain(self.diagnostics),
            "heatmap": None if self.heatmap is None else pack_array(self.heatmap),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Explanation:
        """Read back what ``to_dict`` wrote.

        Raises
        ------
        InputError
            When ``data`` is not an explanation written by this library.
        """
        if not isinstance(data, Mapping) or data.get("format") != _FORMAT:
            raise InputError(f"data must be an explanation of format {_FORMAT!r}.")
        try:
            return _from_dict(data)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"data is not a whole explanation: {shown(str(error))}.") from error

    def to_json(self) -> str:
        """Return JSON text; ``from_json`` reads it back. NaN and infinity become null."""
        return json.dumps(self.to_dict(), ensure_ascii=True, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Explanation:
        """Read back what ``to_json`` wrote.

        Raises
        ------
        InputError
            When ``text`` is not JSON, or not an explanation written by this library.
        """
        return cls.from_dict(_export.parse_json(text))

    def to_shap(self) -> Any:
        """Return a ``shap.Explanation`` for users of shap's plots.

        Raises
        ------
        InputError
            When shap is not installed.
        """
        return _export.to_shap([self])[0]

    def save(self, path: str | Path) -> None:
        """Write to ``path``; the suffix decides: .json, .csv, .parquet, .html or .png.

        Raises
        ------
        InputError
            For another suffix, or when a library for it is missing.
        """
        target = Path(path)
        kind = check_choice("path's suffix", target.suffix.lower(), _export.SUFFIXES)
        if kind == ".json":
            target.write_text(self.to_json(), encoding="utf-8")
        elif kind == ".html":
            target.write_text(_export.page(self._repr_html_(), self.method), encoding="utf-8")
        elif kind == ".png":
            _export.save_figure(self.plot(), target)
        else:
            _export.save_table(_rows(self), target)

    def plot(
        self,
        *,
        output: int | str | None = None,
        ax: Axes | None = None,
        max_display: int = 10,
        palette: Any = None,
        title: str | None = None,
    ) -> Axes:
        """Draw the attributions for one output; never calls the model.

        Parameters
        ----------
        output : int or str, optional
            Which output; None means the one with the highest score.
        ax : matplotlib Axes, optional
            Where to draw; None makes a figure.
        max_display : int
            Features shown one by one; the rest are summed.
        palette : optional
            Colours for raising and lowering.
        title : str, optional
            Replaces the title.

        Returns
        -------
        matplotlib.axes.Axes
        """
        from blackbox_xai.plotting import plot_explanation

        return plot_explanation(
            self, output=output, ax=ax, max_display=max_display, palette=palette, title=title
        )

    def __repr__(self) -> str:
        """Say in at most 12 lines what was explained, how, and what weighs most."""
        return summary(self)

    def _repr_html_(self) -> str:
        """Return static HTML for notebooks: no script, no external file, all text escaped."""
        from blackbox_xai.plotting.notebook import explanation_html

        return explanation_html(self)


class Explanations(list[Explanation]):
    """Explanations of several inputs: a list that also knows how to leave as a whole.

    With ``on_error="return"`` some entries may be None; they are left out of
    frames and files.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> masker = bx.TabularMasker(np.zeros((1, 2)))
    >>> many = bx.ExactShapley().explain_many(lambda X: X.sum(1), np.eye(2), masker)
    >>> many.to_frame()["row"].tolist()
    [0, 0, 1, 1]
    """

    def to_frame(self, backend: str = "pandas") -> Any:
        """Return one long data frame; the first column, ``row``, counts the inputs from 0."""
        rows: dict[str, list[Any]] = {}
        for i, explanation in _finished(self):
            table = _rows(explanation)
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
        """What all explanations cost together."""
        return sum((e.cost for _, e in _finished(self)), Ledger())

    def to_shap(self) -> Any:
        """Return one ``shap.Explanation`` of all inputs.

        Its values have shape ``(n, d)``, or ``(n, d, k)`` for several outputs.

        Raises
        ------
        InputError
            When shap is not installed, or the inputs do not share features and outputs.
        """
        return _export.to_shap([e for _, e in _finished(self)])


def _finished(many: Iterable[Explanation | None]) -> list[tuple[int, Explanation]]:
    """Return the explanations that are there, each with its place."""
    return [(i, explanation) for i, explanation in enumerate(many) if explanation is not None]


def _rows(explanation: Explanation) -> dict[str, list[Any]]:
    """Return the columns of the long table, output by output."""
    d, k = explanation.values.shape
    data = getattr(explanation.layout, "data", None) or [None] * d

    def column(array: FloatArray | None) -> list[Any]:
        return [None] * (d * k) if array is None else array.T.ravel().tolist()

    return {
        "output": [name for name in explanation.output_names for _ in range(d)],
        "feature": list(explanation.feature_names) * k,
        "value": list(data) * k,
        "phi": column(explanation.values),
        "se": column(explanation.std_err),
        "low": column(explanation.low),
        "high": column(explanation.high),
    }


def _floats(data: Mapping[str, Any], name: str, *shape: int) -> FloatArray:
    """Return stored numbers as float64; null was not finite and comes back as NaN."""
    numbers = np.array(data[name], dtype=np.float64)
    if numbers.shape != shape:
        raise ValueError(f"{name} has shape {numbers.shape}, expected {shape} from the names")
    return numbers


def _from_dict(data: Mapping[str, Any]) -> Explanation:
    heatmap = data.get("heatmap")
    d, k = len(data["feature_names"]), len(data["output_names"])
    return Explanation(
        values=_floats(data, "values", d, k),
        std_err=None if data["std_err"] is None else _floats(data, "std_err", d, k),
        base=_floats(data, "base", k),
        scores=_floats(data, "scores", k),
        feature_names=tuple(str(name) for name in data["feature_names"]),
        output_names=tuple(str(name) for name in data["output_names"]),
        scale=data["scale"],
        layout=layout_from_dict(data["layout"]),
        method=str(data["method"]),
        settings=dict(data["settings"]),
        masker=dict(data["masker"]),
        cost=Ledger(**data["cost"]),
        diagnostics=dict(data["diagnostics"]),
        heatmap=None if heatmap is None else unpack_array(heatmap),
    )
