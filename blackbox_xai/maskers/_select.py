"""Two ways to write ``x where kept, else fill`` into a buffer, as fast as numpy can."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.protocols import BoolArray, IntArray

__all__ = ["select_grid", "select_rows"]

_WORDS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


def select_grid(
    out: NDArray[Any], fill: NDArray[Any], x: NDArray[Any], kept: BoolArray
) -> None:
    """Write every coalition ``(m, d)`` over every fill ``(r, d)`` into ``out`` ``(m, r, d)``.

    Numbers are selected bit by bit, ``fill ^ ((fill ^ x) & mask)``: exact, and without a branch
    for each cell, which makes it about twice as fast as ``np.where``.
    """
    word = _word(out)
    if word is None:
        out[:] = fill
        np.copyto(out, x, where=kept[:, None, :])
        return
    bits, target = fill.view(word), out.view(word)
    np.bitwise_and(bits ^ x.view(word), _mask(kept, word)[:, None, :], out=target)
    np.bitwise_xor(target, bits, out=target)


def select_rows(
    out: NDArray[Any],
    fill: NDArray[Any],
    x: NDArray[Any],
    kept: BoolArray,
    fills: IntArray,
) -> None:
    """Write row ``i`` as ``x`` where ``kept[i]``, else ``fill[fills[i]]``, into ``out`` ``(n, d)``."""
    word = _word(out)
    if word is None:
        out[:] = fill[fills]
        np.copyto(out, x, where=kept)
        return
    target, bits = out.view(word), x.view(word)
    np.bitwise_xor(fill.view(word)[fills], bits, out=target)
    np.bitwise_and(target, ~_mask(kept, word), out=target)
    np.bitwise_xor(target, bits, out=target)


def _word(array: NDArray[Any]) -> Any:
    """Return the unsigned integer as wide as the items of ``array``; None if there is none."""
    return None if array.dtype.hasobject else _WORDS.get(array.dtype.itemsize)


def _mask(kept: BoolArray, word: Any) -> NDArray[Any]:
    """Return all bits set where kept, none elsewhere."""
    return np.negative(kept.astype(word))
