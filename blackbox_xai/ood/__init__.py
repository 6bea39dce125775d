"""Is this input one the model's data knows?"""

from blackbox_xai.ood.autoencoder import AutoencoderDetector
from blackbox_xai.ood.detector import OODDetector
from blackbox_xai.ood.ensemble import EnsembleDetector
from blackbox_xai.ood.hog import hog

__all__ = ["AutoencoderDetector", "EnsembleDetector", "OODDetector", "hog"]
