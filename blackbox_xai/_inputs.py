"""Rows of whatever holds inputs: arrays, pandas and polars frames, lists of texts or images.

Frames are recognised by what they can do, so neither pandas nor polars is ever imported here.
"""

from __future__ import annotations

import sys
from typing import Any

from blackbox_xai._checks import shown
from blackbox_xai.errors import InputError

__all__ = ["is_frame", "is_pandas", "is_polars", "n_rows", "row", "row_bytes", "take_rows"]


def is_pandas(inputs: Any) -> bool:
    """Tell whether ``inputs`` is a pandas DataFrame."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(inputs, pandas.DataFrame)


def is_polars(inputs: Any) -> bool:
    """Tell whether ``inputs`` is a polars DataFrame."""
    polars = sys.modules.get("polars")
    return polars is not None and isinstance(inputs, polars.DataFrame)


def is_frame(inputs: Any) -> bool:
    """Tell whether ``inputs`` is a data frame."""
    return is_pandas(inputs) or is_polars(inputs)


def n_rows(inputs: Any) -> int:
    """Return the number of inputs held.

    Raises
    ------
    InputError
        When ``inputs`` is a single text or a scalar, or has no length.
    """
    if isinstance(inputs, str | bytes):
        raise InputError(f"inputs must be a batch, got one text {shown(inputs)}. Put it in a list.")
    shape = getattr(inputs, "shape", None)
    if shape is not None:
        if len(shape) == 0:
            raise InputError("inputs must have one row for each input, got a scalar.")
        return int(shape[0])
    try:
        return len(inputs)
    except TypeError as error:
        raise InputError(f"inputs must be an array, frame or list, got {shown(inputs)}.") from error


def take_rows(inputs: Any, start: int, stop: int) -> Any:
    """Return rows ``start`` to ``stop`` in the form of ``inputs``."""
    return inputs.iloc[start:stop] if is_pandas(inputs) else inputs[start:stop]


def row(inputs: Any, i: int) -> Any:
    """Return input ``i``; a row of a frame stays a frame of one row."""
    return take_rows(inputs, i, i + 1) if is_frame(inputs) else inputs[i]


def row_bytes(inputs: Any) -> int:
    """Return the memory of one row, in bytes; 0 when it is not known."""
    n = n_rows(inputs)
    nbytes = getattr(inputs, "nbytes", None)
    if nbytes is None and is_frame(inputs):
        nbytes = 8 * n * inputs.shape[1]
    return 0 if nbytes is None or n == 0 else int(nbytes) // n
