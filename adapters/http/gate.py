"""How many requests are in flight and how fast they go: learnt as we go."""

from __future__ import annotations

import math
import threading
import time

from blackbox_xai.adapters.http.limits import Limits

__all__ = ["Gate"]

_ROUNDS = 2
_ROUNDS_MOST = 32
_PACE_SHARE = 0.95
_PACE_GROWTH = 0.1
_PACE_EVIDENCE = 5
_IDLE_SECONDS = 0.5


class Gate:
    """Shared by all threads: how many requests are in flight, and when the next may go.

    The limit falls to 0.7 of itself when the server is too busy, or to as many as it did not turn
    away, and rises by one after a round of good answers (additive increase, multiplicative
    decrease). The number at which the server was too busy is tried again after several rounds
    only, and more of them each time. When the server asks to wait, the rate it has granted until
    then is kept afterwards, and slowly raised.
    """

    def __init__(self, limits: Limits) -> None:
        self._changed = threading.Condition()
        self._most = limits.max_parallel
        self._limit = float(limits.max_parallel)
        self._in_flight = 0
        self._good = 0
        self._closed_until = 0.0
        self._cut_at = 0.0
        self._cut_from = self._limit
        self._turned_away = 0
        self._ceiling = math.inf
        self._rounds = _ROUNDS
        self._cautious = False
        self._pace: _Rate | None = None
        self._granted = 0
        self._left_at = 0.0
        self._granted_since = time.monotonic()
        self._rates = [
            (_Rate(rate), by_row)
            for rate, by_row in (
                (limits.max_per_second, False),
                (limits.max_rows_per_second, True),
            )
            if rate is not None
        ]

    @property
    def limit(self) -> int:
        """Requests that may be in flight now; one until the server has recovered."""
        return 1 if self._cautious else max(int(self._limit), 1)

    def enter(self, rows: int, stopped: threading.Event) -> bool:
        """Wait for a place; False when ``stopped`` was set meanwhile."""
        with self._changed:
            while not stopped.is_set():
                now = time.monotonic()
                wait = self._closed_until - now
                if self._in_flight >= self.limit:
                    wait = max(wait, 0.1)
                rates = [*self._rates, (self._pace, False)] if self._pace else self._rates
                if wait <= 0:
                    wait = max((rate.wait(now) for rate, _ in rates), default=0)
                if wait <= 0:
                    if not self._in_flight and now - self._left_at > _IDLE_SECONDS:
                        self._granted, self._granted_since = 0, now
                    for rate, by_row in rates:
                        rate.take(rows if by_row else 1, now)
                    self._in_flight += 1
                    return True
                self._changed.wait(min(wait, 0.1))
        return False

    def leave(self) -> None:
        """Give the place back."""
        with self._changed:
            self._in_flight -= 1
            self._left_at = time.monotonic()
            self._changed.notify()

    def good(self) -> None:
        """Note an answer in time."""
        with self._changed:
            self._good += 1
            self._granted += 1
            if self._cautious:
                self._cautious = False
                self._changed.notify_all()
            careful = int(self._limit + 1) >= self._ceiling
            rounds = self._rounds if careful else 1
            if self._good >= rounds * self._limit and self._limit < self._most:
                if int(self._limit) >= self._ceiling:
                    self._ceiling, self._rounds = math.inf, _ROUNDS
                self._limit = min(self._limit + 1, self._most)
                self._good = 0
                self._changed.notify()

    def busy(self, began: float, *, turned_away: bool = False) -> None:
        """Lower the limit, once for all requests that were in flight together.

        With ``turned_away``, the server said that this request was one too many.
        """
        with self._changed:
            if began >= self._cut_at:
                again = int(self._limit) >= self._ceiling
                self._rounds = min(self._rounds * 2, _ROUNDS_MOST) if again else _ROUNDS
                self._ceiling = int(self._limit)
                self._cut_from, self._turned_away = self._limit, 0
                self._limit = max(self._limit * 0.7, 1.0)
                self._cut_at = time.monotonic()
                self._good = 0
            if turned_away:
                self._turned_away += 1
                self._limit = max(min(self._limit, self._cut_from - self._turned_away), 1.0)

    def close_for(self, seconds: float, *, learn: bool = False) -> None:
        """Let nobody in for a while, then one alone until it is answered.

        With ``learn``, the rate granted until now is kept.
        """
        with self._changed:
            now = time.monotonic()
            if learn and now >= self._closed_until:
                if self._granted >= _PACE_EVIDENCE:
                    elapsed = now + seconds - self._granted_since
                    rate = _PACE_SHARE * self._granted / elapsed
                    self._pace = _Rate(rate, _PACE_GROWTH, since=now + seconds)
                self._granted, self._granted_since = 0, now + seconds
            self._closed_until = max(self._closed_until, now + seconds)
            self._cautious = True


class _Rate:
    """So many a second, evenly; ``growth`` raises it by that share each second."""

    def __init__(self, per_second: float, growth: float = 0.0, since: float = 0.0) -> None:
        self._rate = per_second
        self._growth = growth
        self._grown_at = since
        self._free_at = 0.0

    def wait(self, now: float) -> float:
        return self._free_at - now

    def take(self, amount: int, now: float) -> None:
        self._rate *= 1 + self._growth * max(now - self._grown_at, 0.0)
        self._grown_at = now
        self._free_at = max(self._free_at, now) + amount / self._rate
