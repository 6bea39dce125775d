"""Maps of inputs, of model features and of explanations, each with its quality."""

from __future__ import annotations

from blackbox_xai.points.space import explanation_points
from blackbox_xai.projection.estimator import EstimatorProjection
from blackbox_xai.projection.linear import PCAProjection
from blackbox_xai.projection.mds import ClassicalMDS, MDSProjection
from blackbox_xai.projection.quality import MapQuality, map_quality
from blackbox_xai.projection.tsne import TSNEProjection

__all__ = [
    "ClassicalMDS",
    "EstimatorProjection",
    "MDSProjection",
    "MapQuality",
    "PCAProjection",
    "TSNEProjection",
    "explanation_points",
    "map_quality",
]
