"""Ways to write ``x where kept, else fill`` into a buffer, as fast as numpy can."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.protocols import BoolArray, IntArray

__all__ = ["select_grid", "select_pairs", "select_rows", "selects_bits"]

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
    target, bits, row = out.view(word), fill.view(word), x.view(word)
    axis = int(out.strides[0] < out.strides[1])  # columns lie together: write them one by one
    if axis:
        target, bits, row, kept = target.T, bits.T, row[:, None], kept.T
    step = max(_CHUNK // max(len(x), 1), 1)
    for start in range(0, len(fills), step):
        part = slice(start, start + step)
        cells = (slice(None), part) if axis else part
        mask = kept[cells].astype(word, order="C")
        mask -= 1
        chosen = np.take(bits, fills[part], axis=axis, mode="clip")
        chosen ^= row
        chosen &= mask
        np.bitwise_xor(chosen, row, out=target[cells])


def select_pairs(out: NDArray[Any], fill: NDArray[Any], x: NDArray[Any], kept: BoolArray) -> None:
    """Write coalitions and their complements over fills ``(f, d)`` into ``out`` ``(2 p f, d)``.

    Rows are ordered by pair, then coalition ``kept`` ``(p, f, d)`` and complement, then fill.
    One mask serves both: what it takes from ``fill`` in the one, it takes from ``x`` in the other.
    ``selects_bits`` must hold for the items, and rows must lie together.
    """
    word = _word(out)
    signed = np.dtype(f"i{out.dtype.itemsize}")
    p, f, cells = len(kept), len(fill), fill.size
    target = out.view(word).reshape(p, 2, cells)
    hidden, shown = fill.view(word).ravel(), np.tile(x.view(word), f)
    differ = hidden ^ shown
    bits = kept.reshape(p, cells).view(np.int8)
    step = max(_CHUNK // max(2 * cells, 1), 1)
    scratch = np.empty((min(step, p), cells), signed)
    for start in range(0, p, step):
        part = slice(start, min(start + step, p))
        signs = scratch[: part.stop - start]
        np.negative(bits[part], out=signs, dtype=signed)
        mask = signs.view(word)
        mask &= differ
        np.bitwise_xor(mask, hidden, out=target[part, 0])
        np.bitwise_xor(mask, shown, out=target[part, 1])


def selects_bits(dtype: np.dtype[Any]) -> bool:
    """Tell whether items of this type can be selected bit by bit."""
    return not dtype.hasobject and dtype.itemsize in _WORDS


def _word(array: NDArray[Any]) -> Any:
    """Return the unsigned integer as wide as the items of ``array``; None if there is none."""
    return _WORDS[array.dtype.itemsize] if selects_bits(array.dtype) else None
