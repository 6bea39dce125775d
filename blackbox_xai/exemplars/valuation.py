"""What training rows and their labels are worth, by nearest neighbours and the model's doubt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from blackbox_xai._checks import check_int, shown
from blackbox_xai._inputs import n_rows
from blackbox_xai.adapters import as_model
from blackbox_xai.errors import InputError
from blackbox_xai.points import fit_space, nearest, squared_distances
from blackbox_xai.protocols import FloatArray

__all__ = ["knn_shapley", "label_issues"]

_BLOCK = 64


def knn_shapley(
    X: Any,
    y: Any,
    X_valid: Any,
    y_valid: Any,
    *,
    n_neighbors: int = 5,
    features: Callable[[Any], Any] | None = None,
) -> FloatArray:
    """Return what each training row is worth to a nearest-neighbour classifier.

    It values rows for a k-NN proxy, not for the deployed model, and asks no model.

    Parameters
    ----------
    X, y : array or frame of n rows, array of shape (n,)
        Training rows and labels.
    X_valid, y_valid : array or frame, array
        Rows with labels that are trusted.
    n_neighbors : int
        The k of the classifier.
    features : callable, optional
        Turns inputs into rows of numbers; None uses the inputs.

    Returns
    -------
    ndarray of shape (n,)
        Shapley values of the mean probability of the right label on the validation rows; they
        sum to that mean. Low or negative: the row does harm, its label may be wrong.

    Raises
    ------
    InputError
        When labels do not match rows.

    References
    ----------
    R. Jia et al. (2019), "Efficient task-specific data valuation for nearest neighbor
    algorithms", theorem 1.

    Examples
    --------
    >>> X = np.array([[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]])
    >>> values = knn_shapley(X, [0, 0, 1, 1, 1, 1], X, [0, 0, 0, 1, 1, 1], n_neighbors=2)
    >>> int(values.argmin())
    2
    """
    k = check_int("n_neighbors", n_neighbors, minimum=1)
    labels, trusted = _labels("y", y, X), _labels("y_valid", y_valid, X_valid)
    space, points = fit_space(X, features=features, standardize=True)
    valid = space.points(X_valid)
    n = len(points)
    ranks = np.arange(1, n)
    factor = np.minimum(k, ranks) / ranks / k
    total = np.zeros(n)
    for start in range(0, len(valid), _BLOCK):
        block = slice(start, start + _BLOCK)
        order = np.argsort(squared_distances(valid[block], points), axis=1, kind="stable")
        right = (labels[order] == trusted[block, None]).astype(float)
        steps = (right[:, :-1] - right[:, 1:]) * factor
        last = right[:, -1:] * min(k, n) / (n * k)
        values = np.concatenate([np.cumsum(steps[:, ::-1], axis=1)[:, ::-1] + last, last], axis=1)
        np.add.at(total, order.ravel(), values.ravel())
    return total / len(valid)


def label_issues(
    X: Any,
    y: Any,
    *,
    model: Any = None,
    n_neighbors: int = 10,
    features: Callable[[Any], Any] | None = None,
) -> FloatArray:
    """Score how suspicious each label is; no refit is needed.

    Parameters
    ----------
    X, y : array or frame of n rows, array of shape (n,)
        Rows and the labels to be doubted.
    model : object, optional
        A classifier whose output names are the labels (anything ``as_model`` takes); asked once
        for each row. Its doubt about the label joins that of the neighbours.
    n_neighbors : int
        Neighbours whose labels are compared.
    features : callable, optional
        Turns inputs into rows of numbers; None uses the inputs.

    Returns
    -------
    ndarray of shape (n,)
        From 0 to 1, the mean rank of the doubts; the most suspicious are highest.

    Raises
    ------
    InputError
        When labels do not match rows, or the model does not know a label.

    Examples
    --------
    >>> X = np.concatenate([np.arange(20.0), 100 + np.arange(20.0)])[:, None]
    >>> y = np.repeat([0, 1], 20)
    >>> y[7] = 1
    >>> int(label_issues(X, y).argmax())
    7
    """
    labels = _labels("y", y, X)
    k = min(check_int("n_neighbors", n_neighbors, minimum=1), n_rows(X) - 1)
    if k < 1:
        raise InputError(f"X must have at least 2 rows, got {n_rows(X)}.")
    _, points = fit_space(X, features=features, standardize=True)
    indices, distances = nearest(points, points, k, skip_self=True)
    weights = 1 / (distances + distances.mean() + 1e-12)
    differ = (labels[indices] != labels[:, None]) * weights
    doubts = [differ.sum(axis=1) / weights.sum(axis=1)]
    if model is not None:
        doubts.append(_model_doubt(model, X, labels))
    ranks: FloatArray = np.mean([_rank(doubt) for doubt in doubts], axis=0)
    return ranks


def _model_doubt(model: Any, X: Any, labels: Any) -> FloatArray:
    """Return how far another label's score exceeds that of the given one."""
    black_box = as_model(model)
    scores = black_box.predict(X)
    names = black_box.output_names
    known = {name: j for j, name in enumerate(names or map(str, range(scores.shape[1])))}
    places = [known.get(str(label), -1) for label in labels.tolist()]
    if -1 in places:
        bad = labels.tolist()[places.index(-1)]
        raise InputError(
            f"y has the label {shown(bad)}, but the model's are {shown(tuple(known))}."
        )
    rows = np.arange(len(scores))
    own = scores[rows, places]
    rest = scores.copy()
    rest[rows, places] = -np.inf
    doubt: FloatArray = rest.max(axis=1) - own
    return doubt


def _rank(numbers: FloatArray) -> FloatArray:
    from scipy.stats import rankdata

    ranks: FloatArray = rankdata(numbers) / len(numbers)
    return ranks


def _labels(name: str, y: Any, X: Any) -> Any:
    labels = np.asarray(y)
    if labels.shape != (n_rows(X),):
        raise InputError(f"{name} must have shape ({n_rows(X)},), got {labels.shape}.")
    return labels
