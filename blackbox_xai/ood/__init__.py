"""Whether an input is one that the model's data knows."""

from blackbox_xai.ood.autoencoder import AutoencoderDetector
from blackbox_xai.ood.detector import OODDetector
from blackbox_xai.ood.ensemble import EnsembleDetector
from blackbox_xai.ood.gate import Unlikeness, share_unlike
from blackbox_xai.ood.hog import hog
from blackbox_xai.ood.metrics import OODMetrics, ood_metrics
from blackbox_xai.ood.noise import NoiseDetector

__all__ = [
    "AutoencoderDetector",
    "EnsembleDetector",
    "NoiseDetector",
    "OODDetector",
    "OODMetrics",
    "Unlikeness",
    "hog",
    "ood_metrics",
    "share_unlike",
]
