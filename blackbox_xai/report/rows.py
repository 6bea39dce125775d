"""Explanations as plain data for the report; what is kept follows from the layout."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np

from blackbox_xai._format import interval
from blackbox_xai.layouts import ImageLayout, TabularLayout, TextLayout
from blackbox_xai.plotting.explained import output_unit
from blackbox_xai.plotting.folding import fold, is_additive
from blackbox_xai.plotting.image import to_rgb
from blackbox_xai.plotting.local import data_label
from blackbox_xai.plotting.style import symmetric_limit
from blackbox_xai.plotting.text import text_pieces
from blackbox_xai.protocols import FloatArray
from blackbox_xai.report.pictures import overlay_picture, photo_picture
from blackbox_xai.results import Explanation

__all__ = ["MAX_FEATURES", "row_record"]

MAX_FEATURES = 50
_MAX_TEXT = 4000


def row_record(explanation: Explanation, output: int, max_features: int = 12) -> dict[str, Any]:
    """Return one output of an explanation as plain data.

    Parameters
    ----------
    explanation : Explanation
        What is recorded.
    output : int
        Column of the output.
    max_features : int
        Features listed one by one, at most 50; the rest is summed.

    Returns
    -------
    dict
        ``features`` from the largest down, each with name, value, phi, se, low and high (None
        where not known); ``rest`` likewise with its count; ``base``, ``score`` and ``adds_up``.

    Examples
    --------
    >>> import blackbox_xai as bx
    >>> masker = bx.TabularMasker(np.zeros((1, 2)))
    >>> why = bx.ExactShapley().explain(lambda X: X @ [1.0, -2.0], [3.0, 1.0], masker)
    >>> record = row_record(why, 0)
    >>> [(f["name"], f["value"], f["phi"]) for f in record["features"]]
    [('x0', '3', 3.0), ('x1', '1', -2.0)]
    """
    values = explanation.values[:, output]
    std_err = None if explanation.std_err is None else explanation.std_err[:, output]
    base, score = float(explanation.base[output]), float(explanation.scores[output])
    bars = fold(
        values, explanation.feature_names, std_err, max_display=min(max_features, MAX_FEATURES)
    )
    noise = 1e-12 * max(abs(base), abs(score), float(np.nanmax(np.abs(values), initial=0.0)))
    rest = None
    features: list[dict[str, Any]] = []
    cells = _cells(explanation.layout, len(values))
    for at, (feature, name) in enumerate(zip(bars.index, bars.names, strict=True)):
        error = None if bars.std_err is None else float(bars.std_err[at])
        phi = float(bars.values[at])
        record = _effect(0.0 if abs(phi) < noise else phi, error)
        if feature < 0:
            rest = {"count": len(values) - len(features), **record}
        else:
            features.append({"name": name, "value": cells[feature], **record})
    return {
        "output": explanation.output_names[output],
        "unit": output_unit(explanation, output),
        "method": explanation.method,
        "base": base,
        "score": score,
        "adds_up": is_additive(values, base, score),
        "exact": std_err is not None and not np.any(std_err),
        "model_rows": int(explanation.cost.rows),
        "features": features,
        "rest": rest,
        **_details(explanation.layout, values, _heatmap(explanation, output)),
    }


def _effect(phi: float, std_err: float | None) -> dict[str, float | None]:
    if not np.isfinite(phi):
        return {"phi": None, "se": None, "low": None, "high": None}
    if std_err is None or not np.isfinite(std_err):
        return {"phi": phi, "se": None, "low": None, "high": None}
    low, high = interval(phi, std_err)
    return {"phi": phi, "se": std_err, "low": low, "high": high}


def _heatmap(explanation: Explanation, output: int) -> FloatArray | None:
    return None if explanation.heatmap is None else explanation.heatmap[..., output]


@singledispatch
def _cells(_layout: Any, d: int) -> list[str | None]:
    """Return the value of each feature as text, where features have one."""
    return [None] * d


@_cells.register(TabularLayout)
def _table_cells(layout: TabularLayout, d: int) -> list[str | None]:
    if len(layout.data) != d:
        return [None] * d
    return [data_label(value) for value in layout.data]


@singledispatch
def _details(_layout: Any, _values: FloatArray, _map: FloatArray | None) -> dict[str, Any]:
    """Add what only this kind of input has."""
    return {}


@_details.register(TextLayout)
def _tokens(layout: TextLayout, values: FloatArray, _map: FloatArray | None) -> dict[str, Any]:
    """Keep the text, and how strongly each piece is underlined: -4 to 4, 0 for not at all."""
    limit = symmetric_limit(values)
    pieces = []
    for piece in text_pieces(layout.text, layout.spans):
        if piece.start >= _MAX_TEXT:
            break
        share = float(values[piece.feature]) / limit if piece.feature >= 0 else 0.0
        level = int(np.sign(share) * np.ceil(4 * abs(share))) if abs(share) > 0.02 else 0
        pieces.append([layout.text[piece.start : min(piece.stop, _MAX_TEXT)], level])
    hidden = max(len(layout.text) - _MAX_TEXT, 0)
    return {"text": {"pieces": _merged(pieces), "hidden": hidden}}


def _merged(pieces: list[list[Any]]) -> list[list[Any]]:
    merged: list[list[Any]] = []
    for content, level in pieces:
        if merged and merged[-1][1] == level == 0:
            merged[-1][0] += content
        else:
            merged.append([content, level])
    return merged


@_details.register(ImageLayout)
def _pictures(
    layout: ImageLayout, values: FloatArray, heatmap: FloatArray | None
) -> dict[str, Any]:
    limit = symmetric_limit(values if heatmap is None else heatmap)
    return {
        "image": {
            "input": photo_picture(to_rgb(layout.image)),
            "overlay": overlay_picture(values, layout.labels, limit, heatmap=heatmap),
            "limit": limit,
            "of": "segment" if heatmap is None else "pixel",
            "width": int(layout.labels.shape[1]),
            "height": int(layout.labels.shape[0]),
        }
    }
