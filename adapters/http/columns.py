"""Columns as arrays of numbers or of texts, and back to JSON values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import shown
from blackbox_xai.errors import InputError

__all__ = ["NUMERIC", "column_of", "plain", "texts_of"]

NUMERIC = "fiub"


def texts_of(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array of objects if all are texts that can be sent."""
    for i, text in enumerate(array):
        if not isinstance(text, str):
            raise InputError(f"inputs must be texts, got {shown(text)} in row {i}.")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InputError(f"inputs row {i} holds a lone surrogate: {shown(text)}.") from None
    return array


def column_of(column: NDArray[Any], name: str) -> NDArray[Any]:
    """Return a column as numbers, or as texts with None where missing."""
    if column.dtype.kind in NUMERIC:
        return column.astype(np.float32) if column.dtype == np.float16 else column
    if column.dtype.kind not in "OUT":
        raise InputError(
            f"inputs column {name!r} holds {column.dtype}; send numbers or texts instead."
        )
    values = [None if _is_missing(value) else value for value in column.tolist()]
    present = [value for value in values if value is not None]
    if all(isinstance(value, bool | int | float | np.number) for value in present):
        return _numbers(values, name)
    for i, value in enumerate(values):
        if value is not None and not isinstance(value, str):
            raise InputError(
                f"inputs row {i}, column {name!r} is {shown(value)}; a column holds either "
                "numbers or texts."
            )
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def _numbers(values: list[Any], name: str) -> NDArray[Any]:
    try:
        return np.array([np.nan if v is None else float(v) for v in values], dtype=np.float64)
    except OverflowError:
        big = next(i for i, v in enumerate(values) if v is not None and abs(v) > 1e308)
        raise InputError(
            f"inputs row {big}, column {name!r} is {shown(values[big])}: too large for float64."
        ) from None


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType") or value != value


def plain(array: NDArray[Any]) -> list[Any]:
    """Return an array as nested lists; NaN becomes None."""
    if array.dtype.kind == "f" and np.isnan(array).any():
        values = array.astype(object)
        values[np.isnan(array)] = None
        return list(values.tolist())
    return list(array.tolist())
