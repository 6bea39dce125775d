"""The rows of a plan: fills that share a design, scored in queries of whole batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from blackbox_xai.explainers.shapley.maps import shared_map
from blackbox_xai.explainers.shapley.plan import Plan
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray, MaskedInput, PairWriter
from blackbox_xai.solvers.kriging import ChainMap, OddMap
from blackbox_xai.values import Steps, ValueFunction

__all__ = ["Block", "Hidden", "Orders", "any_order", "cut_blocks", "score_pieces"]

Orders = Callable[[BoolArray, np.random.Generator], IntArray]

_QUERY_SCORES = 1 << 16  # of one input: rows times outputs
_BLOCK_ROWS = 1 << 14


@dataclass(frozen=True, eq=False)
class Hidden:
    """The empty coalition of each fill."""

    fills: IntArray
    d: int

    def __len__(self) -> int:
        """Return how many model rows there are."""
        return len(self.fills)

    def write(self, masked: MaskedInput, batch: Any, at: int, start: int, stop: int) -> None:
        """Write rows ``start`` to ``stop`` into ``batch`` from row ``at`` on."""
        nothing = np.zeros((stop - start, self.d), dtype=bool)
        masked.write(batch, at, nothing, self.fills[start:stop])


@dataclass(frozen=True, eq=False)
class Block:
    """Fills that share a design, each with the features in an order of its own.

    ``place`` has shape (f, d): where each feature stands in the design, or ``n`` when it does not
    vary under the fill. Rows are ordered by pair, then coalition and complement, then fill.
    """

    odd_map: OddMap | ChainMap
    fills: IntArray
    share: FloatArray
    chance: FloatArray
    place: IntArray

    def __len__(self) -> int:
        """Return how many model rows there are."""
        return self.odd_map.n_pairs * 2 * len(self.fills)

    def write(self, masked: MaskedInput, batch: Any, at: int, start: int, stop: int) -> None:
        """Write rows ``start`` to ``stop`` into ``batch`` from row ``at`` on.

        Whole pairs are written at once where the input can do that, what is cut row by row.
        """
        writer: PairWriter | None = getattr(masked, "pair_writer", None)
        pair = 2 * len(self.fills)
        first, end = -(-start // pair), stop // pair
        if writer is None or first >= end:
            self._write_rows(masked, batch, at, start, stop)
            return
        self._write_rows(masked, batch, at, start, first * pair)
        kept, always = self.odd_map.kept(self.place, first, end), self._always
        writer(batch, at + first * pair - start, kept, self.fills, always)
        self._write_rows(masked, batch, at + end * pair - start, end * pair, stop)

    def _write_rows(self, masked: MaskedInput, batch: Any, at: int, start: int, stop: int) -> None:
        if start == stop:
            return
        pair = 2 * len(self.fills)
        first, end = start // pair, -(-stop // pair)
        kept = self._kept(first, end)[start - first * pair : stop - first * pair]
        masked.write(batch, at, kept, self.fills[np.arange(start, stop) % len(self.fills)])

    def _kept(self, start: int, stop: int) -> BoolArray:
        """Return the coalitions of some pairs, one a row."""
        first = self.odd_map.kept(self.place, start, stop)
        rows = np.empty((len(first), 2, *self.place.shape), dtype=bool)
        rows[:, 0] = first
        np.logical_not(first, out=rows[:, 1])
        rows[:, 1] |= self._always
        return rows.reshape(-1, self.place.shape[1])

    @property
    def _always(self) -> BoolArray:
        always: BoolArray = self.place == self.odd_map.n_features
        return always


class _Stretch:
    """Rows of pieces one after another, to be scored in one query."""

    def __init__(self) -> None:
        self._parts: list[tuple[Hidden | Block, int, int]] = []
        self._ends: list[int] = [0]

    def __len__(self) -> int:
        return self._ends[-1]

    def add(self, piece: Hidden | Block, start: int, stop: int) -> None:
        """Append rows of a piece."""
        self._parts.append((piece, start, stop))
        self._ends.append(self._ends[-1] + stop - start)

    def write(self, masked: MaskedInput, batch: Any, at: int, start: int, stop: int) -> None:
        """Write rows ``start`` to ``stop`` into ``batch`` from row ``at`` on."""
        for (piece, first, _), (a, b) in zip(self._parts, pairwise(self._ends), strict=True):
            low, high = max(start, a), min(stop, b)
            if low < high:
                piece.write(masked, batch, at + low - start, first + low - a, first + high - a)


def score_pieces(
    v: ValueFunction,
    pieces: Iterator[Hidden | Block],
    take: Callable[[Hidden | Block, FloatArray], None],
) -> Steps[None]:
    """Score pieces in queries of whole batches, however long the pieces are."""
    batch = v.model.rows_per_batch(v.masked.row_bytes)
    k = 1 if v.outputs is None else len(v.outputs)
    size = max(_QUERY_SCORES // k // batch, 1) * batch
    waiting: deque[Hidden | Block] = deque()
    scores = np.zeros((0, 0))
    for stretch in _stretches(pieces, size, waiting):
        fresh = yield stretch
        scores = np.concatenate([scores, fresh]) if len(scores) else fresh
        while waiting and len(waiting[0]) <= len(scores):
            done = waiting.popleft()
            take(done, scores[: len(done)])
            scores = scores[len(done) :]
    for done in waiting:  # without rows
        take(done, scores)


def _stretches(
    pieces: Iterator[Hidden | Block], size: int, begun: deque[Hidden | Block]
) -> Iterator[_Stretch]:
    """Yield stretches of ``size`` rows, and what is left; append each piece to ``begun``."""
    stretch = _Stretch()
    for piece in pieces:
        begun.append(piece)
        start = 0
        while start < len(piece):
            stop = min(len(piece), start + size - len(stretch))
            stretch.add(piece, start, stop)
            start = stop
            if len(stretch) == size:
                yield stretch
                stretch = _Stretch()
    if len(stretch):
        yield stretch


def cut_blocks(
    plan: Plan, varies: BoolArray, seed: int, rng: np.random.Generator, orders: Orders
) -> Iterator[Block]:
    """Cut a plan into runs of fills with equal designs, of bounded size."""
    f = len(plan.fills)
    if f == 0:
        return
    alike = (np.diff(plan.n_varying) == 0) & (np.diff(plan.n_pairs) == 0)
    starts = np.concatenate([[0], np.flatnonzero(~alike) + 1, [f]])
    for start, stop in pairwise(starts.tolist()):
        n, n_pairs = int(plan.n_varying[start]), int(plan.n_pairs[start])
        is_chain = n > 2 and n_pairs == n - 1
        design = ChainMap(n) if is_chain else shared_map(n, n_pairs, seed)
        step = max(_BLOCK_ROWS // max(2 * n_pairs, 1) // plan.repeats, 1) * plan.repeats
        for a in range(start, stop, step):
            part = slice(a, min(a + step, stop))
            fills = plan.fills[part]
            place = np.full((len(fills), varies.shape[1]), n, dtype=np.intp)
            place[varies[fills]] = orders(varies[fills], rng).ravel()
            yield Block(design, fills, plan.share[part], plan.chance[part], place)


def any_order(varies: BoolArray, rng: np.random.Generator) -> IntArray:
    """Return the place of each varying feature in a random order, shape ``(f, n)``."""
    n = int(varies[0].sum())
    return rng.permuted(np.broadcast_to(np.arange(n), (len(varies), n)), axis=1)
