"""What the page shows beyond the document itself: texts put together, places of marks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from blackbox_xai._format import counted, cut_text, number, percent
from blackbox_xai.report import charts
from blackbox_xai.report.page_rows import NAME, row_parts, rows_shown, script_data, shorten

__all__ = ["page_parts"]

_MARKS = {"pass": ("✓", "pass"), "fail": ("✗", "fail"), "warn": ("!", "note")}
_RESULTS = {"pass": "✓ pass", "fail": "✗ fail"}
_HEADINGS = (
    ("verdict", "Verdict", None),
    ("subject", "What was audited?", None),
    ("drivers", "What drives the model?", "drivers"),
    ("map-heading", "Where are the data?", "map"),
    ("rows", "Why this prediction?", "rows"),
    ("truth", "Is it right, is it calibrated?", None),
    ("unusual", "What is unusual?", "unusual"),
    ("surrogate", "Can simple rules imitate it?", "surrogate"),
    ("trust", "Can the explanations be trusted?", ("trust", "gates", "agreement")),
    ("ledger", "What did it cost?", None),
    ("limits", "Limits, and how to reproduce this", None),
)
_SHAPES = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0",
    "M0-5L5 4H-5Z",
    "M-4-4H4V4H-4Z",
    "M0-5L5 0L0 5L-5 0Z",
    "M0 5L5-4H-5Z",
    "M-5-2H-2V-5H2V-2H5V2H2V5H-2V2H-5Z",
    "M-5-2H5V2H-5Z",
    "M-2-5H2V5H-2Z",
)


def page_parts(document: dict[str, Any]) -> dict[str, Any]:
    """Return everything the template needs beside the document, ``data`` for the script included.

    Examples
    --------
    >>> parts = page_parts({"subject": {}, "verdict": [], "ledger": {"stages": [], "total": {}},
    ...                     "limits": {}, "timing": {"stages": []}})
    >>> [heading for _, heading in parts["contents"]][:2]
    ['Verdict', 'What was audited?']
    """
    shown = [(id_, text) for id_, text, keys in _HEADINGS if _there(document, keys)]
    anchors = {id_: f"“{text}”" for id_, text in shown}
    rows = rows_shown(document)
    return {
        "marks": _MARKS,
        "results": _RESULTS,
        "contents": shown,
        "anchors": {**anchors, **({"gates": anchors["trust"]} if "trust" in anchors else {})},
        "lead": _lead(document),
        "facts": _facts(document.get("subject", {})),
        "settings": _settings(document.get("subject", {})),
        **_driver_parts(document.get("drivers")),
        **_map_parts(document.get("map")),
        **row_parts(document, rows),
        **_truth_parts(document.get("truth")),
        **_unusual_parts(document.get("unusual")),
        **_surrogate_parts(document.get("surrogate")),
        "curve_charts": _curve_charts(document.get("trust")),
        **_ledger_parts(document),
        "data": script_data(document, rows),
    }


def _there(document: dict[str, Any], keys: str | tuple[str, ...] | None) -> bool:
    """Tell whether a heading has something under it."""
    wanted = (keys,) if isinstance(keys, str) else keys
    return wanted is None or any(document.get(key) for key in wanted)


def _lead(document: dict[str, Any]) -> str:
    model = document.get("subject", {}).get("model", {})
    data = document.get("subject", {}).get("data", {})
    name = cut_text(str(model.get("name", model.get("adapter", "A model"))), NAME)
    text = f"{name} on {counted(int(data.get('rows', 0)), 'row')}"
    return f"{text} of {cut_text(str(data['name']), NAME)}." if data.get("name") else f"{text}."


def _facts(subject: dict[str, Any]) -> list[tuple[str, str]]:
    """Return terms and facts about model and data, only those that are known."""
    model, data = subject.get("model", {}), subject.get("data", {})
    masker = subject.get("masker", {})
    facts: list[tuple[str, Any]] = [
        ("model", model.get("name")),
        ("adapter", model.get("adapter")),
        ("model file SHA-256", model.get("sha256")),
        ("model file size", counted(model["bytes"], "byte") if "bytes" in model else None),
        ("outputs", _listed(model.get("outputs", ()))),
        ("unit of the scores", model.get("scale")),
        ("data", data.get("name")),
        ("data file SHA-256", data.get("sha256")),
        ("kind of data", data.get("kind")),
        ("rows audited", f"{data['rows']:,}" if "rows" in data else None),
        ("shape of an image", " by ".join(map(str, data.get("shape", ())))),
        ("reference rows", data.get("reference_rows")),
        ("labels", "given" if data.get("labels") else "not given"),
        ("features are hidden by", masker.get("kind")),
        ("rows explained by", subject.get("explainer", {}).get("method")),
        ("seed", subject.get("seed")),
        ("library", f"blackbox_xai {subject.get('version', '')}"),
        ("date", subject.get("date")),
    ]
    return [(term, str(fact)) for term, fact in facts if fact not in (None, "")]


def _listed(names: Sequence[Any], most: int = 12) -> str:
    """Return the first names, and how many more there are."""
    text = ", ".join(cut_text(str(name), 60) for name in names[:most])
    return text if len(names) <= most else f"{text} and {len(names) - most:,} more"


def _settings(subject: dict[str, Any]) -> str:
    kept = {key: subject[key] for key in ("explainer", "masker", "seed") if key in subject}
    return json.dumps(kept, indent=2, ensure_ascii=False)


def _driver_parts(section: dict[str, Any] | None) -> dict[str, Any]:
    if not section:
        return {"drivers": None, "scatters": []}
    drawn = charts.driver_rows(section)
    shorten(drawn["bars"])
    short = {bar["name"]: bar["short"] for bar in drawn["bars"]}
    scatters = [
        {**item, "short": short[item["name"]], "drawn": charts.points_chart(item["points"])}
        for item in section["scatters"]
    ]
    return {"drivers": drawn, "scatters": scatters}


def _map_parts(section: dict[str, Any] | None) -> dict[str, Any]:
    if not section:
        return {"map_note": "", "map_count": 0, "legend": []}
    count = sum(section["counts"])
    trust = section["quality"]["trustworthiness"]["value"]
    note = (
        f"Rows that are alike lie close together: {section['method']}, "
        f"{percent(section['variance'])} of variance. Trustworthiness {number(trust)} (1 is "
        "best): lower means that neighbours here need not be neighbours in the data."
    )
    if count < section["n"]:
        note = f"{count:,} of {section['n']:,} rows shown, drawn at random. {note}"
    names = zip(section["names"], section["counts"], strict=True)
    legend = [
        {"index": i % 8, "shape": _SHAPES[i % 8], "name": name, "count": f"{n:,}"}
        for i, (name, n) in enumerate(names)
    ]
    return {"map_note": note, "map_count": f"{count:,}", "legend": legend}


def _truth_parts(section: dict[str, Any] | None) -> dict[str, Any]:
    calibration = section.get("calibration") if section else None
    if not calibration:
        return {"reliability": None}
    drawn = charts.frame(0.0, 1.0, 0.0, 1.0)
    return {"reliability": {"marks": charts.reliability_marks(calibration["bins"]), **drawn}}


def _unusual_parts(section: dict[str, Any] | None) -> dict[str, Any]:
    if not section:
        return {"histogram": [], "threshold": 0}
    return {
        "histogram": charts.count_bars(section["counts"]),
        "threshold": charts.to_line(section["alpha"], 0.0, 1.0),
    }


def _surrogate_parts(section: dict[str, Any] | None) -> dict[str, Any]:
    if not section:
        return {"tree": None, "leaves": []}
    output = section["output"]
    leaves = [
        {
            **leaf,
            "said": number(leaf["value"][output]),
            "share_text": percent(leaf["share"]),
            "width": round(100 * leaf["share"]),
        }
        for leaf in section["leaves"]
    ]
    return {"tree": _branch(section["tree"]), "leaves": leaves}


def _branch(node: dict[str, Any]) -> dict[str, Any]:
    if "leaf" in node:
        return {"leaf": node["leaf"]}
    column = cut_text(str(node["column"]), NAME)
    if "at_most" in node:
        border = f"{node['at_most']:.4g}".replace("-", "\N{MINUS SIGN}")
        yes, no = f"{column} ≤ {border}", f"{column} > {border}"
    else:
        value = cut_text(str(node["differs_from"]), 60)
        yes, no = f"{column} is not {value}", f"{column} is {value}"
    return {"yes": yes, "no": no, "then": _branch(node["then"]), "else": _branch(node["else"])}


def _curve_charts(section: dict[str, Any] | None) -> list[dict[str, Any]]:
    if not section:
        return []
    return [
        {**item, "drawn": charts.curve_chart(item["x"], item["lines"])}
        for item in section.get("curves", ())
    ]


def _ledger_parts(document: dict[str, Any]) -> dict[str, Any]:
    timing = {item["stage"]: item for item in document["timing"]["stages"]}
    asked = [
        {**stage, "in_model": timing.get(stage["stage"], {}).get("in_model")}
        for stage in document["ledger"]["stages"]
        if stage["calls"] or stage["cache_hits"]
    ]
    return {
        "ledger_rows": asked,
        "seconds_in_model": sum(item["in_model"] for item in timing.values()),
        "seconds": sum(item["seconds"] for item in timing.values()),
    }
