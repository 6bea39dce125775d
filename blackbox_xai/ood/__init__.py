"""Is this input one the model's data knows?"""

from blackbox_xai.ood.autoencoder import AutoencoderDetector
from blackbox_xai.ood.ensemble import EnsembleDetector

__all__ = ["AutoencoderDetector", "EnsembleDetector"]
