"""The rows of a plan: fills that share a design, scored in queries of whole batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np

from blackbox_xai.explainers.shapley.maps import shared_map
from blackbox_xai.explainers.shapley.plan import Plan
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray
from blackbox_xai.solvers.kriging import OddMap
from blackbox_xai.values import Query, ValueFunction

__all__ = ["Block", "Hidden", "Orders", "any_order", "cut_blocks", "score_pieces"]

Orders = Callable[[BoolArray, np.random.Generator], IntArray]

_QUERY_BYTES = 1 << 19  # coalitions of one input held at a time
_BLOCK_ROWS = 1 << 15


@dataclass(frozen=True, eq=False)
class Hidden:
    """The empty coalition of each fill."""

    fills: IntArray
    d: int

    def kept(self) -> BoolArray:
        """Return the coalitions, one a row."""
        return np.zeros((len(self.fills), self.d), dtype=bool)

    def row_fills(self) -> IntArray:
        """Return the fill of each row."""
        return self.fills


@dataclass(frozen=True, eq=False)
class Block:
    """Fills that share a design, each with the features in an order of its own.

    ``place`` has shape (f, d): where each feature stands in the design, or ``n`` when it does not
    vary under the fill. Rows are ordered by pair, the fill changing fastest; complements follow.
    """

    odd_map: OddMap
    fills: IntArray
    share: FloatArray
    chance: FloatArray
    place: IntArray

    def kept(self) -> BoolArray:
        """Return the coalitions, one a row."""
        half = self.odd_map.design.half
        p, d = len(half), self.place.shape[1]
        always = np.hstack([half, np.ones((p, 1), dtype=bool)])
        rows = np.empty((2, p, len(self.fills), d), dtype=bool)
        places = self.place.ravel()
        np.take(always, places, axis=1, out=rows[0].reshape(p, len(places)), mode="clip")
        np.logical_not(rows[0], out=rows[1])
        still = self.place == half.shape[1]
        if still.any():
            rows[1] |= still
        return rows.reshape(-1, d)

    def row_fills(self) -> IntArray:
        """Return the fill of each row."""
        return np.tile(self.fills, 2 * len(self.odd_map.design.half))


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
    for piece in chain(pieces, [None]):
        if piece is not None:
            parts.append((piece.kept(), piece.row_fills()))
            n_rows += len(parts[-1][1])
            waiting.append((piece, len(parts[-1][1])))
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
        step = max(_BLOCK_ROWS // max(2 * n_pairs, 1) // plan.repeats, 1) * plan.repeats
        for a in range(start, stop, step):
            part = slice(a, min(a + step, stop))
            fills = plan.fills[part]
            place = np.full((len(fills), varies.shape[1]), n, dtype=np.intp)
            place[varies[fills]] = orders(varies[fills], rng).ravel()
            yield Block(
                shared_map(n, n_pairs, seed), fills, plan.share[part], plan.chance[part], place
            )


def any_order(varies: BoolArray, rng: np.random.Generator) -> IntArray:
    """Return the place of each varying feature in a random order, shape ``(f, n)``."""
    n = int(varies[0].sum())
    return rng.permuted(np.broadcast_to(np.arange(n), (len(varies), n)), axis=1)
