"""The rows of a plan: fills that share a design, scored in queries of whole batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from blackbox_xai.explainers.shapley.maps import shared_map
from blackbox_xai.explainers.shapley.plan import Plan
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray
from blackbox_xai.solvers.kriging import ChainMap, OddMap
from blackbox_xai.values import Query, ValueFunction

__all__ = ["Block", "Hidden", "Orders", "any_order", "cut_blocks", "score_pieces"]

Orders = Callable[[BoolArray, np.random.Generator], IntArray]

_QUERY_BYTES = 1 << 18  # coalitions of one input held at a time
_BLOCK_ROWS = 1 << 14


@dataclass(frozen=True, eq=False)
class Hidden:
    """The empty coalition of each fill."""

    fills: IntArray
    d: int

    @property
    def slabs(self) -> int:
        """Number of runs of rows that are written at once at least."""
        return 1

    @property
    def slab_fills(self) -> IntArray:
        """Fills of the rows of a slab."""
        return self.fills

    def kept(self, start: int, stop: int) -> BoolArray:
        """Return the coalitions, one a row."""
        return np.zeros(((stop - start) * len(self.fills), self.d), dtype=bool)


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

    @property
    def slabs(self) -> int:
        """Number of pairs."""
        return self.odd_map.n_pairs

    @property
    def slab_fills(self) -> IntArray:
        """Fills of the rows of one pair."""
        return np.tile(self.fills, 2)

    def kept(self, start: int, stop: int) -> BoolArray:
        """Return the coalitions of some pairs, one a row."""
        first = self.odd_map.kept(self.place, start, stop)
        rows = np.empty((len(first), 2, *self.place.shape), dtype=bool)
        rows[:, 0] = first
        np.logical_not(first, out=rows[:, 1])
        always = self.place == self.odd_map.n_features
        if always.any():
            rows[:, 1] |= always
        return rows.reshape(-1, self.place.shape[1])


def score_pieces(
    v: ValueFunction,
    pieces: Iterator[Hidden | Block],
    take: Callable[[Hidden | Block, FloatArray], None],
) -> Generator[Query, FloatArray, None]:
    """Score pieces in queries of whole batches, however long the pieces are."""
    batch = v.model.rows_per_batch(v.masked.row_bytes)
    size = max(_QUERY_BYTES // v.n_features // batch, 1) * batch
    waiting: deque[tuple[Hidden | Block, int]] = deque()
    parts: list[tuple[BoolArray, IntArray]] = []
    n_rows, scores = 0, np.zeros((0, 0))
    for piece, start, stop in _slabs(pieces, size):
        if piece is not None:
            if stop > start:
                parts.append((piece.kept(start, stop), np.tile(piece.slab_fills, stop - start)))
                n_rows += len(parts[-1][1])
            if stop == piece.slabs:
                waiting.append((piece, piece.slabs * len(piece.slab_fills)))
        while n_rows >= size or (piece is None and n_rows):
            kept = np.concatenate([part for part, _ in parts])
            fills = np.concatenate([part for _, part in parts])
            fresh = yield Query(kept[:size], fills[:size])
            parts, n_rows = [(kept[size:], fills[size:])], max(n_rows - size, 0)
            scores = np.concatenate([scores, fresh]) if len(scores) else fresh
        while waiting and waiting[0][1] <= len(scores):
            done, n = waiting.popleft()
            take(done, scores[:n])
            scores = scores[n:]


def _slabs(
    pieces: Iterator[Hidden | Block], size: int
) -> Iterator[tuple[Hidden | Block | None, int, int]]:
    """Cut pieces into slabs of about ``size`` rows; None ends them."""
    for piece in pieces:
        step = max(size // max(len(piece.slab_fills), 1), 1)
        for start in range(0, max(piece.slabs, 1), step):
            yield piece, start, min(start + step, piece.slabs)
    yield None, 0, 0


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
