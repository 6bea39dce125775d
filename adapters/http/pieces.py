"""The rows of one call on their way: cut into batches, put back, split, sent again."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field

from blackbox_xai.adapters.http.canary import Canary
from blackbox_xai.adapters.http.client import Client

__all__ = ["Piece", "Pieces"]


@dataclass(order=True)
class Piece:
    """Rows ``start`` to ``stop`` on their way, not to be sent before ``ready``.

    ``placed`` says that the piece holds one of the places of its run; ``trial``, ``guarded``,
    ``suspect`` and ``lone`` that its size is tried out, that a canary goes with it, that it is a
    part of a batch with a bad row, that it is a single row. ``answered`` is how many requests
    of all had been answered when this one last failed.
    """

    ready: float
    start: int
    stop: int
    tries: int = field(default=0, compare=False)
    began: float = field(default=0.0, compare=False)
    suspect: bool = field(default=False, compare=False)
    lone: bool = field(default=False, compare=False)
    trial: bool = field(default=False, compare=False)
    guarded: bool = field(default=False, compare=False)
    excused: bool = field(default=False, compare=False)
    placed: bool = field(default=False, compare=False)
    culprits: tuple[int, ...] = field(default=(), compare=False)
    answered: int = field(default=0, compare=False)

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.stop - self.start


class Pieces:
    """What is left to send of ``n`` rows; every method is called under the lock of its run.

    Parameters
    ----------
    client : Client
        Knows how large a batch may be; shared with other runs.
    n : int
        Rows.
    canary : Canary, optional
        A row with a known answer, sent along now and then.
    lone : bool
        The rows are a single one.
    """

    def __init__(self, client: Client, n: int, canary: Canary | None, *, lone: bool) -> None:
        self._client = client
        self._canary = canary
        self._lone = lone
        self._uncut = [(0, n)] if n else []
        self._parts: list[tuple[int, int]] = []
        self._again: list[Piece] = []  # these hold places

    def __bool__(self) -> bool:
        """Return whether anything is left."""
        return bool(self._uncut or self._parts or self._again)

    def next(self, now: float, owner: object, *, place: bool) -> Piece | None:
        """Return a piece that may go now; without a ``place``, only one that has its own."""
        if self._again and self._again[0].ready <= now:
            return heapq.heappop(self._again)
        if not place:
            return None
        if self._parts:
            return Piece(now, *heapq.heappop(self._parts), suspect=True)
        return self._cut(now, owner) if self._uncut else None

    def pause(self, now: float, most: float) -> float:
        """Return seconds until a piece may be ready, at most ``most``."""
        wait = self._again[0].ready - now if self._again else most
        return min(max(wait, 0.001), most)

    def _cut(self, now: float, owner: object) -> Piece | None:
        """Cut the next batch off, unless a trial is under way."""
        with self._client.size_lock:
            if self._client.size.waits:
                return None
            size, trial = self._client.size.next(owner)
        start, stop = self._uncut.pop(0)
        canary = self._canary
        guarded = canary is not None and size > 1 and canary.due(min(size, stop - start))
        end = min(start + size - guarded, stop)
        if end < stop:
            self._uncut.insert(0, (end, stop))
        return Piece(now, start, end, trial=trial, guarded=guarded, lone=self._lone)

    def again(self, piece: Piece, at: float) -> None:
        """Send a piece again; it keeps its place."""
        piece.ready = at
        heapq.heappush(self._again, piece)

    def recut(self, piece: Piece) -> None:
        """Cut the rows of a piece anew, in batches of the size that is now right."""
        self._uncut.insert(0, (piece.start, piece.stop))

    def split(self, parts: Iterable[tuple[int, int]]) -> None:
        """Send parts of a piece that holds a bad row."""
        for part in parts:
            heapq.heappush(self._parts, part)

    def first_alone(self, piece: Piece, owner: object) -> None:
        """Send the first row of a piece alone, in its place, while everything else waits."""
        with self._client.size_lock:
            self._client.size.hold(owner)
        alone = Piece(0.0, piece.start, piece.start + 1, suspect=True, lone=True, trial=True)
        alone.placed = True
        heapq.heappush(self._again, alone)
        self._uncut.insert(0, (piece.start + 1, piece.stop))
