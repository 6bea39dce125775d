"""What it changes to take centroids for the rows they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from blackbox_xai.errors import InputError
from blackbox_xai.explainers.shapley.engine import Shapley
from blackbox_xai.ledger import Ledger
from blackbox_xai.maskers.tabular import TabularMasker
from blackbox_xai.protocols import FloatArray

__all__ = ["CentroidBias", "centroid_bias"]


@dataclass(frozen=True, eq=False)
class CentroidBias:
    """Shapley values over centroids less those over the rows behind them.

    Parameters
    ----------
    values : ndarray of shape (d, k)
        The bias of each attribution, in units of the output.
    std_err : ndarray of shape (d, k)
        Its standard error.
    relative : ndarray of shape (k,)
        Length of the bias over that of the attributions, for each output: 0.1 is ten percent
        off. What the standard errors explain is taken out.
    feature_names, output_names : tuple of str
        What the axes of ``values`` are.
    cost : Ledger
        What it cost to know.
    """

    values: FloatArray
    std_err: FloatArray
    relative: FloatArray
    feature_names: tuple[str, ...]
    output_names: tuple[str, ...]
    cost: Ledger


def centroid_bias(
    model: Any,
    x: Any,
    masker: TabularMasker,
    *,
    outputs: Any = None,
    budget: int | None = None,
    random_state: int = 0,
) -> CentroidBias:
    """Measure how far k-means centroids as background lead attributions astray.

    Parameters
    ----------
    model : object
        Whatever `as_model` takes.
    x : array, list, frame of one row, Series or mapping
        The input.
    masker : TabularMasker
        With ``n_centroids``.
    outputs : str, int or sequence, optional
        As in `Shapley.explain`.
    budget : int, optional
        Model rows for each of two explanations, as in `Shapley`.
    random_state : int
        Seed.

    Returns
    -------
    CentroidBias

    Raises
    ------
    InputError
        When the masker has no centroids.

    References
    ----------
    Lundberg & Lee (2017), A Unified Approach to Interpreting Model Predictions, whose software
    made centroids the usual background.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> rows = np.array([[0.0], [2.0], [10.0], [14.0]])
    >>> masker = bx.TabularMasker(rows, n_centroids=2)  # 1 and 12
    >>> bias = centroid_bias(lambda X: X[:, 0] ** 2, [20.0], masker)
    >>> bias.values, bias.relative.round(4)  # 327.5 instead of 325
    (array([[2.5]]), array([0.0077]))
    """
    behind = getattr(masker, "behind", None)
    if behind is None:
        raise InputError(
            "centroid_bias needs a TabularMasker with n_centroids; this one has its rows as given."
        )
    explainer = Shapley(budget=budget, random_state=random_state)
    few = explainer.explain(model, x, masker, outputs=outputs)
    all_rows = explainer.explain(model, x, behind, outputs=outputs)
    errors = [
        np.zeros_like(one.values) if one.std_err is None else one.std_err for one in (few, all_rows)
    ]
    values, variance = few.values - all_rows.values, errors[0] ** 2 + errors[1] ** 2
    length = np.sqrt(np.maximum((values**2 - variance).sum(axis=0), 0.0))
    size = np.linalg.norm(all_rows.values, axis=0)
    relative = np.divide(length, size, out=np.zeros_like(length), where=size > 0)
    names, labels = few.feature_names, few.output_names
    return CentroidBias(
        values, np.sqrt(variance), relative, names, labels, few.cost + all_rows.cost
    )
