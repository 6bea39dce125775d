"""Scores in memory, and who is asking for which row at this moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

__all__ = ["Memory", "Pairs"]

Pairs = dict[bytes, bytes]


class Memory:
    """Scores by row key for the threads of one process.

    Parameters
    ----------
    limit : int
        Rows kept; beyond it the oldest are forgotten.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pairs: Pairs = {}
        self._asked: set[bytes] = set()
        self._turn = threading.Condition()

    def claim(
        self, wanted: Iterable[bytes], known: Pairs, find: Callable[[list[bytes]], Pairs] | None
    ) -> tuple[list[bytes], list[bytes]]:
        """Return the keys that the caller is to ask for, and those that another is asking for.

        What memory or ``find`` (a log) knows goes into ``known``. Keys that were claimed must be
        given back by ``release``, whatever happens.
        """
        with self._turn:
            pairs, missing = self._pairs, []
            for key in wanted:
                if key in pairs:
                    known[key] = pairs[key]
                else:
                    missing.append(key)
            if missing and find is not None:
                found = find(missing)
                self._add(found)
                known.update(found)
                missing = [key for key in missing if key not in found]
            mine = [key for key in missing if key not in self._asked]
            theirs = [key for key in missing if key in self._asked]
            self._asked.update(mine)
            return mine, theirs

    def release(self, keys: list[bytes]) -> None:
        """Give keys back: their scores are there, or were not to be had."""
        with self._turn:
            self._asked.difference_update(keys)
            self._turn.notify_all()

    def wait(self, keys: list[bytes]) -> None:
        """Wait until one of the keys was given back."""
        with self._turn:
            self._turn.wait_for(lambda: any(key not in self._asked for key in keys))

    def remember(self, pairs: Pairs) -> None:
        """Keep scores."""
        with self._turn:
            self._add(pairs)

    def _add(self, pairs: Pairs) -> None:
        self._pairs.update(pairs)
        while len(self._pairs) > self._limit:
            del self._pairs[next(iter(self._pairs))]
