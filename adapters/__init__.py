"""Adapters: any deployed model behind one contract."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from blackbox_xai._checks import shown
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.adapters.estimator import SklearnModel, is_estimator
from blackbox_xai.adapters.function import CallableModel
from blackbox_xai.adapters.onnx import OnnxModel
from blackbox_xai.adapters.recorded import RecordedModel
from blackbox_xai.adapters.saved import PICKLES, load_model
from blackbox_xai.errors import InputError
from blackbox_xai.protocols import Model, Scale

__all__ = [
    "Adapter",
    "CallableModel",
    "OnnxModel",
    "RecordedModel",
    "SklearnModel",
    "as_model",
    "load_model",
]


def as_model(
    obj: Any,
    *,
    output_names: Any = None,
    scale: Scale | None = None,
    batch_size: int | None = None,
) -> Adapter:
    """Return ``obj`` behind the one contract that the library speaks.

    Parameters
    ----------
    obj : object
        - a function of a batch that returns scores ``(n,)`` or ``(n, k)``;
        - a fitted estimator: ``predict_proba``, else ``decision_function``, is used for
          classifiers, ``predict`` for regressors;
        - an ONNX model: a path, bytes, or an ``onnxruntime.InferenceSession``;
        - the path of a ``.skops`` file (for pickles see ``load_model``);
        - ``"http://..."`` or ``"https://..."``: a model behind a server;
        - an adapter, which is returned as it is.
    output_names : sequence of str, optional
        Names of the ``k`` outputs. None: the class names when the model tells them.
    scale : {"probability", "score", "value"}, optional
        Unit of the scores. None: what the model tells, else "score". An estimator that has
        several ways to answer takes the one in this unit.
    batch_size : int, optional
        Rows sent to the model at a time. None: as many as fill 4 MiB, at most 4096.

    Returns
    -------
    Adapter

    Raises
    ------
    InputError
        When ``obj`` is no model, or a setting contradicts an adapter that is made already.
    LoadError
        When a file or a server cannot be opened.

    Examples
    --------
    >>> import blackbox_xai as bx
    >>> model = bx.as_model(lambda X: X.sum(axis=1), scale="value")
    >>> model.predict([[1.0, 2.0], [3.0, 4.0]])
    array([[3.],
           [7.]])
    >>> bx.as_model(model) is model
    True
    """
    settings: dict[str, Any] = {
        "output_names": output_names,
        "scale": scale,
        "batch_size": batch_size,
    }
    if isinstance(obj, Adapter):
        _check_same(obj, settings)
        return obj
    if isinstance(obj, str | os.PathLike):
        return _located(os.fspath(obj), settings)
    if isinstance(obj, bytes | bytearray | memoryview) or _is_session(obj):
        return OnnxModel(obj, **settings)
    if isinstance(obj, type):
        raise InputError(f"model must be a fitted object, got the class {obj.__name__}.")
    if isinstance(obj, Model):
        settings["output_names"] = output_names or obj.output_names
        settings["scale"] = scale or obj.scale
        return CallableModel(obj.predict, parallel=obj.parallel, **settings)
    if is_estimator(obj):
        return SklearnModel(obj, **settings)
    if callable(getattr(obj, "predict", None)):
        return CallableModel(obj.predict, **settings)
    if callable(obj):
        return CallableModel(obj, **settings)
    raise InputError(
        f"model must be a function, a fitted estimator, an ONNX file, bytes or session, a URL or "
        f"an adapter, got {shown(obj)}."
    )


def _located(place: str | bytes, settings: dict[str, Any]) -> Adapter:
    """Return the model behind a path or a URL."""
    name = os.fsdecode(place)
    if name.lower().startswith(("http://", "https://")):
        from blackbox_xai.adapters.http import HttpModel

        return HttpModel(name, **settings)
    if "://" in name:
        raise InputError(f"model must be an http or https address, or a file, got {shown(name)}.")
    if Path(name).suffix.lower() in {".skops", *PICKLES}:
        return load_model(name, **settings)
    return OnnxModel(name, **settings)


def _is_session(obj: Any) -> bool:
    runtime = sys.modules.get("onnxruntime")
    return runtime is not None and isinstance(obj, runtime.InferenceSession)


def _check_same(model: Adapter, settings: dict[str, Any]) -> None:
    """Refuse settings that an adapter, made already, does not have."""
    for name, value in settings.items():
        own = getattr(model, name)
        given = tuple(map(str, value)) if name == "output_names" and value is not None else value
        if given is not None and given != own:
            raise InputError(
                f"{name} is {shown(value)}, but the model is an adapter whose {name} is "
                f"{shown(own)}. Give {name} where the adapter is made."
            )
