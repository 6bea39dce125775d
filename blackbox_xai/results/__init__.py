"""What explainers return: finished numbers, with names, units, error bars and their price."""

from __future__ import annotations

from blackbox_xai.results.attribution import Attribution
from blackbox_xai.results.explanation import Explanation
from blackbox_xai.results.many import Explanations

__all__ = ["Attribution", "Explanation", "Explanations"]
