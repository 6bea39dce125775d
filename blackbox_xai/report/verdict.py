"""Cards that say in one sentence each what an audit found, those that failed first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blackbox_xai._format import counted, number

__all__ = ["verdict"]

Card = dict[str, Any]
_FEWEST_CALIBRATED = 50
_ORDER = {"fail": 0, "warn": 1, "pass": 2}


def verdict(document: dict[str, Any]) -> list[Card]:
    """Return the cards of an audit, made from its sections alone.

    Examples
    --------
    >>> cards = verdict({"surrogate": None})
    >>> cards
    []
    """
    cards = []
    for section, make in _MAKERS:
        content = document.get(section)
        card = None if content is None else make(content)
        if card is not None:
            cards.append({**card, "section": section})
    return sorted(cards, key=lambda card: _ORDER[card["mark"]])


def _card(
    mark: str, title: str, text: str, value: float | None = None, interval: Any = None
) -> Card:
    low, high = (None, None) if interval is None else interval
    return {"mark": mark, "title": title, "text": text, "value": value, "low": low, "high": high}


def _truth(section: dict[str, Any]) -> Card:
    if section["kind"] == "value":
        error, constant = section["error"], section["constant_error"]
        better = error["high"] < constant
        text = f"Mean error in {section['unit']}; a constant answer has {number(constant)}."
        return _card(
            "pass" if better else "fail",
            "Better than a constant" if better else "Not shown to be better than a constant",
            text,
            error["value"],
            (error["low"], error["high"]),
        )
    rate, majority = section["correct"], section["majority"]
    better = rate["low"] > majority
    text = (
        f"Share of {counted(section['n'], 'row')} answered correctly; always giving the most "
        f"frequent answer has {number(majority)}."
    )
    return _card(
        "pass" if better else "fail",
        "Right more often than the most frequent answer"
        if better
        else "Not shown to be right more often than the most frequent answer",
        text,
        rate["value"],
        (rate["low"], rate["high"]),
    )


def _calibration(section: dict[str, Any]) -> Card | None:
    found = section.get("calibration")
    if found is None or section["n"] < _FEWEST_CALIBRATED:
        return None  # with few rows nothing could fail
    ok = found["error"] <= found["by_chance_high"]
    text = (
        "Mean gap between stated confidence and rate of correct answers; a perfectly calibrated "
        f"model has {number(found['by_chance'])} on as many rows, at most "
        f"{number(found['by_chance_high'])} in 95 of 100 cases."
    )
    title = "Confidence can be believed" if ok else "Confidence cannot be taken at its word"
    return _card("pass" if ok else "fail", title, text, found["error"])


def _unusual(section: dict[str, Any]) -> Card:
    expected = section["alpha"] * section["n"]
    many = section["flagged"] > expected + 2 * expected**0.5
    text = (
        f"{counted(section['flagged'], 'row')} of {section['n']:,} flagged as unlike the "
        f"reference; {number(expected)} would be by chance."
    )
    title = "More unusual rows than by chance" if many else "The rows look like the reference"
    return _card("warn" if many else "pass", title, text, section["flagged"] / section["n"])


def _surrogate(section: dict[str, Any]) -> Card:
    r2 = section["r2"]
    if r2["value"] is None:
        return _card("warn", "No rules to learn", section["message"] or "The model is constant.")
    good = (r2["low"] or 0) >= 0.8
    leaves = counted(section["n_leaves"], "rule")
    title = f"{leaves} imitate{'s' if section['n_leaves'] == 1 else ''} the model"
    text = "Share of the model's variation that simple rules explain (R²) on unseen rows."
    if not good:
        title = "Simple rules do not imitate the model well"
    return _card("pass" if good else "warn", title, text, r2["value"], (r2["low"], r2["high"]))


def _trust(section: dict[str, Any]) -> Card | None:
    gates = [gate for gate in section["gates"] if gate["result"] in ("pass", "fail")]
    if not gates:
        return None
    failed = [gate["name"] for gate in gates if gate["result"] == "fail"]
    if failed:
        text = f"Failed: {', '.join(failed)}. Read the explanations with care."
        return _card("fail", "Explanations fail a check of their own", text)
    text = f"{counted(len(gates), 'check')} with a known answer passed on this very model."
    return _card("pass", "Explanations pass their checks", text)


def _beats(section: dict[str, Any]) -> Card | None:
    compared = section["beats_random"]
    if compared["low"] is None:
        return None
    ok = compared["low"] > 0
    text = (
        f"Paired difference in {compared['measure']} between {section['method']} and a random "
        f"order of features, over {counted(compared['n'], 'row')}."
    )
    return _card(
        "pass" if ok else "fail",
        "Explanations beat chance" if ok else "Explanations are not shown to beat chance",
        text,
        compared["value"],
        (compared["low"], compared["high"]),
    )


def _noise(section: dict[str, Any]) -> Card | None:
    noise = section["noise"]
    if noise["high"] is None:
        return None
    ok = noise["high"] < noise["threshold"]
    text = (
        "Share of the explanation that is left when the model is replaced by noise; less than "
        f"{number(noise['threshold'])} is asked for."
    )
    title = "Explanations depend on the model" if ok else "Explanations survive without the model"
    return _card(
        "pass" if ok else "warn", title, text, noise["value"], (noise["low"], noise["high"])
    )


def _ledger(section: dict[str, Any]) -> Card | None:
    if not section["stopped"]:
        return None
    text = " ".join(f"{stop['stage']}: {stop['why']}" for stop in section["stopped"])
    return _card("warn", "This audit is not complete", text)


_MAKERS: tuple[tuple[str, Callable[[dict[str, Any]], Card | None]], ...] = (
    ("ledger", _ledger),
    ("truth", _truth),
    ("truth", _calibration),
    ("gates", _trust),
    ("trust", _beats),
    ("gates", _noise),
    ("unusual", _unusual),
    ("surrogate", _surrogate),
)
