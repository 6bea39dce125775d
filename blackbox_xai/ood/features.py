"""What detectors look at: columns of a table, pixels, or what a user's function says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai._inputs import is_frame, n_rows
from blackbox_xai._tables import Table, learn_table
from blackbox_xai.errors import InputError
from blackbox_xai.protocols import FloatArray

__all__ = ["Reader", "learn_reader"]


@dataclass(frozen=True, eq=False)
class Reader:
    """Turns inputs into a matrix ``(n, p)`` of numbers.

    Parameters
    ----------
    table : Table or None
        For tables.
    shape : tuple of int
        Shape of one input, for arrays that are no tables.
    function : callable or None
        The user's features of a batch.
    n_columns : int
        Columns or numbers of one input.
    """

    table: Table | None
    shape: tuple[int, ...]
    function: Any
    n_columns: int

    def read(self, X: Any) -> FloatArray:
        """Return the features of ``X``."""
        if self.function is not None:
            return _called(self.function, X)
        if self.table is not None:
            return self.table.design(self.table.encode(X))
        array = np.asarray(X)
        if array.shape[1:] != self.shape:
            raise InputError(
                f"X must have shape (n, {', '.join(map(str, self.shape))}) as in fit, "
                f"got {array.shape}."
            )
        return _flat(array)


def learn_reader(X: Any, function: Any, categorical: Any) -> tuple[Reader, FloatArray]:
    """Return how inputs like ``X`` are read, and the features of ``X``."""
    if function is not None:
        features = _called(function, X)
        return Reader(None, (), function, features.shape[1]), features
    array = None if is_frame(X) else np.asarray(X)
    if array is None or array.ndim <= 2:
        table, codes = learn_table(X, categorical)
        return Reader(table, (), None, codes.shape[1]), table.design(codes)
    features = _flat(array)
    return Reader(None, array.shape[1:], None, features.shape[1]), features


def _flat(array: Any) -> FloatArray:
    flat = np.asarray(array, dtype=np.float64).reshape(len(array), -1)
    _check_finite(flat, "X")
    return flat


def _called(function: Any, X: Any) -> FloatArray:
    raw = function.transform(X) if hasattr(function, "transform") else function(X)
    found = np.asarray(raw, dtype=np.float64)
    if found.ndim != 2 or len(found) != n_rows(X):
        raise InputError(
            f"features must return a matrix with one row for each of the {n_rows(X)} inputs, "
            f"got shape {shown(found.shape)}."
        )
    _check_finite(found, "features")
    return found


def _check_finite(matrix: FloatArray, name: str) -> None:
    bad = np.argwhere(~np.isfinite(matrix))
    if len(bad):
        row, column = bad[0]
        raise InputError(f"{name} has the value {matrix[row, column]} in row {row}, place {column}.")
