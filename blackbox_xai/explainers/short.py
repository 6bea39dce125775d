"""The short way: one call from a model and data to explanations."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai._inputs import is_frame
from blackbox_xai._parallel import Progress
from blackbox_xai.adapters import as_model
from blackbox_xai.errors import InputError
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.explainers.shapley.engine import Shapley
from blackbox_xai.maskers.defaults import default_masker
from blackbox_xai.protocols import Masker
from blackbox_xai.results import Explanations
from blackbox_xai.values import Detector

__all__ = ["explain"]


def explain(
    model: Any,
    X: Any,
    *,
    background: Any = None,
    masker: Masker | None = None,
    explainer: LocalExplainer | None = None,
    outputs: Any = None,
    detector: Detector | None = None,
    n_jobs: int = 1,
    progress: bool | Progress = False,
) -> Explanations:
    """Explain inputs with a sensible masker and explainer.

    Parameters
    ----------
    model : object
        Anything ``as_model`` takes: an estimator, a function, an ONNX file, a URL.
    X : array, frame, series or list
        Inputs: rows of a table, images, or texts. A single text, a list of numbers or a
        one-dimensional row counts as one input.
    background : array or frame, optional
        Rows that hidden columns are filled from, such as the training data; tables need it.
    masker : Masker, optional
        How features are hidden; None chooses by the kind of data.
    explainer : LocalExplainer, optional
        None means ``Shapley()``.
    outputs : sequence of int or str, int, str, optional
        Outputs to explain; None means all, or the 5 with the highest scores of more than 20.
    detector : fitted out-of-distribution detector, optional
        ``diagnostics["unlike"]`` of each explanation then says what share of the inputs made for
        it is unlike the data.
    n_jobs : int
        Workers; -1 means all cores. The numbers do not depend on it.
    progress : bool or callable
        True shows a bar on a terminal; a callable receives ``(done, total)``.

    Returns
    -------
    Explanations
        A list, one for each input.

    Raises
    ------
    InputError
        When an argument or the data cannot be used.
    ModelError
        When the model fails or does not answer with scores.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> why = bx.explain(lambda X: X @ [1.0, 2.0], np.eye(2), background=np.zeros((3, 2)))
    >>> why[0].values[:, 0]
    array([1., 0.])
    """
    inputs = _as_batch(X, texts=background is None)
    if masker is not None and background is not None:
        raise InputError("background must be None when masker is given; the masker has its own.")
    chosen = default_masker(inputs, background) if masker is None else masker
    method = Shapley() if explainer is None else explainer
    if not isinstance(method, LocalExplainer):
        raise InputError(
            f"explainer must be one of this library's, such as Lime(), got {shown(explainer)}."
        )
    return method.explain_many(
        as_model(model),
        inputs,
        chosen,
        outputs=outputs,
        detector=detector,
        n_jobs=n_jobs,
        progress=progress,
    )


def _as_batch(X: Any, *, texts: bool) -> Any:
    """Return ``X`` as a batch: a single text or row becomes one input.

    A series is a row of a frame or, where ``texts`` are possible and all it holds, a column.
    """
    if isinstance(X, str):
        return [X]
    if not is_frame(X) and hasattr(X, "to_frame") and np.ndim(X) == 1:
        cells = list(X)
        return cells if texts and all(isinstance(cell, str) for cell in cells) else [X]
    if isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype.kind in "fiub":
        return X[None]
    if isinstance(X, list | tuple) and X and all(isinstance(cell, Real) for cell in X):
        return [X]
    return X
