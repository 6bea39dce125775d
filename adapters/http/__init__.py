"""Models behind HTTP."""

from __future__ import annotations

from typing import Any

from blackbox_xai.adapters.http.codecs import (
    Codec,
    CustomJson,
    HuggingFace,
    KServeV1,
    MLflow,
    OpenInference,
    TextEmbeddings,
    TorchServe,
)
from blackbox_xai.adapters.http.limits import Budget, Limits
from blackbox_xai.adapters.http.model import HttpModel
from blackbox_xai.adapters.http.secrets import Secret

__all__ = [
    "Budget",
    "Codec",
    "CustomJson",
    "HttpModel",
    "HuggingFace",
    "KServeV1",
    "Limits",
    "MLflow",
    "OpenInference",
    "Secret",
    "TextEmbeddings",
    "TorchServe",
    "probe",
]


def probe(url: str, **settings: Any) -> dict[str, Any]:
    """Return what a model server tells about itself, as plain data; no rows are sent.

    Parameters
    ----------
    url : str
        As for ``HttpModel``.
    **settings
        Settings of ``HttpModel``; an unknown one is a TypeError.

    Returns
    -------
    dict
        ``url``, ``protocol``, ``batch_size``, and whatever the server tells: names, shapes,
        datatypes, extensions, limits.

    Raises
    ------
    LoadError
        When the server cannot be reached.
    InputError
        When the protocol cannot be found out.
    """
    return HttpModel(url, **settings).probe()
