"""Explain models that nobody can open."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blackbox_xai.adapters import as_model as as_model
    from blackbox_xai.adapters.estimator import SklearnModel as SklearnModel
    from blackbox_xai.adapters.function import CallableModel as CallableModel
    from blackbox_xai.adapters.onnx import OnnxModel as OnnxModel
    from blackbox_xai.explainers.lime import Lime as Lime
    from blackbox_xai.explainers.occlusion import Occlusion as Occlusion
    from blackbox_xai.explainers.rise import Rise as Rise
    from blackbox_xai.explainers.shapley.classic import ExactShapley as ExactShapley
    from blackbox_xai.explainers.shapley.classic import KernelShap as KernelShap
    from blackbox_xai.explainers.shapley.classic import LeverageShapley as LeverageShapley
    from blackbox_xai.explainers.shapley.classic import PermutationShapley as PermutationShapley
    from blackbox_xai.maskers.tabular import TabularMasker as TabularMasker

_HOME = {
    "as_model": "blackbox_xai.adapters",
    "CallableModel": "blackbox_xai.adapters.function",
    "ExactShapley": "blackbox_xai.explainers.shapley.classic",
    "KernelShap": "blackbox_xai.explainers.shapley.classic",
    "LeverageShapley": "blackbox_xai.explainers.shapley.classic",
    "Lime": "blackbox_xai.explainers.lime",
    "Occlusion": "blackbox_xai.explainers.occlusion",
    "OnnxModel": "blackbox_xai.adapters.onnx",
    "PermutationShapley": "blackbox_xai.explainers.shapley.classic",
    "Rise": "blackbox_xai.explainers.rise",
    "SklearnModel": "blackbox_xai.adapters.estimator",
    "TabularMasker": "blackbox_xai.maskers.tabular",
}

__version__ = "0.1.0"
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'blackbox_xai' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
