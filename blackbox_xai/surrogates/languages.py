"""How languages write rules: names, values, conditions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["PYTHON", "SQL", "Words", "clean", "plain"]


@dataclass(frozen=True)
class Words:
    """How a language writes the four things rules are made of."""

    column: Callable[[str], str]
    literal: Callable[[Any], str]
    differs: str
    indicator: Callable[[str, str], str]
    clipped: Callable[[str, float, float], str]


def _sql_literal(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float | np.number):
        return repr(plain(value))
    return "'" + str(value).replace("'", "''") + "'"


def _sql_clipped(said: str, low: float, high: float) -> str:
    return (
        f"CASE WHEN {said} < {low!r} THEN {low!r} WHEN {said} > {high!r} THEN {high!r} "
        f"ELSE {said} END"
    )


PYTHON = Words(
    column=lambda name: f"row[{name!r}]",
    literal=lambda value: repr(plain(value)),
    differs="!=",
    indicator=lambda column, value: f"({column} == {value})",
    clipped=lambda said, low, high: f"min(max({said}, {low!r}), {high!r})",
)
SQL = Words(
    column=lambda name: '"' + name.replace('"', '""') + '"',
    literal=_sql_literal,
    differs="<>",
    indicator=lambda column, value: f"(CASE WHEN {column} = {value} THEN 1 ELSE 0 END)",
    clipped=_sql_clipped,
)


def plain(value: Any) -> Any:
    """Return a value that JSON and source code can hold."""
    value = value.item() if isinstance(value, np.generic) else value
    return value if isinstance(value, bool | int | float | str) else str(value)


def clean(value: Any) -> str:
    """Return text on one line: names come from data, and data may hold line breaks."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(value))
