"""Can explanations be trusted? Faithfulness, gates, stability, agreement and sanity."""

from __future__ import annotations

from blackbox_xai.evaluation.faithfulness import faithfulness
from blackbox_xai.evaluation.results import Faithfulness

__all__ = ["Faithfulness", "faithfulness"]
