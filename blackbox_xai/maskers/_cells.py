"""Cells of tables: which are missing, and what to say about those that do not fit."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import shown
from blackbox_xai.maskers._select import select_grid, select_rows
from blackbox_xai.protocols import BoolArray, IntArray

__all__ = [
    "find_missing",
    "is_missing",
    "objects_differ",
    "unexpected_missing",
    "unseen",
    "write_cells",
    "wrong_type",
]


def is_missing(value: Any) -> bool:
    """Tell whether ``value`` is None, NaN, NaT or another mark that is not equal to itself."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    try:
        return bool(value != value)
    except (TypeError, ValueError):
        return False


def find_missing(cells: NDArray[Any]) -> BoolArray:
    """Return where cells are missing, in their shape."""
    if cells.dtype.kind == "O":
        marks = [is_missing(value) for value in cells.ravel()]
        return np.array(marks, dtype=bool).reshape(cells.shape)
    if cells.dtype.kind in "fmM":
        missing: BoolArray = cells != cells
        return missing
    return np.zeros(cells.shape, dtype=bool)


def objects_differ(fill: NDArray[Any], cells: NDArray[Any]) -> BoolArray:
    """Return where objects differ from those of one row; missing ones are alike."""

    def differ(a: Any, b: Any) -> bool:
        if is_missing(a) or is_missing(b):
            return is_missing(a) != is_missing(b)
        return a is not b and bool(np.any(a != b))

    rows = [[differ(a, b) for a, b in zip(line, cells, strict=True)] for line in fill]
    return np.array(rows, dtype=bool).reshape(fill.shape)


def wrong_type(name: str, value: Any, dtype: np.dtype[Any]) -> str:
    """Say that a value does not fit its column."""
    plain = value.item() if isinstance(value, np.number | np.bool_) else value
    return (
        f"x has {shown(plain)} in column {name!r}, which holds {dtype} in the background. "
        "Correct the value, or give the background a type that can hold it."
    )


def unseen(name: str, value: Any, known: list[Any]) -> str:
    """Say that a category is not known."""
    return (
        f"x has the unseen category {shown(value)} in column {name!r}; known are "
        f"{shown(known, 200)}. Add it to the categories of the background."
    )


def unexpected_missing(name: str) -> str:
    """Say that a value is missing where none may be."""
    return (
        f"x is missing (NaN) in column {name!r}, where the background has no missing value. "
        "Fill it in, or use a background with missing values there."
    )


def write_cells(
    out: NDArray[Any],
    fill: NDArray[Any],
    x: NDArray[Any],
    kept: BoolArray,
    fills: IntArray | None,
) -> None:
    """Write masked rows ``(n, d)``: one fill for each row, or every fill for every coalition."""
    if fills is not None:
        select_rows(out, fill, x, kept, fills)
        return
    m, d = kept.shape
    select_grid(out.reshape(m, len(fill), d), fill, x, kept)
