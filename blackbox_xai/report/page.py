"""What the page shows beyond the document itself: texts put together, places of marks."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from blackbox_xai._format import (
    MISSING,
    counted,
    cut_text,
    joined,
    number,
    percent,
    signed,
    told_apart,
)
from blackbox_xai.report import charts

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
_NAME = 120
_SHORT = 24  # characters of a name that are seen on a wide page


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
    rows = _rows(document)
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
        **_row_parts(document, rows),
        **_truth_parts(document.get("truth")),
        **_unusual_parts(document.get("unusual")),
        **_surrogate_parts(document.get("surrogate")),
        "curve_charts": _curve_charts(document.get("trust")),
        **_ledger_parts(document),
        "data": _data(document, rows),
    }


def _there(document: dict[str, Any], keys: str | tuple[str, ...] | None) -> bool:
    """Tell whether a heading has something under it."""
    wanted = (keys,) if isinstance(keys, str) else keys
    return wanted is None or any(document.get(key) for key in wanted)


def _lead(document: dict[str, Any]) -> str:
    model = document.get("subject", {}).get("model", {})
    data = document.get("subject", {}).get("data", {})
    name = cut_text(str(model.get("name", model.get("adapter", "A model"))), _NAME)
    text = f"{name} on {counted(int(data.get('rows', 0)), 'row')}"
    return f"{text} of {cut_text(str(data['name']), _NAME)}." if data.get("name") else f"{text}."


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
    _shorten(drawn["bars"])
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


def _rows(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return each explained row as the page shows it."""
    section = document.get("rows")
    return [_row(record) for record in section["items"]] if section else []


def _row(record: dict[str, Any]) -> dict[str, Any]:
    drawn = charts.bar_rows(record)
    output = cut_text(record["output"], 60)
    head = f"Row {record['row']}: {number(record['score'])} {cut_text(record['unit'], 90)}"
    if "true" in record:
        head += f"; true: {cut_text(record['true'], 60)}"
    for bar in drawn["bars"]:
        bar["name"], bar["value"] = cut_text(bar["name"], _NAME), cut_text(bar["value"], 60)
    _shorten(drawn["bars"])
    return {
        "row": record["row"],
        "head": head,
        "title": f"{record['row']}: {output} {number(record['score'])}",
        "note": _row_note(record),
        "interval_head": _error_words(record),
        "text": record["text"]["pieces"] if "text" in record else None,
        "bars": drawn["bars"],
        "anchors": drawn["anchors"],
        "ticks": [[tick["x"], tick["text"]] for tick in drawn["ticks"]],
    }


def _shorten(bars: list[dict[str, Any]]) -> None:
    """Give each bar a name whose beginning tells it from the others; the whole one stays."""
    names = list(dict.fromkeys(bar["name"] for bar in bars))
    short = dict(zip(names, told_apart(names, _SHORT), strict=True))
    for bar in bars:
        bar["short"] = short[bar["name"]]


def _error_words(record: dict[str, Any]) -> str:
    if record["exact"]:
        return "effect (exact)"
    known = any(feature["se"] is not None for feature in record["features"])
    return "effect ± 95 %" if known else "effect (error not estimated)"


def _row_note(record: dict[str, Any]) -> str:
    asked = counted(record["model_rows"], "model row")
    base = number(record["base"])
    if record["adds_up"]:
        note = (
            f"With everything hidden the model says {base}; the effects below lead from there to "
            f"{number(record['score'])} (dotted lines)."
        )
    else:
        note = (
            f"With everything hidden the model says {base}. The effects of {record['method']} do "
            "not add up to the prediction; each bar begins at 0."
        )
    note += f" {record['method']}, {asked}."
    if record.get("p_value") is not None:
        p_value = record["p_value"]
        note += f" {percent(p_value)} of reference rows are at least as unusual."
    near = [_near_words(near) for near in record.get("near") or ()]
    if near:
        note += f" Most like it among the audited rows: {joined(near)}."
    if "text" in record and record["text"]["hidden"]:
        note += f" {record['text']['hidden']:,} more characters are not shown."
    return note


def _near_words(near: dict[str, Any]) -> str:
    """Write a row that is like the explained one, and how it was answered."""
    words = [str(near["row"])]
    if "score" in near:
        words.append(f"({cut_text(near['output'], 40)} {number(near['score'])}")
        words[-1] += f", true: {cut_text(near['true'], 40)})" if "true" in near else ")"
    return " ".join(words)


def _row_parts(document: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    records = document["rows"]["items"] if rows else []
    return {
        "first": rows[0] if rows else None,
        "row_titles": [row["title"] for row in rows],
        "pictures": _pictures(records),
        "all_rows": [_summary(record) for record in records],
    }


def _pictures(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    pictures = []
    for place, record in enumerate(records):
        if "image" not in record:
            continue
        image = record["image"]
        top = record["features"][0] if record["features"] else None
        finding = "" if top is None else f"largest effect: {top['name']}, {_phi(top)}"
        tiny = max(image["width"], image["height"]) <= 64
        pictures.append(
            {
                "of": "segment",
                **image,
                "place": place,
                "row": record["row"],
                "finding": finding,
                "tiny": tiny,
            }
        )
    return pictures


def _phi(feature: dict[str, Any]) -> str:
    return MISSING if feature["phi"] is None else signed(feature["phi"], feature["se"])


def _summary(record: dict[str, Any]) -> dict[str, Any]:
    top = record["features"][0]
    return {
        "row": record["row"],
        "output": cut_text(record["output"], 60),
        "score": number(record["score"]),
        "score_v": record["score"],
        "feature": cut_text(top["name"], 60),
        "phi": _phi(top),
        "phi_v": top["phi"] or 0.0,
    }


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
    column = cut_text(str(node["column"]), _NAME)
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


def _data(document: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the script needs: the rows it can show, and the map."""
    names: dict[tuple[str, str], int] = {}
    section = document.get("map")
    places = None
    if section:
        shown = section["rows"]
        places = None if shown == "all" else {row: i for i, row in enumerate(shown)}
    packed = []
    for row in rows:
        at = row["row"] if places is None else places.get(row["row"])
        packed.append(
            {
                "row": row["row"],
                "place": at if section else None,
                **{key: row[key] for key in ("head", "note", "anchors", "ticks", "text")},
                "bars": [
                    [
                        names.setdefault((bar["short"], bar["name"]), len(names)),
                        *(bar[key] for key in ("value", "text", "half", "x", "width")),
                        bar["low"],
                        bar["high"],
                        int(bar["raises"]),
                    ]
                    for bar in row["bars"]
                ],
            }
        )
    drawn = None
    if section:
        drawn = {key: section[key] for key in ("points", "labels", "names")}
        drawn["rows"] = None if section["rows"] == "all" else section["rows"]
    told = [[short] if short == name else [short, name] for short, name in names]
    return {"names": told, "rows": packed, "map": drawn}
