"""LIME: a linear surrogate of the model around one input."""

from __future__ import annotations

from blackbox_xai.explainers.lime.explainer import Lime

__all__ = ["Lime"]
