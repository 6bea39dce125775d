"""Static HTML for notebooks: no script, no external file; colours follow the theme."""

from __future__ import annotations

import html
from typing import Any

import numpy as np

from blackbox_xai._format import counted, number, rest_label, told_apart, with_error
from blackbox_xai.layouts import TextLayout
from blackbox_xai.plotting.explained import Explained, effect, rest_effect
from blackbox_xai.protocols import FloatArray

__all__ = ["explanation_html"]

_MAX_ROWS = 12
_MAX_TOKENS = 200
_MAX_NAME = 60
_RAISES, _LOWERS = "#b35900", "#00629f"


def explanation_html(explanation: Explained) -> str:
    """Return an explanation as HTML of at most 30 KB; every string in it is escaped.

    Parameters
    ----------
    explanation : Explanation
        What to show: the output with the highest score.

    Returns
    -------
    str
        A ``div`` with the prediction, a bar and a number with its 95 % interval for each of the
        largest attributions, the price and the warnings.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> masker = bx.TabularMasker(np.zeros((1, 1)), feature_names=["<script>"])
    >>> why = bx.ExactShapley().explain(lambda X: X[:, 0], np.ones(1), masker)
    >>> "<script>" in explanation_html(why)
    False
    """
    e = explanation
    j = e.output_index()
    head = (
        f"<b>{_text(e.output_names[j])}</b>: {_text(e.scale)} {number(float(e.scores[j]))}, "
        f"from {number(float(e.base[j]))}. {_text(e.method)}, {counted(e.cost.rows, 'model row')} "
        f"in {counted(e.cost.calls, 'call')}, {_uncertainty(e.std_err)}."
    )
    warnings = "".join(f"<p>! {_text(w, 300)}</p>" for w in e.diagnostics.get("warnings", [])[:3])
    tokens = _tokens(e.layout, e.values[:, j]) if isinstance(e.layout, TextLayout) else ""
    return (
        '<div style="font:13px/1.5 sans-serif;max-width:44em">'
        f"<p>{head}</p>{tokens}{_table(e, j)}{warnings}</div>"
    )


def _text(value: Any, limit: int = _MAX_NAME) -> str:
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))
    cut = text if len(text) <= limit else text[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return html.escape(cut, quote=True)


def _uncertainty(std_err: FloatArray | None) -> str:
    if std_err is None:
        return "error not estimated"
    return "exact" if not np.any(std_err) else "\N{PLUS-MINUS SIGN} 95 % interval"


def _table(e: Explained, j: int) -> str:
    values = e.values[:, j]
    order = np.argsort(-np.abs(values), kind="stable")
    largest = float(np.max(np.abs(values), initial=0.0)) or 1.0
    names = told_apart(e.feature_names, _MAX_NAME)
    rows = [_row(_text(names[i]), *effect(e, int(i), j), largest) for i in order[:_MAX_ROWS]]
    rest = order[_MAX_ROWS:]
    if len(rest):
        rows.append(_row(f"+ {rest_label(len(rest))}", rest_effect(e, rest, j), None, largest))
    return f'<table style="border-collapse:collapse">{"".join(rows)}</table>'


def _row(name: str, value: float, std_err: float | None, largest: float) -> str:
    value = float(value)
    width = 100 * min(abs(value) / largest, 1.0) if np.isfinite(value) else 0.0
    start, colour = (100.0, _RAISES) if value >= 0 else (100.0 - width, _LOWERS)
    bar = (
        '<svg width="200" height="12" role="presentation">'
        f'<rect x="{start:.1f}" y="1" width="{width:.1f}" height="10" fill="{colour}"/>'
        '<line x1="100" x2="100" y1="0" y2="12" stroke="currentColor"/></svg>'
    )
    return (
        f'<tr><td style="text-align:left">{name}</td><td>{bar}</td>'
        f'<td style="text-align:right">{with_error(value, std_err)}</td></tr>'
    )


def _tokens(layout: TextLayout, values: FloatArray) -> str:
    """Return the text with its features underlined, the thicker the heavier."""
    largest = float(np.max(np.abs(values), initial=0.0)) or 1.0
    spans = sorted(
        (start, stop, float(value))
        for value, spans in zip(values, layout.spans, strict=True)
        for start, stop in spans
    )
    parts, at = [], 0
    for start, stop, value in spans[:_MAX_TOKENS]:
        parts.append(_text(layout.text[at:start], 1000))
        thick = round(4 * abs(value) / largest)
        colour = _RAISES if value >= 0 else _LOWERS
        sign = "+" if value >= 0 else "\N{MINUS SIGN}"
        style = f"border-bottom:{thick}px {'solid' if value >= 0 else 'dashed'} {colour}"
        token = _text(layout.text[start:stop])
        parts.append(f'<span style="{style}" title="{sign}{abs(value):.3g}">{token}</span>')
        at = stop
    more = "\N{HORIZONTAL ELLIPSIS}" if len(spans) > _MAX_TOKENS else _text(layout.text[at:], 1000)
    return f"<p>{''.join(parts)}{more}</p>"
