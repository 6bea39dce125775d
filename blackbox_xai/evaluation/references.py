"""Attributions that need no explainer, to stand beside those that do.

A score of an explanation says nothing by itself. Beside it stand a random map (what chance gives),
a map of the input alone (what can be had without the model) and single-feature occlusion (what
``d`` queries give).
"""

from __future__ import annotations

import numpy as np

from blackbox_xai.evaluation.queries import score
from blackbox_xai.protocols import FloatArray, IntArray, MaskedInput
from blackbox_xai.values import Steps

__all__ = ["REFERENCES", "input_map", "occlusion_map", "random_map"]

REFERENCES = ("random", "input only", "occlusion")


def random_map(d: int, rng: np.random.Generator) -> FloatArray:
    """Return independent normal values, shape ``(d,)``."""
    return rng.standard_normal(d)


def input_map(masked: MaskedInput) -> FloatArray:
    """Return how far each feature is from its fills, shape ``(d,)``, without the model.

    Bound inputs of this library have a measure of it, ``contrast``; of others, the share of fills
    that change the input counts.
    """
    contrast = getattr(masked, "contrast", None)
    if contrast is None:
        contrast = masked.fill_weights @ masked.varies
    return np.asarray(contrast, dtype=np.float64)


def occlusion_map(d: int, fills: IntArray | None) -> Steps[FloatArray]:
    """Yield queries; return the drop of the score when each feature is hidden alone, ``(d,)``."""
    kept = np.vstack([np.ones((1, d), dtype=bool), ~np.eye(d, dtype=bool)])
    scores = yield from score(kept, fills)
    drops: FloatArray = scores[0, 0] - scores[1:, 0]
    return drops
