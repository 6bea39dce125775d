"""Why a model answered as it did on one input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
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
from blackbox_xai.results.table import long_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Explanation"]

_FORMAT = "blackbox_xai.explanation/1"
_Z95 = 1.959963984540054


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
        return _export.frame(long_table(self), backend)

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
            _export.save_table(long_table(self), target)

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
