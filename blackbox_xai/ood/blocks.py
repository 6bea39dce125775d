"""Arithmetic whose last bit does not depend on the other rows of the call.

Matrix products round differently for different numbers of rows. Everything that scores a row is
therefore computed on blocks of one size, the last one filled up.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from blackbox_xai.protocols import FloatArray

__all__ = ["BLOCK", "by_blocks"]

BLOCK = 192


def by_blocks(function: Callable[[FloatArray], FloatArray], rows: FloatArray) -> FloatArray:
    """Return ``function(rows)``, computed on blocks of ``BLOCK`` rows."""
    parts = []
    for start in range(0, len(rows), BLOCK):
        piece = rows[start : start + BLOCK]
        block = np.zeros((BLOCK, *rows.shape[1:]))
        block[: len(piece)] = piece
        block[len(piece) :] = rows[0]
        parts.append(function(block)[: len(piece)])
    return np.concatenate(parts)
