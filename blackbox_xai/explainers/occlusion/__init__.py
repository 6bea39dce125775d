"""Occlusion: how much the score drops when a part of the input is hidden."""

from __future__ import annotations

from blackbox_xai.explainers.occlusion.explainer import Occlusion

__all__ = ["Occlusion"]
