"""What the page shows of explained rows: sentences, bars, pictures, and what the script shows."""

from __future__ import annotations

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

__all__ = ["NAME", "row_parts", "rows_shown", "script_data", "shorten"]

NAME = 120  # characters of a name that are there
_SHORT = 24  # and of those that are seen on a wide page


def rows_shown(document: dict[str, Any]) -> list[dict[str, Any]]:
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
        bar["name"], bar["value"] = cut_text(bar["name"], NAME), cut_text(bar["value"], 60)
    shorten(drawn["bars"])
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


def shorten(bars: list[dict[str, Any]]) -> None:
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


def row_parts(document: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what the template needs of the explained rows; ``rows`` are those shown."""
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


def script_data(document: dict[str, Any], rows: list[dict[str, Any]]) -> dict[str, Any]:
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
