"""Tests of explanations: faithfulness, gates, stability, agreement and sanity."""

from __future__ import annotations

from blackbox_xai.evaluation.agreement import Agreement, agreement
from blackbox_xai.evaluation.bootstrap import Estimate, mean_interval
from blackbox_xai.evaluation.checks import Checks, Gate
from blackbox_xai.evaluation.faithfulness import faithfulness
from blackbox_xai.evaluation.gates import check
from blackbox_xai.evaluation.localisation import Localisation, localisation
from blackbox_xai.evaluation.neighbours import nearby
from blackbox_xai.evaluation.pixels import PixelFaithfulness, pixel_faithfulness
from blackbox_xai.evaluation.randomise import permuted_labels, permuted_weights
from blackbox_xai.evaluation.results import Faithfulness
from blackbox_xai.evaluation.sanity import Sanity, sanity
from blackbox_xai.evaluation.stability import Stability, stability

__all__ = [
    "Agreement",
    "Checks",
    "Estimate",
    "Faithfulness",
    "Gate",
    "Localisation",
    "PixelFaithfulness",
    "Sanity",
    "Stability",
    "agreement",
    "check",
    "faithfulness",
    "localisation",
    "mean_interval",
    "nearby",
    "permuted_labels",
    "permuted_weights",
    "pixel_faithfulness",
    "sanity",
    "stability",
]
