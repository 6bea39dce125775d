"""Rows of whatever holds inputs: arrays, frames, sparse matrices, lists of texts or images.

Containers are recognised by what they can do, so neither pandas nor polars nor scipy is ever
imported here.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import shown
from blackbox_xai.errors import InputError

__all__ = [
    "RowError",
    "as_rows",
    "blemish",
    "columns",
    "copied",
    "is_frame",
    "is_pandas",
    "is_polars",
    "is_table",
    "n_rows",
    "pick_rows",
    "row",
    "row_bytes",
    "take_rows",
]


class RowError(InputError):
    """One row of a batch cannot be used; ``sentence`` says it with ``{row}`` in it."""

    def __init__(self, sentence: str, row: int) -> None:
        super().__init__(sentence.replace("{row}", f"row {row}", 1))
        self.sentence = sentence
        self.row = row

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel back from a worker process."""
        return (type(self), (self.sentence, self.row))


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


def is_table(inputs: Any) -> bool:
    """Tell whether inputs are rows of cells, rather than images or texts."""
    return hasattr(inputs, "columns") or np.ndim(inputs[0]) == 1


def columns(inputs: Any) -> list[Any]:
    """Return the column names of a frame."""
    return list(inputs.columns)


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
    return inputs.iloc[start:stop] if hasattr(inputs, "iloc") else inputs[start:stop]


def pick_rows(inputs: Any, rows: Sequence[int] | NDArray[np.intp]) -> Any:
    """Return the rows of these numbers, in this order, in the form of ``inputs``."""
    if hasattr(inputs, "iloc"):
        return inputs.iloc[list(rows)]
    if isinstance(inputs, list | tuple):
        return [inputs[i] for i in rows]
    return inputs[np.asarray(rows, dtype=np.intp)]


def row(inputs: Any, i: int) -> Any:
    """Return input ``i``; a row of a frame stays a frame of one row."""
    return take_rows(inputs, i, i + 1) if is_frame(inputs) else inputs[i]


def row_bytes(inputs: Any) -> int:
    """Return the memory of one row, in bytes; 0 when it is not known."""
    n = n_rows(inputs)
    nbytes = getattr(inputs, "nbytes", None)
    if nbytes is None and n and is_frame(inputs):
        nbytes = 8 * n * inputs.shape[1]
    if nbytes is None and n and isinstance(inputs, list | tuple):
        nbytes = n * getattr(inputs[0], "nbytes", 0)
    return 0 if nbytes is None or n == 0 else int(nbytes) // n


def as_rows(inputs: Any) -> Any:
    """Return ``inputs`` in a form whose rows can be sliced and sent.

    A table given as a list of lists becomes an array, a sparse matrix of a format that cannot be
    sliced becomes CSR; all else stays as it is.
    """
    if isinstance(inputs, list | tuple) and inputs and isinstance(inputs[0], list | tuple):
        try:
            array = np.array(inputs)
            return array if array.dtype.kind in "fiub" else np.array(inputs, dtype=object)
        except ValueError as error:
            raise InputError("inputs must have rows of equal length.") from error
    to_csr = getattr(inputs, "tocsr", None)
    if to_csr is not None and getattr(inputs, "format", "csr") != "csr":
        return to_csr()
    return inputs


def copied(batch: Any) -> Any:
    """Return a copy that may be written into without touching ``batch``."""
    if isinstance(batch, list | tuple):
        return [item.copy() if isinstance(item, np.ndarray) else item for item in batch]
    return batch.copy() if hasattr(batch, "copy") else batch


def blemish(inputs: Any, i: int) -> str:
    """Return what is odd about row ``i`` (a missing or infinite cell), or ``""``."""
    cells = row(inputs, i)
    if is_frame(cells):
        names = [f"column {shown(name)}" for name in columns(cells)]
        values = [cells[name].to_numpy()[0] for name in columns(cells)] if _unique(cells) else []
    else:
        flat = np.asarray(cells, dtype=None if hasattr(cells, "dtype") else object).ravel()
        values = flat.tolist() if flat.size <= _MAX_CELLS else []
        names = [f"column {j}" for j in range(len(values))]
    for name, value in zip(names, values, strict=False):
        value = value.item() if isinstance(value, np.generic) else value
        infinite = isinstance(value, float) and not math.isfinite(value)
        if value is None or infinite or type(value).__name__ in ("NAType", "NaTType"):
            return f"{name} is {shown(value)}"
    return ""


_MAX_CELLS = 1 << 16


def _unique(frame: Any) -> bool:
    return len(set(columns(frame))) == int(frame.shape[1])
