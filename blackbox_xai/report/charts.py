"""Where marks stand on a chart: sections of an audit turned into whole numbers for the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from blackbox_xai._format import number, rest_label, signed
from blackbox_xai.plotting.style import tick

__all__ = [
    "bar_rows",
    "count_bars",
    "curve_chart",
    "driver_rows",
    "feature_texts",
    "points_chart",
    "read",
    "reliability_marks",
    "ticks",
    "to_line",
]

_WIDE = 1000
_HIGH = 600
_Z95 = 1.959963984540054


def read(text: str) -> float:
    """Return the number that ``_format`` wrote.

    Examples
    --------
    >>> read("−1,234.5"), read("+2.00e−05")
    (-1234.5, 2e-05)
    """
    return float(text.replace("\N{MINUS SIGN}", "-").replace(",", ""))


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round numbers between ``low`` and ``high``, about ``count`` of them.

    Examples
    --------
    >>> ticks(0.0, 1.0)
    [0.0, 0.25, 0.5, 0.75, 1.0]
    """
    if not high > low:
        return [low]
    rough = (high - low) / max(count - 1, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def to_line(value: float, low: float, high: float, length: int = _WIDE) -> int:
    """Return where ``value`` stands on a line of ``length`` from ``low`` to ``high``."""
    share = (value - low) / (high - low) if high > low else 0.5
    return round(min(max(share, 0.0), 1.0) * length)


def feature_texts(record: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return name, value, effect and half-width of the interval of each bar, as they are shown.

    Examples
    --------
    >>> feature = {"name": "age", "value": "41", "phi": 0.1234, "se": 0.01}
    >>> feature_texts({"features": [feature], "rest": None})
    [('age', '41', '+0.123', '0.020')]
    """
    entries = list(record["features"])
    if record["rest"] is not None:
        rest = record["rest"]
        entries.append({**rest, "name": rest_label(rest["count"]), "value": None})
    texts = []
    for entry in entries:
        phi, error = entry["phi"], entry["se"]
        half = number(_Z95 * error, error) if error else ""
        texts.append(
            (entry["name"], entry["value"] or "", "" if phi is None else signed(phi, error), half)
        )
    return texts


def bar_rows(record: dict[str, Any]) -> dict[str, Any]:
    """Return the bars of one explained row, from base to prediction where they add up.

    Lengths follow the numbers as they are shown, so that page and script draw the same bars.
    """
    texts = feature_texts(record)
    adds_up = record["adds_up"]
    at = read(number(record["base"])) if adds_up else 0.0
    spans = []
    for _, _, effect, half in texts:
        phi = read(effect) if effect else 0.0
        spans.append((at, at + phi, read(half) if half else 0.0))
        at = at + phi if adds_up else 0.0
    ends = [end for a, b, half in spans for end in (a, b - half, b + half)]
    anchors = [read(number(record["base"])), read(number(record["score"]))] if adds_up else [0.0]
    low, high = _padded(min([*ends, *anchors]), max([*ends, *anchors]))
    bars = []
    for (name, value, effect, half), (a, b, error) in zip(texts, spans, strict=True):
        x0, x1 = sorted((to_line(a, low, high), to_line(b, low, high)))
        bars.append(
            {
                "name": name,
                "value": value,
                "text": effect or "not available",
                "half": half,
                "x": x0,
                "width": max(x1 - x0, 2),
                "low": to_line(b - error, low, high) if half else None,
                "high": to_line(b + error, low, high) if half else None,
                "raises": b >= a,
            }
        )
    return {
        "bars": bars,
        "anchors": [to_line(anchor, low, high) for anchor in anchors],
        "ticks": [{"x": to_line(t, low, high), "text": tick(t)} for t in ticks(low, high, 4)],
    }


def _padded(low: float, high: float) -> tuple[float, float]:
    pad = (high - low) * 0.04 or 0.5
    return low - pad, high + pad


def driver_rows(section: dict[str, Any]) -> dict[str, Any]:
    """Return bars of mean sizes, all beginning at 0."""
    features = section["features"]
    top = max((feature["high"] for feature in features), default=0.0) * 1.04 or 1.0
    bars = [
        {
            "name": feature["name"],
            "text": number(feature["mean"], (feature["high"] - feature["low"]) / 4),
            "interval": _between(feature),
            "width": to_line(feature["mean"], 0.0, top),
            "low": to_line(feature["low"], 0.0, top),
            "high": to_line(feature["high"], 0.0, top),
        }
        for feature in features
    ]
    return {
        "bars": bars,
        "ticks": [{"x": to_line(t, 0.0, top), "text": tick(t)} for t in ticks(0.0, top, 4)],
    }


def _between(record: dict[str, Any]) -> str:
    error = (record["high"] - record["low"]) / 4
    return f"{number(record['low'], error)} to {number(record['high'], error)}"


def frame(x_low: float, x_high: float, y_low: float, y_high: float) -> dict[str, Any]:
    """Return the ticks of a chart of 1000 by 600."""
    return {
        "x_ticks": [
            {"at": to_line(t, x_low, x_high), "text": tick(t)} for t in ticks(x_low, x_high, 5)
        ],
        "y_ticks": [
            {"at": _HIGH - to_line(t, y_low, y_high, _HIGH), "text": tick(t)}
            for t in ticks(y_low, y_high, 5)
        ],
    }


def points_chart(points: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Return points as one path, with ticks; the zero line where it is inside.

    Examples
    --------
    >>> points_chart([[0.0, 0.0], [1.0, 1.0]])["path"]
    'M37 578h0M963 22h0'
    """
    xs, ys = [p[0] for p in points], [p[1] for p in points]
    x_low, x_high = _padded(min(xs), max(xs))
    y_low, y_high = _padded(min([*ys, 0.0]), max([*ys, 0.0]))
    path = "".join(
        f"M{to_line(x, x_low, x_high)} {_HIGH - to_line(y, y_low, y_high, _HIGH)}h0"
        for x, y in points
    )
    zero = _HIGH - to_line(0.0, y_low, y_high, _HIGH)
    return {"path": path, "zero": zero, **frame(x_low, x_high, y_low, y_high)}


def curve_chart(x: Sequence[float], lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return curves and their bands as paths, with ticks."""
    ends = [v for line in lines for key in ("mean", "low", "high") for v in line.get(key) or ()]
    low, high = _padded(min(ends), max(ends))

    def path(ys: Sequence[float], xs: Sequence[float]) -> str:
        spots = [
            f"{to_line(a, 0.0, 1.0)} {_HIGH - to_line(b, low, high, _HIGH)}"
            for a, b in zip(xs, ys, strict=True)
        ]
        return "M" + "L".join(spots)

    drawn = []
    for line in lines:
        band = None
        if line.get("low"):
            back = path(list(reversed(line["low"])), list(reversed(x)))
            band = path(line["high"], x) + "L" + back[1:] + "Z"
        drawn.append({"name": line["name"], "path": path(line["mean"], x), "band": band})
    return {"lines": drawn, **frame(0.0, 1.0, low, high)}


def count_bars(counts: Sequence[int]) -> list[dict[str, int]]:
    """Return the bars of a histogram of 1000 by 600."""
    top = max([*counts, 1])
    width = _WIDE / len(counts)
    return [
        {
            "x": round(i * width) + 1,
            "width": round(width) - 2,
            "y": _HIGH - round(count / top * _HIGH),
            "height": round(count / top * _HIGH),
        }
        for i, count in enumerate(counts)
    ]


def reliability_marks(bins: Sequence[dict[str, float]]) -> list[dict[str, int]]:
    """Return where the bins of a reliability diagram stand, both axes from 0 to 1."""
    return [
        {
            "x": to_line(bin_["confidence"], 0.0, 1.0),
            "y": _HIGH - to_line(bin_["rate"], 0.0, 1.0, _HIGH),
            "low": _HIGH - to_line(bin_["low"], 0.0, 1.0, _HIGH),
            "high": _HIGH - to_line(bin_["high"], 0.0, 1.0, _HIGH),
        }
        for bin_ in bins
    ]
