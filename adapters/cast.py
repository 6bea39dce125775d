"""Cells as the numbers and texts that a model declares, without loss that nobody asked for."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import shown
from blackbox_xai._inputs import RowError

__all__ = ["to_numbers", "to_texts"]

ColumnName = Callable[[int], str]


def to_texts(cells: NDArray[Any], column: ColumnName) -> NDArray[Any]:
    """Return ``cells`` of shape ``(n, ...)`` as an object array of texts.

    Parameters
    ----------
    cells : ndarray
        Texts only; a number is not turned into a text, since ``1`` and ``1.0`` would differ.
    column : callable
        Name of column ``j``, for messages.

    Raises
    ------
    RowError
        Naming the first cell that is no text.
    """
    if cells.dtype.kind == "U":
        return cells.astype(object)
    flat = np.asarray(cells, dtype=object)
    for i, cell in enumerate(flat.ravel().tolist()):
        if not isinstance(cell, str):
            raise _cell_error(flat, i, column, "a text", "Turn the column into texts first.")
    return flat


def to_numbers(
    cells: NDArray[Any], dtype: np.dtype[Any], column: ColumnName, *, missing: bool = False
) -> NDArray[Any]:
    """Return ``cells`` of shape ``(n, ...)`` cast to ``dtype``, C-contiguous.

    Parameters
    ----------
    cells : ndarray
        Numbers, booleans, or objects that are numbers.
    dtype : numpy dtype
        A float, integer or bool type. Floats are rounded as usual; whole numbers must stay whole
        and fit.
    column : callable
        Name of column ``j``, for messages.
    missing : bool
        Whether NaN and None may pass, as NaN; for floats only.

    Raises
    ------
    RowError
        Naming the first cell that does not fit.
    """
    if cells.dtype.kind not in "fiub":
        cells = _numeric(cells, column, missing=missing)
    if cells.dtype == dtype and dtype.kind != "f":
        return np.ascontiguousarray(cells)
    if dtype.kind == "f":
        return _floats(cells, dtype, column, missing=missing)
    return _whole(cells, dtype, column)


def _floats(
    cells: NDArray[Any], dtype: np.dtype[Any], column: ColumnName, *, missing: bool
) -> NDArray[Any]:
    with np.errstate(over="ignore"):
        cast = np.ascontiguousarray(cells, dtype=dtype)
    if cells.dtype.kind == "b" or cast.size == 0:
        return cast
    if np.isfinite(cast.min()) and np.isfinite(cast.max()):
        return cast
    wrong = np.isinf(cast) if missing else ~np.isfinite(cast)
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        if np.isnan(cells.ravel()[i]):
            hint = "Fill it, or pass allow_missing=True if the model takes missing values."
        else:
            hint = f"Numbers up to {np.finfo(dtype).max:.3g} fit."
        raise _cell_error(cells, i, column, f"a finite {dtype}", hint)
    return cast


def _whole(cells: NDArray[Any], dtype: np.dtype[Any], column: ColumnName) -> NDArray[Any]:
    low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    if cells.dtype.kind == "f":
        # The largest int64 is no float: the bound is the next power of two, and excluded.
        inside = (cells >= float(low)) & (cells < float(high) + 1) & (cells == np.rint(cells))
    else:
        inside = (cells >= low) & (cells <= high)
    if not inside.all():
        i = int(np.flatnonzero(~inside)[0])
        raise _cell_error(
            cells, i, column, f"a whole number from {low} to {high} ({dtype})", "Convert it first."
        )
    return np.ascontiguousarray(cells, dtype=dtype)


def _numeric(cells: NDArray[Any], column: ColumnName, *, missing: bool) -> NDArray[Any]:
    """Return objects as float64, or as int64 when all are integers."""
    hint = "Encode it as the model was trained, or fill it."
    if cells.dtype.kind in "mM":  # as objects, nanoseconds would pass for whole numbers
        raise _cell_error(cells.astype(str), 0, column, "a number", hint)
    flat = np.asarray(cells, dtype=object)
    values = flat.ravel().tolist()
    whole = True
    for i, value in enumerate(values):
        if isinstance(value, numbers.Integral | np.bool_):
            continue
        whole = False
        if missing and (value is None or type(value).__name__ == "NAType"):
            values[i] = np.nan
        elif isinstance(value, str) or not isinstance(value, numbers.Real):
            raise _cell_error(flat, i, column, "a number", hint)
    try:
        return np.array(values, dtype=np.int64 if whole else np.float64).reshape(flat.shape)
    except OverflowError:  # integers beyond 64 bits; as floats they meet the range check
        return np.array([_as_float(value) for value in values]).reshape(flat.shape)


def _as_float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        return np.inf


def _cell_error(
    cells: NDArray[Any], i: int, column: ColumnName, expected: str, hint: str
) -> RowError:
    where = np.unravel_index(i, cells.shape)
    value = cells[where]
    value = value.item() if isinstance(value, np.generic) else value
    name = f", {column(int(where[1]))}" if cells.ndim == 2 else ""
    return RowError(
        f"inputs {{row}}{name}: expected {expected}, got {shown(value, 60)}. {hint}", int(where[0])
    )
