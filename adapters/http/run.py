"""One call: its rows cut into batches, sent by threads, put back by position."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator

from blackbox_xai.adapters.http.canary import Canary
from blackbox_xai.adapters.http.client import Client
from blackbox_xai.adapters.http.complaints import MOST_BAD, bad_rows, ending
from blackbox_xai.adapters.http.faults import Fault
from blackbox_xai.adapters.http.pieces import Piece, Pieces
from blackbox_xai.adapters.http.policy import Next, decide
from blackbox_xai.adapters.http.rows import Rows
from blackbox_xai.errors import Interrupted
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray

__all__ = ["Run"]

_LINGER_SECONDS = 0.5
_LOOK_SECONDS = 0.05  # other runs on the same client change what may be sent, without a signal
_serial = itertools.count(1)


class Run:
    """Scores ``rows`` with a client; ``answers`` yields them as they come in.

    A run has as many places as requests may be in flight. A batch has its place from before it is
    sent until it is answered, or with ``kept`` until the caller, who writes its scores down, comes
    back for the next: whatever happens to the process, no more than that is lost.

    Parameters
    ----------
    client : Client
        Shared with other runs.
    rows : Rows
        Checked inputs.
    canary : Canary, optional
        A row with a known answer, sent along now and then.
    lone : bool
        The rows are a single one, which is the cause if the server fails on it.
    kept : bool
        The caller writes scores down as they come. Handing each over costs two turns of threads,
        so without, they are handed over in bulk.
    """

    def __init__(
        self,
        client: Client,
        rows: Rows,
        canary: Canary | None = None,
        *,
        lone: bool = False,
        kept: bool = False,
    ) -> None:
        self.client = client
        self.rows = rows
        self.bad: dict[int, Fault] = {}
        self._canary = canary
        self._name = f"{next(_serial):x}"
        lock = threading.RLock()
        self._changed = threading.Condition(lock)  # for workers: there may be something to send
        self._over = threading.Condition(lock)  # for the caller: there may be an answer
        self._stopped = threading.Event()
        self._pieces = Pieces(client, rows.n, canary, lone=lone)
        self._places = client.limits.max_parallel
        self._kept = kept
        self._in_flight = 0
        self._workers = 0
        self._idle = 0
        self._done: deque[tuple[int, FloatArray, int]] = deque()
        self._error: BaseException | None = None
        self._counts: Counter[str] = Counter()
        self._began = time.perf_counter()

    @property
    def ledger(self) -> Ledger:
        """What the run has cost so far."""
        with self._changed:
            cost = self.client.meter.budget.price(self._counts["calls"], self._counts["rows"])
            seconds = time.perf_counter() - self._began
            return Ledger(**self._counts, seconds=seconds, cost=cost)

    def answers(self) -> Iterator[tuple[int, FloatArray]]:
        """Yield ``(first row, scores)`` as batches are answered, in any order.

        Raises
        ------
        PredictError
            After all other rows were yielded, when some rows cannot be scored.
        BlackboxError
            When the run cannot go on.
        Interrupted
            On Ctrl-C, after what was in flight and came in time was yielded.
        """
        self._staff(-(-self.rows.n // self.client.size.most))
        try:
            while (answer := self._next_done()) is not None:
                start, scores, places = answer
                yield start, scores
                if places:
                    self._free(places)
        except KeyboardInterrupt:
            self._stopped.set()
            yield from self._landed(_LINGER_SECONDS)
            raise Interrupted(f"Interrupted; {self.client.where} was left alone.") from None
        finally:
            self._stopped.set()
            with self._changed:
                self._changed.notify_all()
            with self.client.size_lock:
                self.client.size.release(self)
        yield from self._landed(_LINGER_SECONDS)
        if self._error is not None:
            raise self._error
        if self.bad:
            raise bad_rows(self.bad)

    def _staff(self, batches: int) -> None:
        """Start a thread for each batch, up to as many as there are places."""
        with self._changed:
            wanted = min(batches, self.client.limits.max_parallel) - self._workers
            self._workers += max(wanted, 0)
        for _ in range(wanted):
            threading.Thread(target=self._work, daemon=True, name="http-model").start()

    def _free(self, places: int) -> None:
        """Give places back: what was sent in them is no longer ours."""
        with self._changed:
            self._places += places
            if self._idle:
                self._changed.notify(places)

    def _next_done(self) -> tuple[int, FloatArray, int] | None:
        """Wait for an answer; None when there will be no more."""
        with self._changed:
            while not self._done:
                if self._error is not None or self._finished():
                    return None
                self._over.wait(_LOOK_SECONDS)
            return self._done.popleft()

    def _landed(self, seconds: float) -> Iterator[tuple[int, FloatArray]]:
        """Give what is in flight a moment, and yield what is there."""
        until = time.monotonic() + seconds
        with self._changed:
            while self._in_flight and (left := until - time.monotonic()) > 0:
                self._over.wait(left)
            done, self._done = self._done, deque()
        for start, scores, _ in done:
            yield start, scores

    def _finished(self) -> bool:
        return not (self._pieces or self._in_flight)

    def _work(self) -> None:
        while (piece := self._take()) is not None:
            try:
                self._send(piece)
            except Fault as fault:
                self._failed(piece, fault)
            except BaseException as error:  # noqa: BLE001  # it is raised in the calling thread
                self._give_up(error)
            finally:
                self._back()

    def _back(self) -> None:
        """Note that a request is over; wake whom that concerns."""
        with self._changed:
            self._in_flight -= 1
            if self._idle and self._pieces:
                self._changed.notify()
            if not self._in_flight and (self._stopped.is_set() or self._finished()):
                self._changed.notify_all()
                self._over.notify_all()

    def _take(self) -> Piece | None:
        """Wait for something to send; None when there is nothing left."""
        with self._changed:
            while not self._stopped.is_set() and self._error is None:
                now = time.monotonic()
                piece = self._pieces.next(now, self, place=self._places > 0)
                if piece is not None:
                    self._places -= not piece.placed
                    piece.placed = True
                    self._in_flight += 1
                    piece.began = piece.began or now
                    return piece
                if self._finished():
                    break
                self._idle += 1
                self._changed.wait(self._pieces.pause(now, _LOOK_SECONDS))
                self._idle -= 1
        return None

    def _send(self, piece: Piece) -> None:
        rows = self.rows.cut(piece.start, piece.stop)
        if piece.guarded and self._canary is not None:
            rows = rows.after(self._canary.row)
        tag = f"{self._name}.{piece.start}-{piece.stop}"
        self._count(calls=1, rows=rows.n)
        scores = self.client.score(rows, tag, self._stopped)
        if scores is None:
            self._count(calls=-1, rows=-rows.n)
            return
        if piece.guarded and self._canary is not None:
            self._canary.compare(scores[0])
            scores = scores[1:]
        with self.client.size_lock:
            self.client.size.good(rows.n, piece.trial)
        with self._changed:
            self._done.append((piece.start, scores, int(self._kept)))
            if self._kept:
                self._over.notify()
            else:
                self._places += 1

    def _count(self, **changes: int) -> None:
        with self._changed:
            self._counts.update(changes)

    def _failed(self, piece: Piece, fault: Fault) -> None:
        """Do what the fault asks for."""
        rows = piece.n + piece.guarded
        self.client.meter.failed(rows, sent=fault.sent)
        self._count(failures=1, rows=0 if fault.sent else -rows)
        todo = decide(piece, fault, self.client)
        with self.client.size_lock:
            if todo.smaller:
                self.client.size.too_large(rows, piece.trial)
            elif todo.again is None:
                self.client.size.ended(piece.trial)
        if todo.smaller or todo.split:
            self._staff(self.rows.n)
        with self._changed:
            self._put_back(piece, fault, todo)
            self.bad.update(dict.fromkeys(todo.bad, fault))
        if todo.fatal:
            self._give_up(ending(piece, fault))
        elif len(self.bad) > MOST_BAD:
            self._give_up(bad_rows(self.bad))

    def _put_back(self, piece: Piece, fault: Fault, todo: Next) -> None:
        """Put back what is to be sent again, and give the place back if it is free."""
        if todo.again is not None:
            piece.tries += not todo.free
            self._counts["retries"] += 1
            self._pieces.again(piece, time.monotonic() + todo.again)
        elif todo.lone:
            self._pieces.first_alone(piece, self)
        else:
            self._places += 1
        if todo.smaller and not todo.fatal:
            self._pieces.recut(piece)
        self._keep_right(piece, fault, todo)
        self._pieces.split(todo.split)

    def _keep_right(self, piece: Piece, fault: Fault, todo: Next) -> None:
        """Keep the right rows of an answer when the others are asked for alone."""
        if fault.scores is None or not todo.split:
            return
        asked = {start for start, _ in todo.split}
        shift = piece.start - piece.guarded
        for row in range(piece.start, piece.stop):
            if row not in asked:
                scores = fault.scores[row - shift : row - shift + 1]
                self._done.append((row, scores, 0))
        self._over.notify()

    def _give_up(self, error: BaseException) -> None:
        with self._changed:
            if self._error is None:
                self._error = error
            self._stopped.set()
            self._changed.notify_all()
            self._over.notify_all()
        with self.client.size_lock:
            self.client.size.release(self)
