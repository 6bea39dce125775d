"""Saliency without gradients: finite differences over blocks of an input."""

from __future__ import annotations

from blackbox_xai.explainers.gradients.blocks import BlockGradient, SmoothGrad
from blackbox_xai.explainers.gradients.integrated import IntegratedGradients

__all__ = ["BlockGradient", "IntegratedGradients", "SmoothGrad"]
