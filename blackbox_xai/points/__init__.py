"""Inputs as points: the space in which rows are near or far, and who is nearest."""

from __future__ import annotations

from blackbox_xai.points.neighbours import blocks, nearest, squared_distances
from blackbox_xai.points.space import Space, explanation_points, fit_space

__all__ = [
    "Space",
    "blocks",
    "explanation_points",
    "fit_space",
    "nearest",
    "squared_distances",
]
