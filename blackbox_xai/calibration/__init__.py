"""Whether the model's confidence can be believed, and a model whose confidence can."""

from blackbox_xai.calibration.recalibration import RecalibratedModel, recalibrate
from blackbox_xai.calibration.reliability import Reliability, reliability
from blackbox_xai.calibration.risk import ErrorRisk

__all__ = ["ErrorRisk", "RecalibratedModel", "Reliability", "recalibrate", "reliability"]
