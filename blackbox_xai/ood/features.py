"""What detectors look at: columns of a table, pixels, or what a user's function says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai._inputs import is_frame, n_rows
from blackbox_xai._tables import Table, learn_table
from blackbox_xai.errors import InputError
from blackbox_xai.ood.hog import hog
from blackbox_xai.protocols import FloatArray

__all__ = ["Readable", "Reader", "learn_reader"]


class Readable(Protocol):
    """Turns inputs into features."""

    @property
    def n_columns(self) -> int:
        """Columns or numbers of one input."""

    def read(self, X: Any) -> FloatArray:
        """Return features ``(n, p)``."""


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
    n_raw : int
        Leading features that are the input itself.
    with_hog : bool
        Whether histograms of oriented gradients follow.
    """

    table: Table | None
    shape: tuple[int, ...]
    function: Any
    n_columns: int
    n_raw: int
    with_hog: bool = False

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
        flat = _flat(array)
        return np.hstack([flat, hog(array)]) if self.with_hog else flat

    def by_column(self, values: FloatArray) -> FloatArray:
        """Return values of features ``(n, n_raw)`` summed over the categories of each column."""
        if self.table is None:
            return values
        owner = np.array([column for column, _ in self.table.design_columns()])
        found = np.zeros((len(values), self.n_columns))
        for place, column in enumerate(owner):
            found[:, column] += values[:, place]
        return found


def learn_reader(
    X: Any, function: Any, categorical: Any, *, with_hog: bool = False
) -> tuple[Reader, FloatArray]:
    """Return how inputs like ``X`` are read, and the features of ``X``."""
    if function is not None:
        features = _called(function, X)
        d = features.shape[1]
        return Reader(None, (), function, d, d), features
    array = None if is_frame(X) else np.asarray(X)
    if array is None or array.ndim <= 2:
        table, codes = learn_table(X, categorical)
        design = table.design(codes)
        return Reader(table, (), None, codes.shape[1], design.shape[1]), design
    d = int(np.prod(array.shape[1:]))
    image = with_hog and array.ndim in (3, 4) and min(_sides(array.shape[1:])) >= 4
    reader = Reader(None, array.shape[1:], None, d, d, image)
    return reader, reader.read(X)


def _sides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return height and width of an image, whichever end its channels are at."""
    if len(shape) == 2:
        return shape
    return shape[1:] if shape[0] <= shape[2] else shape[:2]


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
        raise InputError(
            f"{name} has the value {matrix[row, column]} in row {row}, place {column}."
        )
