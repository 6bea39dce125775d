"""The rows that one query needs, and what becomes of their scores."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from blackbox_xai.adapters.base import Adapter
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray, MaskedInput
from blackbox_xai.values.linking import check_linked, linked
from blackbox_xai.values.query import Link, Query, Rows
from blackbox_xai.values.watch import Watch

__all__ = ["Job", "Purse"]


class Purse(Protocol):
    """Whoever asks: holds the input, pays, and remembers what was paid for."""

    model: Adapter
    masked: MaskedInput
    n_fills: int
    link: Link | None
    outputs: IntArray | None
    watch: Watch | None

    def job(self, query: Query | Rows) -> Job:
        """Return the work that a query still needs."""

    def charge(self, cost: Ledger, asked: int = 0) -> None:
        """Add to what was spent."""

    def recall(self, key: bytes) -> FloatArray | None:
        """Return what was paid for earlier."""

    def remember(self, key: bytes, scores: FloatArray) -> None:
        """Keep what was paid for."""


class Job:
    """Rows one query needs: which to write, and what to make of their scores.

    Scores arrive in row order, in pieces of any length; sums are formed coalition by coalition,
    so that they do not depend on where the pieces were cut.
    """

    def __init__(self, v: Purse, query: Query | Rows) -> None:
        self.v = v
        self.masked = v.masked
        self.hits = 0
        self._rows: Rows | None = None
        self._memoised, self._per_coalition, self._n_single = False, 1, 0
        self._tail: list[FloatArray] = []
        self._tail_rows = 0
        self._done: list[FloatArray] = []
        if isinstance(query, Query):
            self._read(query)
        else:
            self._rows, self.n_rows = query, len(query)

    def _read(self, query: Query) -> None:
        kept, fills = query.kept, query.fills
        if query.view is not None and fills is None:
            fills = np.zeros(len(kept), np.intp)
        self.masked = query.view or self.v.masked
        self.fills = fills
        self._memoised = fills is None and kept.dtype == np.bool_
        self._kept: BoolArray | FloatArray = kept
        self._per_coalition = self.v.n_fills if fills is None else 1
        if self._memoised:
            self._keep_new(kept.astype(np.bool_, copy=False))
        grid = len(self._kept) - self._n_single
        self.n_rows = self._n_single + grid * self._per_coalition

    def _keep_new(self, kept: BoolArray) -> None:
        """Split the coalitions into those known, the full one (a single row), and new ones."""
        packed = np.packbits(kept, axis=1)
        rows = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
        _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
        keys = [packed[i].tobytes() for i in first]
        new = np.array([self.v.recall(key) is None for key in keys], dtype=bool)
        full = kept[first].all(axis=1)
        order = np.concatenate([np.flatnonzero(new & full), np.flatnonzero(new & ~full)])
        self._n_single = int((new & full).sum())
        self._kept = kept[first[order]]
        self._new_keys = [keys[i] for i in order]
        self._keys = keys
        self._inverse = inverse.ravel()
        self.hits = (len(kept) - len(order)) * self.v.n_fills

    def write(self, batch: Any, at: int, start: int, stop: int) -> None:
        """Write this job's rows ``start`` to ``stop`` into ``batch`` from row ``at`` on."""
        if self._rows is not None:
            self._rows.write(self.masked, batch, at, start, stop)
            return
        masked, r, single = self.masked, self._per_coalition, self._n_single
        if start < single:
            masked.write(batch, at, self._kept[start : min(stop, single)], np.zeros(1, np.intp))
            at, start = at + 1, start + 1
        if self.fills is not None or r == 1:
            fills = (
                np.zeros(stop - start, np.intp) if self.fills is None else self.fills[start:stop]
            )
            if stop > start:
                masked.write(batch, at, self._kept[start:stop], fills)
            return
        while start < stop:
            coalition, fill = divmod(start - single, r)
            whole = (stop - start) // r if fill == 0 else 0
            rows = whole * r or min(stop - start, r - fill)
            chosen = self._kept[single + coalition :][: max(whole, 1)]
            if whole:
                masked.write(batch, at, chosen, None)
            else:
                copies: BoolArray | FloatArray = chosen[np.zeros(rows, np.intp)]
                masked.write(batch, at, copies, np.arange(fill, fill + rows))
            at, start = at + rows, start + rows

    def take(self, scores: FloatArray) -> None:
        """Receive the scores of the next rows."""
        v = self.v
        if v.outputs is not None:
            scores = scores[:, v.outputs]
        if v.link is not None:
            answer = linked(v.link, scores)
            if v.outputs is not None:
                check_linked(answer, scores)
            scores = answer
        r = self._per_coalition
        if r == 1:
            self._done.append(scores)
            return
        if self._n_single and not self._done:
            self._done.append(scores[:1].copy())
            scores = scores[1:]
        self._tail.append(scores)
        self._tail_rows += len(scores)
        if self._tail_rows < r:
            return
        rows = np.concatenate(self._tail) if len(self._tail) > 1 else self._tail[0]
        whole = len(rows) // r
        weighted = rows[: whole * r].reshape(whole, r, -1) * v.masked.fill_weights[:, None]
        self._done.append(weighted.sum(axis=1))
        rest = rows[whole * r :].copy()
        self._tail, self._tail_rows = [rest], len(rest)

    def result(self) -> FloatArray:
        """Return the scores of the query, in its order."""
        done = np.concatenate(self._done) if self._done else np.empty((0, 0))
        if not self._memoised or not self._keys:
            return done
        for key, scores in zip(self._new_keys, done, strict=True):
            self.v.remember(key, scores)
        known = [self.v.recall(key) for key in self._keys]
        return np.stack([scores for scores in known if scores is not None])[self._inverse]
