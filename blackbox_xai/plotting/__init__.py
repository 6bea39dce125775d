"""Plots: pure functions of arrays that return matplotlib Axes."""

from __future__ import annotations

from blackbox_xai.plotting.image import image
from blackbox_xai.plotting.local import plot_explanation
from blackbox_xai.plotting.many import plot_explanations
from blackbox_xai.plotting.maps import map_points
from blackbox_xai.plotting.methods import agreement, curves
from blackbox_xai.plotting.overview import bar
from blackbox_xai.plotting.style import DARK, LIGHT, Palette
from blackbox_xai.plotting.swarm import beeswarm, scatter
from blackbox_xai.plotting.text import text
from blackbox_xai.plotting.waterfall import waterfall

__all__ = [
    "DARK",
    "LIGHT",
    "Palette",
    "agreement",
    "bar",
    "beeswarm",
    "curves",
    "image",
    "map_points",
    "plot_explanation",
    "plot_explanations",
    "scatter",
    "text",
    "waterfall",
]
