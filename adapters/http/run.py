"""One call: its rows cut into batches, sent by threads, put back by position."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from blackbox_xai.adapters.http.canary import Canary
from blackbox_xai.adapters.http.client import Client
from blackbox_xai.adapters.http.faults import Fault, Verdict
from blackbox_xai.adapters.http.policy import Next, decide
from blackbox_xai.adapters.http.rows import Rows
from blackbox_xai.errors import BlackboxError, Interrupted, PredictError
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray

__all__ = ["Piece", "Run"]

_MOST_BAD = 16
_LINGER_SECONDS = 0.5
_AHEAD = 16
_LOOK_SECONDS = 0.05  # other runs on the same client change what may be sent, without a signal
_serial = itertools.count(1)


@dataclass(order=True)
class Piece:
    """Rows ``start`` to ``stop`` on their way, not to be sent before ``ready``."""

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
    culprits: tuple[int, ...] = field(default=(), compare=False)

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.stop - self.start


class Run:
    """Scores ``rows`` with a client; ``answers`` yields them as they come in.

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
    """

    def __init__(
        self, client: Client, rows: Rows, canary: Canary | None = None, *, lone: bool = False
    ) -> None:
        self.client = client
        self.rows = rows
        self.bad: dict[int, Fault] = {}
        self._canary = canary
        self._lone = lone
        self._name = f"{next(_serial):x}"
        lock = threading.RLock()
        self._changed = threading.Condition(lock)  # for workers: there may be something to send
        self._over = threading.Condition(lock)  # for the caller, who looks at answers now and then
        self._stopped = threading.Event()
        self._uncut = [(0, rows.n)]
        self._waiting: list[Piece] = []
        self._in_flight = 0
        self._workers = 0
        self._idle = 0
        self._done: list[tuple[int, FloatArray]] = []
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
            while (batch := self._next_done()) is not None:
                yield from batch
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
            raise self._bad_rows()

    def _staff(self, batches: int) -> None:
        """Start a thread for each batch, up to the limit and a few that encode ahead."""
        with self._changed:
            most = self.client.limits.max_parallel
            wanted = min(batches, most + 1 + most // _AHEAD) - self._workers
            self._workers += max(wanted, 0)
        for _ in range(wanted):
            threading.Thread(target=self._work, daemon=True, name="http-model").start()

    def _next_done(self) -> list[tuple[int, FloatArray]] | None:
        """Wait for answers; None when there will be no more."""
        with self._changed:
            while not self._done:
                if self._error is not None or self._finished():
                    return None
                self._over.wait(_LOOK_SECONDS)
            done, self._done = self._done, []
            return done

    def _landed(self, seconds: float) -> list[tuple[int, FloatArray]]:
        """Give what is in flight a moment, and return what is there."""
        until = time.monotonic() + seconds
        with self._changed:
            while self._in_flight and (left := until - time.monotonic()) > 0:
                self._over.wait(left)
            done, self._done = self._done, []
            return done

    def _finished(self) -> bool:
        return not (self._uncut or self._waiting or self._in_flight)

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
            if self._idle:
                self._changed.notify_all()
            if not self._in_flight and (self._stopped.is_set() or self._finished()):
                self._over.notify_all()

    def _take(self) -> Piece | None:
        """Wait for something to send; None when there is nothing left."""
        with self._changed:
            while not self._stopped.is_set() and self._error is None:
                now = time.monotonic()
                piece = self._ready(now)
                if piece is not None:
                    self._in_flight += 1
                    piece.began = piece.began or now
                    return piece
                if self._finished():
                    break
                wait = self._waiting[0].ready - now if self._waiting else _LOOK_SECONDS
                self._idle += 1
                self._changed.wait(min(max(wait, 0.001), _LOOK_SECONDS))
                self._idle -= 1
        return None

    def _ready(self, now: float) -> Piece | None:
        if self._waiting and self._waiting[0].ready <= now:
            return heapq.heappop(self._waiting)
        if not self._uncut:
            return None
        with self.client.size_lock:
            if self.client.size.waits:
                return None
            size, trial = self.client.size.next(self)
        start, stop = self._uncut.pop(0)
        guarded = (
            self._canary is not None and size > 1 and self._canary.due(min(size, stop - start))
        )
        end = min(start + size - guarded, stop)
        if end < stop:
            self._uncut.insert(0, (end, stop))
        return Piece(now, start, end, trial=trial, guarded=guarded, lone=self._lone)

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
            self._done.append((piece.start, scores))

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
            if todo.smaller and not todo.fatal:
                self._uncut.insert(0, (piece.start, piece.stop))
            if todo.lone:
                self._send_alone(piece)
            self._keep_right(piece, fault, todo)
            for start, stop in todo.split:
                heapq.heappush(self._waiting, Piece(0.0, start, stop, suspect=True))
            if todo.again is not None:
                piece.tries += not todo.free
                piece.ready = time.monotonic() + todo.again
                heapq.heappush(self._waiting, piece)
                self._counts["retries"] += 1
            self.bad.update(dict.fromkeys(todo.bad, fault))
        if todo.fatal:
            self._give_up(self._fatal(piece, fault))
        elif len(self.bad) > _MOST_BAD:
            self._give_up(self._bad_rows())

    def _send_alone(self, piece: Piece) -> None:
        """Send the first row alone, while everything else waits."""
        with self.client.size_lock:
            self.client.size.hold(self)
        alone = Piece(0.0, piece.start, piece.start + 1, suspect=True, lone=True, trial=True)
        heapq.heappush(self._waiting, alone)
        self._uncut.insert(0, (piece.start + 1, piece.stop))

    def _keep_right(self, piece: Piece, fault: Fault, todo: Next) -> None:
        """Keep the right rows of an answer when the others are asked for alone."""
        if fault.scores is None or not todo.split:
            return
        asked = {start for start, _ in todo.split}
        shift = piece.start - piece.guarded
        for row in range(piece.start, piece.stop):
            if row not in asked:
                self._done.append((row, fault.scores[row - shift : row - shift + 1]))

    def _give_up(self, error: BaseException) -> None:
        with self._changed:
            if self._error is None:
                self._error = error
            self._stopped.set()
            self._changed.notify_all()
            self._over.notify_all()
        with self.client.size_lock:
            self.client.size.release(self)

    def _fatal(self, piece: Piece, fault: Fault) -> BaseException:
        """Return the error that ends the run."""
        if issubclass(fault.error, PredictError):
            named = self._named(piece, fault)
            return fault.error(f"{named}.", range(piece.start, piece.stop))
        return fault.error(f"{fault.reason.rstrip('.')}.")

    def _named(self, piece: Piece, fault: Fault) -> str:
        reason = fault.reason.rstrip(".")
        if fault.verdict is Verdict.STOP:
            return reason
        if fault.row is not None:
            return f"Row {piece.start + fault.row - piece.guarded}: {reason}"
        rows = f"row {piece.start}" if piece.n == 1 else f"rows {piece.start} to {piece.stop - 1}"
        return f"The model failed on {rows} after {piece.tries + 1} tries: {reason}"

    def _bad_rows(self) -> BlackboxError:
        rows = sorted(self.bad)
        listed = ", ".join(map(str, rows[:_MOST_BAD]))
        fault = self.bad[rows[0]]
        return (
            fault.error(
                f"The model cannot score row{'s' * (len(rows) > 1)} {listed}: "
                f"{fault.reason.rstrip('.')}. The other rows answered are in the error's partial.",
                rows,
            )
            if issubclass(fault.error, PredictError)
            else fault.error(fault.reason)
        )
