"""Columns of a table that are one feature: which columns, and how their values read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai.errors import InputError
from blackbox_xai.maskers.tables import column_place
from blackbox_xai.protocols import IntArray

__all__ = ["grouped", "shared_value"]


def grouped(
    names: tuple[str, ...], groups: Mapping[str, Sequence[str | int]] | None
) -> tuple[tuple[str, ...], IntArray | None]:
    """Return the names of the features, and the feature of each column (None: one each).

    Examples
    --------
    >>> names, feature = grouped(("a", "b", "c"), {"both": ["a", "c"]})
    >>> names, feature.tolist()
    (('both', 'b'), [0, 1, 0])
    """
    if not groups:
        return names, None
    owner: dict[int, str] = {}
    for group, columns in groups.items():
        if isinstance(columns, str) or len(columns) == 0:
            raise InputError(f"groups[{group!r}] must list columns, got {shown(columns)}.")
        for column in columns:
            j = column_place(names, column, f"groups[{group!r}]")
            if j in owner:
                raise InputError(
                    f"groups must be disjoint; {names[j]!r} is in {owner[j]!r} and {group!r}."
                )
            owner[j] = str(group)
    labels = [owner.get(j, name) for j, name in enumerate(names)]
    features = tuple(dict.fromkeys(labels))
    alone = [name for j, name in enumerate(names) if j not in owner]
    clash = set(alone) & set(owner.values())
    if clash:
        raise InputError(f"groups: {clash.pop()!r} is also the name of a column outside the group.")
    place = {name: i for i, name in enumerate(features)}
    return features, np.array([place[label] for label in labels])


def shared_value(names: tuple[str, ...], values: list[Any], members: IntArray) -> Any:
    """Return how the values of a group read: the active column of a one-hot group, else all.

    Examples
    --------
    >>> shared_value(("red", "green"), [0, 1], np.array([0, 1]))
    'green'
    """
    own = [values[j] for j in members]
    if len(own) == 1:
        return own[0]
    on = [j for j, value in zip(members, own, strict=True) if value == 1]
    if len(on) == 1 and all(value in (0, 1) for value in own):
        return names[on[0]]
    return ", ".join(str(value) for value in own)
