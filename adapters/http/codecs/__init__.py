"""Wire protocols: one module each, all over one transport."""

from __future__ import annotations

from blackbox_xai.adapters.http.codecs.base import Codec
from blackbox_xai.adapters.http.codecs.custom import CustomJson
from blackbox_xai.adapters.http.codecs.huggingface import HuggingFace
from blackbox_xai.adapters.http.codecs.mlflow import MLflow
from blackbox_xai.adapters.http.codecs.oip import OpenInference
from blackbox_xai.adapters.http.codecs.tei import TextEmbeddings
from blackbox_xai.adapters.http.codecs.torchserve import TorchServe
from blackbox_xai.adapters.http.codecs.v1 import KServeV1

__all__ = [
    "PROTOCOLS",
    "Codec",
    "CustomJson",
    "HuggingFace",
    "KServeV1",
    "MLflow",
    "OpenInference",
    "TextEmbeddings",
    "TorchServe",
]

PROTOCOLS: dict[str, Codec] = {
    "v2": OpenInference(),
    "v1": KServeV1(),
    "mlflow": MLflow(),
    "torchserve": TorchServe(),
    "huggingface": HuggingFace(),
    "tei": TextEmbeddings(),
    "litserve": CustomJson(request={"input": "$rows"}, answer="output"),
    "bentoml": CustomJson(request={"X": "$rows"}),
}
