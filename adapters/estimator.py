"""Fitted scikit-learn estimators, and those that behave like them."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Generator
from typing import Any

import numpy as np

from blackbox_xai._checks import unfitted
from blackbox_xai._inputs import as_rows
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.adapters.named import NamedColumns
from blackbox_xai.errors import InputError
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray, Scale

__all__ = ["SklearnModel", "is_estimator"]

_METHODS: dict[Scale, str] = {
    "probability": "predict_proba",
    "score": "decision_function",
    "value": "predict",
}


def is_estimator(obj: Any) -> bool:
    """Tell whether ``obj`` answers like a scikit-learn estimator."""
    if hasattr(obj, "predict_proba") or hasattr(obj, "decision_function"):
        return True
    return hasattr(obj, "get_params") and hasattr(obj, "fit")


class SklearnModel(Adapter):
    """A fitted estimator: a classifier, a regressor, or a pipeline that ends in one.

    Frames are checked against the columns that the estimator was fitted on and brought into their
    order. The estimator itself is not changed: where it would start threads of its own
    (``n_jobs``), a shallow copy with ``n_jobs=1`` answers, because the order in which threads add
    up decides the last bits of a score.

    Parameters
    ----------
    estimator : object
        Fitted; with ``predict_proba``, ``decision_function`` or ``predict``.
    output_names : sequence of str, optional
        Names of the ``k`` outputs. None: the classes; with several targets
        ``"<target>: <class>"``.
    scale : {"probability", "score", "value"}, optional
        Asks ``predict_proba``, ``decision_function`` or ``predict``. None: the first of them that
        the estimator has; ``predict`` for regressors alone.
    batch_size : int, optional
        Rows sent at a time. None: as many as fill 4 MiB, at most 4096.

    Raises
    ------
    InputError
        When the estimator is not fitted, or has no answer in this unit.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from blackbox_xai.adapters import SklearnModel
    >>> fitted = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
    >>> model = SklearnModel(fitted)
    >>> model.output_names, model.scale
    (('no', 'yes'), 'probability')
    >>> model.predict([[1.5]]).round(3)
    array([[0.5, 0.5]])
    >>> SklearnModel(fitted, scale="score").predict([[1.5]]).round(3)
    array([[0.]])
    """

    def __init__(
        self,
        estimator: Any,
        *,
        output_names: Any = None,
        scale: Scale | None = None,
        batch_size: int | None = None,
    ) -> None:
        if isinstance(estimator, type):
            raise InputError(
                f"estimator must be a fitted object, got the class {estimator.__name__}."
            )
        unit = scale or _first_unit(estimator)
        super().__init__(output_names=output_names, scale=unit, batch_size=batch_size)
        self._method = _METHODS[unit]
        _check_method(estimator, self._method)
        _check_fitted(estimator)
        self._answering = serial(estimator)
        self._columns = NamedColumns.of(estimator)
        if self.output_names is None:
            names = _output_names(estimator, unit)
            self.output_names = names
            self.n_outputs = None if names is None else len(names)

    def stream(self, inputs: Any) -> Generator[tuple[int, FloatArray], None, Ledger]:
        """Yield ``(first row, scores)`` of each batch as it is answered; return the cost."""
        return super().stream(self._columns.arranged(as_rows(inputs)))

    def fingerprint(self) -> str | None:
        """Return a hash of all that was learnt, and the method asked."""
        import joblib

        # Text vectorisers note where in memory their stop words are.
        learnt = _with_attributes(self._answering, {"_stop_words_id": 0}, 8)
        try:
            # Loaded from a file it should hash as it did before it was saved.
            settled = pickle.loads(pickle.dumps(learnt))
            return f"{self._method} {joblib.hash(settled, hash_name='sha1')}"
        except Exception:  # noqa: BLE001  # whatever a foreign estimator raises: no fingerprint
            return None

    def _predict_batch(self, batch: Any) -> Any:
        answer = getattr(self._answering, self._method)(batch)
        return np.hstack(answer) if isinstance(answer, list) else answer


def _first_unit(estimator: Any) -> Scale:
    """Return the unit of the best answer that the estimator has."""
    if hasattr(estimator, "predict_proba"):
        return "probability"
    return "score" if hasattr(estimator, "decision_function") else "value"


def _check_method(estimator: Any, method: str) -> None:
    """Refuse methods that are not there, and labels."""
    name = type(estimator).__name__
    has = [m for m in _METHODS.values() if hasattr(estimator, m)]
    if method not in has:
        raise InputError(
            f"{name} has no {method}; it has {', '.join(has) or 'none of ' + str(set(_METHODS))}. "
            "Choose another scale, or pass a function that returns scores."
        )
    kind = _kind(estimator)
    if method == "predict" and kind not in ("regressor", None):
        raise InputError(
            f"{name} is a {kind} whose predict returns labels, not scores. "
            + (f"Leave scale out to use its {has[0]}." if len(has) > 1 else _way_out(kind))
        )


def _way_out(kind: str | None) -> str:
    wrap = "Wrap it in CalibratedClassifierCV, or pass" if kind == "classifier" else "Pass"
    return f"{wrap} a function that returns scores."


def _kind(estimator: Any) -> str | None:
    """Return "classifier", "regressor", "clusterer", ... or None when nothing tells."""
    if hasattr(estimator, "__sklearn_tags__"):
        try:
            kind = estimator.__sklearn_tags__().estimator_type
        except AttributeError:  # a final step without tags of its own
            kind = None
        if kind is not None:
            return str(kind).replace("_", " ")
    kind = getattr(estimator, "_estimator_type", None)
    if kind is None and hasattr(estimator, "classes_"):
        return "classifier"
    return None if kind is None else str(kind).replace("_", " ")


def _check_fitted(estimator: Any) -> None:
    """Say so when a scikit-learn estimator is not fitted."""
    if unfitted(estimator):
        name = type(estimator).__name__
        raise InputError(f"{name} is not fitted. Call fit before it is explained.")


def _output_names(estimator: Any, unit: Scale) -> tuple[str, ...] | None:
    """Return the names of the outputs, where the estimator knows its classes."""
    classes = getattr(estimator, "classes_", None)
    if classes is None or unit == "value":
        return None
    if isinstance(classes, list) and any(np.ndim(c) for c in classes):
        return tuple(f"{i}: {c}" for i, own in enumerate(classes) for c in np.ravel(own))
    names = tuple(str(c) for c in classes)
    if unit == "score":
        # Two classes have one margin, that of the second; "ovo" has one a pair and no name.
        shape = getattr(estimator, "decision_function_shape", "ovr")
        return names[1:] if len(names) == 2 else (names if shape == "ovr" else None)
    return names


def serial(estimator: Any) -> Any:
    """Return ``estimator`` with ``n_jobs=1`` inside, shallowly copied where that changes it."""
    return _with_attributes(estimator, {"n_jobs": 1}, 8)


def _with_attributes(obj: Any, values: dict[str, Any], depth: int) -> Any:
    """Return ``obj`` with attributes of these values wherever an estimator inside has them."""
    if depth == 0:
        return obj
    if type(obj) in (list, tuple):
        items = [_with_attributes(item, values, depth - 1) for item in obj]
        if all(new is old for new, old in zip(items, obj, strict=True)):
            return obj
        return type(obj)(items)
    if type(obj) is dict:
        pairs = {key: _with_attributes(value, values, depth - 1) for key, value in obj.items()}
        return pairs if any(pairs[key] is not obj[key] for key in obj) else obj
    if isinstance(obj, type) or not hasattr(obj, "get_params"):
        return obj
    state = getattr(obj, "__dict__", {})
    inside = {name: _with_attributes(value, values, depth - 1) for name, value in state.items()}
    changed = {name: value for name, value in inside.items() if value is not state[name]}
    changed |= {n: value for n, value in values.items() if state.get(n) not in (None, value)}
    if not changed:
        return obj
    single = copy.copy(obj)
    vars(single).update(changed)
    return single
