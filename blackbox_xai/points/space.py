"""Rows of any kind as points: scaled columns, one-hot categories, features of a user's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai._inputs import is_pandas, is_polars, n_rows
from blackbox_xai.errors import InputError
from blackbox_xai.protocols import FloatArray
from blackbox_xai.results import Explanation

__all__ = ["Space", "explanation_points", "fit_space"]

Features = Callable[[Any], Any]


def explanation_points(explanations: Any, *, output: int | str | None = None) -> FloatArray:
    """Return the attributions of several explanations as points.

    Maps of explanations group inputs by the model's reasons, not by their looks.

    Parameters
    ----------
    explanations : sequence of Explanation
        With the same features.
    output : int or str, optional
        Attributions to this output; None takes all outputs side by side.

    Returns
    -------
    ndarray of shape (n, d) or (n, d * k)

    Raises
    ------
    InputError
        When the explanations do not have the same features and outputs.

    Examples
    --------
    >>> import blackbox_xai as bx
    >>> masker = bx.TabularMasker(np.zeros((1, 2)))
    >>> many = bx.ExactShapley().explain_many(lambda X: X.sum(1), np.eye(2), masker)
    >>> explanation_points(many).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    points = []
    for i, explanation in enumerate(explanations):
        values = explanation.values
        if output is not None:
            values = values[:, [explanation.output_index(output)]]
        points.append(values.ravel())
        if points[-1].shape != points[0].shape:
            raise InputError(
                f"explanations must share features and outputs; explanation {i} has "
                f"{len(points[-1])} values, the first {len(points[0])}. Explain the same outputs=."
            )
    if not points:
        raise InputError("explanations must hold at least one explanation, got 0.")
    return np.array(points)


@dataclass(frozen=True, eq=False)
class Space:
    """How inputs become points; learnt from the fitted rows and the same for new ones."""

    features: Features | None
    names: tuple[str, ...]
    categories: tuple[tuple[Any, ...] | None, ...]
    centre: FloatArray
    scale: FloatArray

    def points(self, X: Any) -> FloatArray:
        """Return points of shape ``(n, dims)``."""
        columns = _columns(_featured(X, self.features))
        if len(columns) != len(self.names):
            raise InputError(f"X must have {len(self.names)} columns, got {len(columns)}.")
        if set(columns) == set(self.names):
            columns = {name: columns[name] for name in self.names}
        return (_coded(columns, self.categories) - self.centre) / self.scale


def fit_space(X: Any, *, features: Features | None, standardize: bool) -> tuple[Space, FloatArray]:
    """Learn how rows become points, and return the points.

    Numeric columns are centred and, with ``standardize``, divided by their standard deviation
    (columns that do not vary are left out of the distance); other columns become one-hot.

    Raises
    ------
    InputError
        For values that are missing or not finite, naming the column.
    """
    columns = _columns(_featured(X, features))
    categories = tuple(_categories(column) for column in columns.values())
    coded = _coded(columns, categories)
    spread = coded.std(axis=0)
    one_hot = np.concatenate(
        [np.full(1 if known is None else len(known), known is not None) for known in categories]
    )
    scale = np.where(one_hot | (not standardize) | (spread < 1e-12), 1.0, spread)
    centre = coded.mean(axis=0)
    space = Space(features, tuple(columns), categories, centre, scale)
    return space, (coded - centre) / scale


def _featured(X: Any, features: Features | None) -> Any:
    if features is None:
        return X
    points = np.asarray(features(X))
    if points.ndim != 2 or len(points) != n_rows(X):
        raise InputError(
            f"features must return one row of numbers for each of the {n_rows(X)} inputs, "
            f"got shape {points.shape}."
        )
    return points


def _columns(X: Any) -> dict[str, Any]:
    """Return the columns of a frame, of an array (images are flattened), or of explanations."""
    if is_pandas(X):
        return {str(name): X.iloc[:, j].to_numpy() for j, name in enumerate(X.columns)}
    if is_polars(X):
        return {name: X[name].to_numpy() for name in X.columns}
    if isinstance(X, list) and X and isinstance(X[0], Explanation):
        X = explanation_points(X)
    table = np.asarray(X)
    if table.ndim < 2 or table.dtype.kind in "SU":
        raise InputError(
            f"X must be a table, a stack of images, or explanations, got {shown(X)}. "
            "Pass features=, a function that turns the inputs into rows of numbers."
        )
    if not table.size:
        raise InputError(f"X must have rows and columns, got shape {table.shape}.")
    table = table.reshape(len(table), -1)
    return {f"x{j}": table[:, j] for j in range(table.shape[1])}


def _categories(column: Any) -> tuple[Any, ...] | None:
    """Return the sorted values of a column that is not numeric, else None."""
    if column.dtype.kind in "fiub":
        return None
    return tuple(sorted({str(value) for value in column.tolist()}))


def _coded(columns: dict[str, Any], categories: tuple[tuple[Any, ...] | None, ...]) -> FloatArray:
    parts = []
    for column, known in zip(columns.values(), categories, strict=True):
        if known is None:
            parts.append(np.asarray(column)[:, None])
        else:
            texts = np.array([str(value) for value in column.tolist()], dtype=object)
            parts.append(texts[:, None] == np.array(known, dtype=object))
    coded = np.concatenate(parts, axis=1).astype(np.float64, copy=False)
    if not np.isfinite(coded).all():
        _refuse_gaps(columns, categories)
    return coded


def _refuse_gaps(columns: dict[str, Any], categories: tuple[tuple[Any, ...] | None, ...]) -> None:
    """Name the first column with a value that is missing or not finite."""
    for (name, column), known in zip(columns.items(), categories, strict=True):
        if known is None:
            numbers = np.asarray(column, dtype=np.float64)
            bad = np.flatnonzero(~np.isfinite(numbers))
            if len(bad):
                raise InputError(
                    f"X has {numbers[bad[0]]} in column {shown(name)}, row {bad[0]}; a map needs "
                    "finite numbers. Fill or drop missing values first."
                )
