"""Strict reading of JSON answers: no null, no text, no true, nothing ragged."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from blackbox_xai._checks import shown
from blackbox_xai.adapters.http.faults import Answer, Fault, Reply, Verdict
from blackbox_xai.errors import AnswerError, InputError
from blackbox_xai.protocols import FloatArray

__all__ = [
    "answer_of_flat",
    "answer_of_list",
    "check_json",
    "invalid",
    "labelled",
    "parse_json",
    "to_json",
]

_NUMBERS = frozenset({int, float})
_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))


def invalid(reason: str, row: int | None = None) -> Fault:
    """Return the fault of an answer that cannot be used: asked again, then fatal."""
    return Fault(Verdict.AGAIN, reason, row=row, sent=True, error=AnswerError)


def to_json(value: Any) -> bytes:
    """Return strict JSON; NaN and infinity never get out.

    Numbers of inputs are finite here, so most values go the fast way; what it refuses (integers
    beyond 64 bits) goes the long way.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return _ENCODER.encode(value).encode()


def check_json(name: str, value: Any) -> None:
    """Refuse what a user wants sent along if it is no strict JSON."""
    try:
        _ENCODER.encode(value)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{name} must be JSON with finite numbers, got {shown(value)} ({shown(str(error))})."
        ) from None


def parse_json(reply: Reply) -> Any:
    """Return the body as JSON; NaN and Infinity tokens are read, to be named later.

    Raises
    ------
    Fault
        When the body is no JSON.
    """
    try:
        return orjson.loads(reply.body)
    except ValueError:
        return _parse_lenient(reply)


def _parse_lenient(reply: Reply) -> Any:
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError) as error:
        kind = reply.header("content-type").split(";")[0] or "no content type"
        why = "nested too deeply" if isinstance(error, RecursionError) else "not JSON"
        raise invalid(
            f"the answer is {why} ({kind}): {shown(reply.body[:80].decode('utf-8', 'replace'))}"
        ) from None


def answer_of_flat(flat: list[Any], n: int) -> Answer:
    """Return ``n`` rows of scores from one flat list, whose length is a multiple of ``n``."""
    k = len(flat) // n
    if not set(map(type, flat)) <= _NUMBERS:
        return answer_of_list([flat[i * k : (i + 1) * k] for i in range(n)], n)
    return Answer(_array(flat).reshape(n, k))


def _array(numbers: list[Any]) -> FloatArray:
    try:
        return np.array(numbers, dtype=np.float64)
    except OverflowError:
        raise invalid("a score is too large for float64") from None


def answer_of_list(value: Any, n: int, where: str = "the answer") -> Answer:
    """Return the scores of a list of ``n`` numbers or of ``n`` lists of ``k`` numbers.

    Raises
    ------
    Fault
        For another number of rows, a ragged list, or anything that is no number; it says where.
    """
    if not isinstance(value, list):
        raise invalid(f"{where} must be a list of {n} rows, got {shown(value)}")
    if len(value) != n:
        raise invalid(f"{where} has {len(value)} rows for the {n} rows sent")
    rows = [_row(row, i) for i, row in enumerate(value)]
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        odd = next(i for i, row in enumerate(rows) if len(row) != len(rows[0]))
        raise invalid(f"{len(rows[odd])} scores, but {len(rows[0])} for the first row", odd)
    if widths in ({0}, set()):
        raise invalid(f"{where} holds no scores")
    kinds = {type(number) for row in rows for number in row}
    if not kinds <= _NUMBERS:
        _refuse_kinds(rows)
    return Answer(_array(rows), hard=kinds == {int} and len(rows[0]) == 1)


def _row(row: Any, i: int) -> list[Any]:
    while isinstance(row, list) and len(row) == 1 and isinstance(row[0], list):
        row = row[0]
    if isinstance(row, dict):
        raise invalid(f"{shown(row)} is no list of scores; say where the scores are", i)
    return row if isinstance(row, list) else [row]


def _refuse_kinds(rows: Sequence[Sequence[Any]]) -> None:
    """Name what is no number. Null, NaN in disguise, condemns its rows alone."""
    k = len(rows[0])
    scores = np.full((len(rows), k), np.nan)
    empty = []
    first = ""
    for i, row in enumerate(rows):
        for j, number in enumerate(row):
            if number is None:
                empty.append(i)
                first = first or f"class {j} is null"
            elif type(number) is str and k == 1:
                raise hard_labels(number)
            elif type(number) not in _NUMBERS:
                raise invalid(f"class {j} is {shown(number)}, not a number", i)
            else:
                scores[i, j] = number
    raise Fault(
        Verdict.AGAIN,
        first,
        row=empty[0],
        rows=tuple(sorted(set(empty))),
        scores=scores,
        sent=True,
        error=AnswerError,
    )


def hard_labels(value: Any) -> Fault:
    """Return the fault of an answer that holds class labels."""
    try:
        math.isfinite(float(value))
    except (TypeError, ValueError):
        return Fault(
            Verdict.STOP,
            f"The model answers with labels such as {shown(value)}, not with scores. "
            "Ask for its probabilities: name that output with output=..., or serve predict_proba",
            sent=True,
            error=AnswerError,
        )
    return invalid(f"a score is the text {shown(value)}, not a number")


def labelled(
    value: Any, n: int, *, label: str = "label", score: str = "score", order: Sequence[str] | None
) -> Answer:
    """Return the scores of ``n`` lists of ``{label, score}``, in a fixed order of labels.

    Parameters
    ----------
    value : object
        Parsed JSON.
    n : int
        Rows sent.
    label, score : str
        The keys.
    order : sequence of str, optional
        The labels in order; None: sorted.

    Raises
    ------
    Fault
        When a label is missing, unknown, or there twice.
    """
    if not isinstance(value, list) or len(value) != n:
        got = len(value) if isinstance(value, list) else shown(value)
        raise invalid(f"the answer must list {n} rows, got {got}")
    table = [_by_label(row, i, label, score) for i, row in enumerate(value)]
    names = tuple(order) if order is not None else tuple(sorted(table[0])) if table else ()
    for i, row in enumerate(table):
        if set(row) != set(names):
            odd = sorted(set(row) ^ set(names))
            raise invalid(
                f"the labels are {shown(sorted(row))}, expected {shown(sorted(names))} "
                f"(differing: {shown(odd)}); ask the server for all labels",
                i,
            )
    answer = answer_of_list([[row[name] for name in names] for row in table], n)
    return Answer(answer.scores, names=names)


def _by_label(row: Any, i: int, label: str, score: str) -> dict[str, Any]:
    while isinstance(row, list) and len(row) == 1 and isinstance(row[0], list):
        row = row[0]
    pairs: dict[str, Any] = {}
    for item in row if isinstance(row, list) else [row]:
        if not isinstance(item, dict) or label not in item or score not in item:
            raise invalid(f"{shown(item)} stands where {label!r} and {score!r} were expected", i)
        name = str(item[label])
        if name in pairs:
            raise invalid(f"the label {shown(name)} is there twice", i)
        pairs[name] = item[score]
    return pairs
