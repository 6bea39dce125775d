"""ONNX models."""

from __future__ import annotations

from blackbox_xai.adapters.onnx.model import OnnxModel

__all__ = ["OnnxModel"]
