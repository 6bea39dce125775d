"""Which coalitions to score, and with which weights: pure functions of numbers."""

from __future__ import annotations

import numpy as np

from blackbox_xai.protocols import BoolArray

__all__ = ["all_subsets"]


def all_subsets(d: int) -> BoolArray:
    """All ``2**d`` coalitions, shape ``(2**d, d)``; row ``i`` keeps the bits set in ``i``."""
    return (np.arange(2**d)[:, None] >> np.arange(d) & 1).astype(bool)
