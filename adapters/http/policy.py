"""What to do after a fault: pure decisions, no sending."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from blackbox_xai.adapters.http.faults import Fault, Verdict
from blackbox_xai.adapters.http.retry import backoff
from blackbox_xai.errors import LoadError

if TYPE_CHECKING:
    from blackbox_xai.adapters.http.client import Client
    from blackbox_xai.adapters.http.pieces import Piece

__all__ = ["Next", "decide"]

_CONNECT_TRIES = 3
_SLOW_TRIES = 2
_LOADING_SECONDS = 0.5


@dataclass(frozen=True)
class Next:
    """The decision: send again in so many seconds, split, mark rows as bad, or end the run.

    ``free`` repeats are not counted, since the server asked for them; ``lone`` sends the first row
    alone, to see whether the server scores anything at all.
    """

    again: float | None = None
    split: tuple[tuple[int, int], ...] = ()
    bad: tuple[int, ...] = ()
    smaller: bool = False
    fatal: bool = False
    free: bool = False
    lone: bool = False


_FATAL = Next(fatal=True)


def decide(piece: Piece, fault: Fault, client: Client) -> Next:
    """Return what is to be done with ``piece``."""
    if fault.once and not piece.excused:
        piece.excused = True
        return Next(again=0.0, free=True)
    if fault.verdict is Verdict.STOP:
        return _FATAL
    if fault.verdict is Verdict.SMALLER:
        return Next(smaller=True) if piece.n > 1 else _blame(piece, client)
    if fault.verdict is Verdict.ROWS:
        return _FATAL if client.answered == 0 else _blame(piece, client)
    if fault.verdict is Verdict.SUSPECT:
        known = piece.suspect and piece.n > 1
        if piece.tries or known or piece.lone:
            return _blame(piece, client)
        return _repeat(piece, fault, client)
    return _again(piece, fault, client)


def _again(piece: Piece, fault: Fault, client: Client) -> Next:
    """Decide after a fault that may pass."""
    if fault.rows and fault.rows == piece.culprits:
        return _alone(piece, fault)
    piece.culprits = fault.rows
    others, piece.answered = client.answered - piece.answered, client.answered
    now = time.monotonic()
    if fault.loading and now - piece.began < client.limits.startup:
        return Next(again=max(fault.wait or 0.0, _LOADING_SECONDS), free=True)
    if fault.error is LoadError and client.answered == 0 and piece.tries + 1 >= _CONNECT_TRIES:
        return _FATAL
    if fault.slow and piece.tries + 1 >= _SLOW_TRIES and piece.n > 1:
        return Next(smaller=True)
    if fault.status == 429 and fault.wait is not None:
        return _repeat(piece, fault, client)
    if piece.tries >= (1 if piece.suspect and piece.n > 1 else client.limits.retries):
        if fault.status == 429 and others and client.limits.retries:
            return _repeat(
                piece, fault, client, free=True
            )  # a queue that moves, and bad luck in it
        passing = fault.error is LoadError or fault.status == 429 or client.answered == 0
        return _FATAL if passing else _blame(piece, client)
    return _repeat(piece, fault, client)


def _alone(piece: Piece, fault: Fault) -> Next:
    """Ask for the rows that twice had no scores one by one; alone and again, they are bad."""
    shift = piece.start - piece.guarded
    rows = [shift + row for row in fault.rows if shift + row >= piece.start]
    if piece.n == 1:
        return Next(bad=tuple(rows))
    return Next(split=tuple((row, row + 1) for row in rows))


def _repeat(piece: Piece, fault: Fault, client: Client, *, free: bool = False) -> Next:
    """Send again after a pause, if patience and the retry budget allow."""
    pause = max(backoff(piece.tries), fault.wait or 0.0)
    if time.monotonic() + pause - piece.began > client.limits.patience:
        fault.reason += (
            f"; {pause:.3g} s more would exceed the patience of {client.limits.patience:g} s"
        )
        return _FATAL
    asked = fault.status == 429 and fault.wait is not None
    if not asked and not client.retries.spend():
        fault.reason += "; too many requests fail to go on"
        return _FATAL
    if fault.throttled:
        client.gate.close_for(pause, learn=asked)
    return Next(again=pause, free=asked or free)


def _blame(piece: Piece, client: Client) -> Next:
    """Split towards the row that is the cause; a row alone is it."""
    if piece.n == 1:
        return _FATAL if client.answered == 0 else Next(bad=(piece.start,))
    if client.answered == 0:
        return Next(lone=True)
    middle = piece.start + piece.n // 2
    return Next(split=((piece.start, middle), (middle, piece.stop)))
