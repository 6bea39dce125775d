"""Explain models that nobody can open."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blackbox_xai.adapters import as_model as as_model
    from blackbox_xai.adapters import load_model as load_model
    from blackbox_xai.adapters.estimator import SklearnModel as SklearnModel
    from blackbox_xai.adapters.function import CallableModel as CallableModel
    from blackbox_xai.adapters.http import CustomJson as CustomJson
    from blackbox_xai.adapters.http import HttpModel as HttpModel
    from blackbox_xai.adapters.http import Secret as Secret
    from blackbox_xai.adapters.onnx import OnnxModel as OnnxModel
    from blackbox_xai.adapters.recorded import RecordedModel as RecordedModel
    from blackbox_xai.adapters.tuning import Tuning as Tuning
    from blackbox_xai.adapters.tuning import tune as tune
    from blackbox_xai.calibration.recalibration import recalibrate as recalibrate
    from blackbox_xai.calibration.reliability import reliability as reliability
    from blackbox_xai.calibration.risk import ErrorRisk as ErrorRisk
    from blackbox_xai.demo import load_demo as load_demo
    from blackbox_xai.errors import AnswerError as AnswerError
    from blackbox_xai.errors import BlackboxError as BlackboxError
    from blackbox_xai.errors import BudgetError as BudgetError
    from blackbox_xai.errors import InputError as InputError
    from blackbox_xai.errors import Interrupted as Interrupted
    from blackbox_xai.errors import LoadError as LoadError
    from blackbox_xai.errors import LogError as LogError
    from blackbox_xai.errors import ModelError as ModelError
    from blackbox_xai.errors import PredictError as PredictError
    from blackbox_xai.evaluation.agreement import agreement as agreement
    from blackbox_xai.evaluation.faithfulness import faithfulness as faithfulness
    from blackbox_xai.evaluation.gates import check as check
    from blackbox_xai.evaluation.pixels import pixel_faithfulness as pixel_faithfulness
    from blackbox_xai.evaluation.sanity import sanity as sanity
    from blackbox_xai.evaluation.stability import stability as stability
    from blackbox_xai.exemplars import GroupInfluence as GroupInfluence
    from blackbox_xai.exemplars import NearestExemplars as NearestExemplars
    from blackbox_xai.exemplars import Neighbours as Neighbours
    from blackbox_xai.exemplars import group_influence as group_influence
    from blackbox_xai.exemplars import k_medoids as k_medoids
    from blackbox_xai.exemplars import knn_shapley as knn_shapley
    from blackbox_xai.exemplars import label_issues as label_issues
    from blackbox_xai.exemplars import mmd_critic as mmd_critic
    from blackbox_xai.exemplars import protodash as protodash
    from blackbox_xai.exemplars.prototypes import Prototypes as Prototypes
    from blackbox_xai.exemplars.prototypes import prototypes as prototypes
    from blackbox_xai.explainers.gradients import BlockGradient as BlockGradient
    from blackbox_xai.explainers.gradients import IntegratedGradients as IntegratedGradients
    from blackbox_xai.explainers.gradients import SmoothGrad as SmoothGrad
    from blackbox_xai.explainers.lime import Lime as Lime
    from blackbox_xai.explainers.occlusion import Occlusion as Occlusion
    from blackbox_xai.explainers.planning import Plan as Plan
    from blackbox_xai.explainers.rise import Rise as Rise
    from blackbox_xai.explainers.shapley.centroids import CentroidBias as CentroidBias
    from blackbox_xai.explainers.shapley.centroids import centroid_bias as centroid_bias
    from blackbox_xai.explainers.shapley.classic import KernelShap as KernelShap
    from blackbox_xai.explainers.shapley.classic import LeverageShapley as LeverageShapley
    from blackbox_xai.explainers.shapley.classic import PermutationShapley as PermutationShapley
    from blackbox_xai.explainers.shapley.engine import Shapley as Shapley
    from blackbox_xai.explainers.shapley.exact import ExactShapley as ExactShapley
    from blackbox_xai.explainers.shapley.interactions import Interactions as Interactions
    from blackbox_xai.explainers.shapley.interactions import (
        ShapleyInteractions as ShapleyInteractions,
    )
    from blackbox_xai.explainers.shapley.owen import OwenShapley as OwenShapley
    from blackbox_xai.explainers.short import explain as explain
    from blackbox_xai.explainers.superpixel_gp import SuperpixelGP as SuperpixelGP
    from blackbox_xai.ledger import Ledger as Ledger
    from blackbox_xai.maskers.conditional import ConditionalMasker as ConditionalMasker
    from blackbox_xai.maskers.defaults import default_masker as default_masker
    from blackbox_xai.maskers.fills import BlurFill as BlurFill
    from blackbox_xai.maskers.fills import ColourFill as ColourFill
    from blackbox_xai.maskers.fills import DrawnFill as DrawnFill
    from blackbox_xai.maskers.fills import GreyFill as GreyFill
    from blackbox_xai.maskers.fills import ImageFill as ImageFill
    from blackbox_xai.maskers.fills import MeanFill as MeanFill
    from blackbox_xai.maskers.image import ImageMasker as ImageMasker
    from blackbox_xai.maskers.labels import Grid as Grid
    from blackbox_xai.maskers.segments import Felzenszwalb as Felzenszwalb
    from blackbox_xai.maskers.segments import Quickshift as Quickshift
    from blackbox_xai.maskers.segments import Regions as Regions
    from blackbox_xai.maskers.segments import Slic as Slic
    from blackbox_xai.maskers.tabular import TabularMasker as TabularMasker
    from blackbox_xai.maskers.text import TextMasker as TextMasker
    from blackbox_xai.ood.autoencoder import AutoencoderDetector as AutoencoderDetector
    from blackbox_xai.ood.detector import OODDetector as OODDetector
    from blackbox_xai.ood.ensemble import EnsembleDetector as EnsembleDetector
    from blackbox_xai.ood.gate import share_unlike as share_unlike
    from blackbox_xai.ood.metrics import ood_metrics as ood_metrics
    from blackbox_xai.ood.noise import NoiseDetector as NoiseDetector
    from blackbox_xai.projection import ClassicalMDS as ClassicalMDS
    from blackbox_xai.projection import EstimatorProjection as EstimatorProjection
    from blackbox_xai.projection import MapQuality as MapQuality
    from blackbox_xai.projection import MDSProjection as MDSProjection
    from blackbox_xai.projection import PCAProjection as PCAProjection
    from blackbox_xai.projection import TSNEProjection as TSNEProjection
    from blackbox_xai.projection import explanation_points as explanation_points
    from blackbox_xai.projection import map_quality as map_quality
    from blackbox_xai.report.audit import Audit as Audit
    from blackbox_xai.report.audit import audit as audit
    from blackbox_xai.results import Explanation as Explanation
    from blackbox_xai.results import Explanations as Explanations
    from blackbox_xai.surrogates.additive import SurrogateSum as SurrogateSum
    from blackbox_xai.surrogates.linear import SurrogateLinear as SurrogateLinear
    from blackbox_xai.surrogates.tree import SurrogateTree as SurrogateTree

_HOME = {
    "agreement": "blackbox_xai.evaluation.agreement",
    "AnswerError": "blackbox_xai.errors",
    "as_model": "blackbox_xai.adapters",
    "Audit": "blackbox_xai.report.audit",
    "audit": "blackbox_xai.report.audit",
    "AutoencoderDetector": "blackbox_xai.ood.autoencoder",
    "BlackboxError": "blackbox_xai.errors",
    "BlockGradient": "blackbox_xai.explainers.gradients",
    "BlurFill": "blackbox_xai.maskers.fills",
    "BudgetError": "blackbox_xai.errors",
    "CallableModel": "blackbox_xai.adapters.function",
    "centroid_bias": "blackbox_xai.explainers.shapley.centroids",
    "CentroidBias": "blackbox_xai.explainers.shapley.centroids",
    "check": "blackbox_xai.evaluation.gates",
    "ClassicalMDS": "blackbox_xai.projection",
    "ColourFill": "blackbox_xai.maskers.fills",
    "ConditionalMasker": "blackbox_xai.maskers.conditional",
    "CustomJson": "blackbox_xai.adapters.http",
    "default_masker": "blackbox_xai.maskers.defaults",
    "DrawnFill": "blackbox_xai.maskers.fills",
    "EnsembleDetector": "blackbox_xai.ood.ensemble",
    "ErrorRisk": "blackbox_xai.calibration.risk",
    "EstimatorProjection": "blackbox_xai.projection",
    "ExactShapley": "blackbox_xai.explainers.shapley.exact",
    "explain": "blackbox_xai.explainers.short",
    "Explanation": "blackbox_xai.results",
    "explanation_points": "blackbox_xai.projection",
    "Explanations": "blackbox_xai.results",
    "faithfulness": "blackbox_xai.evaluation.faithfulness",
    "Felzenszwalb": "blackbox_xai.maskers.segments",
    "GreyFill": "blackbox_xai.maskers.fills",
    "Grid": "blackbox_xai.maskers.labels",
    "group_influence": "blackbox_xai.exemplars",
    "GroupInfluence": "blackbox_xai.exemplars",
    "HttpModel": "blackbox_xai.adapters.http",
    "ImageFill": "blackbox_xai.maskers.fills",
    "ImageMasker": "blackbox_xai.maskers.image",
    "InputError": "blackbox_xai.errors",
    "IntegratedGradients": "blackbox_xai.explainers.gradients",
    "Interactions": "blackbox_xai.explainers.shapley.interactions",
    "Interrupted": "blackbox_xai.errors",
    "k_medoids": "blackbox_xai.exemplars",
    "KernelShap": "blackbox_xai.explainers.shapley.classic",
    "knn_shapley": "blackbox_xai.exemplars",
    "label_issues": "blackbox_xai.exemplars",
    "Ledger": "blackbox_xai.ledger",
    "LeverageShapley": "blackbox_xai.explainers.shapley.classic",
    "Lime": "blackbox_xai.explainers.lime",
    "load_demo": "blackbox_xai.demo",
    "load_model": "blackbox_xai.adapters",
    "LoadError": "blackbox_xai.errors",
    "LogError": "blackbox_xai.errors",
    "map_quality": "blackbox_xai.projection",
    "MapQuality": "blackbox_xai.projection",
    "MDSProjection": "blackbox_xai.projection",
    "MeanFill": "blackbox_xai.maskers.fills",
    "mmd_critic": "blackbox_xai.exemplars",
    "ModelError": "blackbox_xai.errors",
    "NearestExemplars": "blackbox_xai.exemplars",
    "Neighbours": "blackbox_xai.exemplars",
    "NoiseDetector": "blackbox_xai.ood.noise",
    "Occlusion": "blackbox_xai.explainers.occlusion",
    "OnnxModel": "blackbox_xai.adapters.onnx",
    "ood_metrics": "blackbox_xai.ood.metrics",
    "OODDetector": "blackbox_xai.ood.detector",
    "OwenShapley": "blackbox_xai.explainers.shapley.owen",
    "PCAProjection": "blackbox_xai.projection",
    "PermutationShapley": "blackbox_xai.explainers.shapley.classic",
    "pixel_faithfulness": "blackbox_xai.evaluation.pixels",
    "Plan": "blackbox_xai.explainers.planning",
    "PredictError": "blackbox_xai.errors",
    "protodash": "blackbox_xai.exemplars",
    "Prototypes": "blackbox_xai.exemplars.prototypes",
    "prototypes": "blackbox_xai.exemplars.prototypes",
    "Quickshift": "blackbox_xai.maskers.segments",
    "recalibrate": "blackbox_xai.calibration.recalibration",
    "RecordedModel": "blackbox_xai.adapters.recorded",
    "Regions": "blackbox_xai.maskers.segments",
    "reliability": "blackbox_xai.calibration.reliability",
    "Rise": "blackbox_xai.explainers.rise",
    "sanity": "blackbox_xai.evaluation.sanity",
    "Secret": "blackbox_xai.adapters.http",
    "Shapley": "blackbox_xai.explainers.shapley.engine",
    "ShapleyInteractions": "blackbox_xai.explainers.shapley.interactions",
    "share_unlike": "blackbox_xai.ood.gate",
    "SklearnModel": "blackbox_xai.adapters.estimator",
    "Slic": "blackbox_xai.maskers.segments",
    "SmoothGrad": "blackbox_xai.explainers.gradients",
    "stability": "blackbox_xai.evaluation.stability",
    "SuperpixelGP": "blackbox_xai.explainers.superpixel_gp",
    "SurrogateLinear": "blackbox_xai.surrogates.linear",
    "SurrogateSum": "blackbox_xai.surrogates.additive",
    "SurrogateTree": "blackbox_xai.surrogates.tree",
    "TabularMasker": "blackbox_xai.maskers.tabular",
    "TextMasker": "blackbox_xai.maskers.text",
    "TSNEProjection": "blackbox_xai.projection",
    "tune": "blackbox_xai.adapters.tuning",
    "Tuning": "blackbox_xai.adapters.tuning",
}

__version__ = "0.1.0"
__all__ = ["__version__", *_HOME]  # noqa: PLE0604  # one list of names, not two


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'blackbox_xai' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
