"""Fitted scikit-learn estimators, and those that behave like them."""

from __future__ import annotations

from typing import Any

import numpy as np

from blackbox_xai._checks import check_choice
from blackbox_xai._inputs import columns, is_frame, is_pandas, is_polars
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.errors import InputError
from blackbox_xai.protocols import Scale

__all__ = ["SklearnModel", "is_estimator"]

_METHOD: dict[str, str] = {
    "probability": "predict_proba",
    "score": "decision_function",
    "value": "predict",
}


def is_estimator(obj: Any) -> bool:
    """Tell whether ``obj`` answers like a scikit-learn estimator."""
    if hasattr(obj, "get_params") and hasattr(obj, "fit"):
        return True
    return hasattr(obj, "predict_proba") or hasattr(obj, "decision_function")


class SklearnModel(Adapter):
    def __init__(
        self,
        estimator: Any,
        *,
        output_names: Any = None,
        scale: Scale | None = None,
        batch_size: int | None = None,
    ) -> None:
        if scale is None:
            scale = _best_scale(estimator)
        check_choice("scale", scale, tuple(_METHOD))
        method = _METHOD[scale]
        if not hasattr(estimator, method):
            raise InputError(f"{type(estimator).__name__} has no {method}.")
        super().__init__(output_names=output_names, scale=scale, batch_size=batch_size)
        if self.output_names is None and scale == "probability":
            classes = getattr(estimator, "classes_", None)
            if classes is not None and not isinstance(classes, list):
                self.output_names = tuple(str(c) for c in classes)
        self._estimator = estimator
        self._method = method

    def _predict_batch(self, batch: Any) -> Any:
        return getattr(self._estimator, self._method)(batch)


def _best_scale(estimator: Any) -> Scale:
    if hasattr(estimator, "predict_proba"):
        return "probability"
    if hasattr(estimator, "decision_function"):
        return "score"
    return "value"
