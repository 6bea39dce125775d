"""Two ways to write ``x where kept, else fill`` into a buffer, as fast as numpy can."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.protocols import BoolArray, IntArray

__all__ = ["select_grid", "select_rows"]

_CHUNK = 1 << 16  # cells that stay in the cache from one step to the next
_WORDS: dict[int, Any] = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


def select_grid(out: NDArray[Any], fill: NDArray[Any], x: NDArray[Any], kept: BoolArray) -> None:
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
    mask = np.negative(kept.astype(word))
    np.bitwise_and(bits ^ x.view(word), mask[:, None, :], out=target)
    np.bitwise_xor(target, bits, out=target)


def select_rows(
    out: NDArray[Any],
    fill: NDArray[Any],
    x: NDArray[Any],
    kept: BoolArray,
    fills: IntArray,
) -> None:
    """Write ``x`` where kept, else ``fill[fills]``, into ``out`` ``(n, d)``; one fill a row."""
    word = _word(out)
    if word is None:
        out[:] = fill[fills]
        np.copyto(out, x, where=kept)
        return
    target, bits = out.view(word), x.view(word)
    change = fill.view(word) ^ bits
    step = max(_CHUNK // max(len(x), 1), 1)
    for start in range(0, len(out), step):
        rows = slice(start, start + step)
        part = target[rows]
        mask = kept[rows].astype(word)
        mask -= 1
        np.take(change, fills[rows], axis=0, out=part, mode="clip")
        np.bitwise_and(part, mask, out=part)
        np.bitwise_xor(part, bits, out=part)


def _word(array: NDArray[Any]) -> Any:
    """Return the unsigned integer as wide as the items of ``array``; None if there is none."""
    return None if array.dtype.hasobject else _WORDS.get(array.dtype.itemsize)
