"""Deadlines kept by the clock."""

from __future__ import annotations

import heapq
import socket
import threading
import time
from typing import Any

__all__ = ["Watchdog"]


class Watchdog:
    """Shuts connections down at their deadlines, whatever a thread is waiting for on them.

    Timeouts for each read are not enough: a server that sends a byte now and then never meets
    one.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int]] = []
        self._open: dict[int, Any] = {}
        self._last = 0
        self._thread: threading.Thread | None = None

    def watch(self, connection: Any, deadline: float) -> int:
        """Shut ``connection`` down at ``deadline`` unless ``forget`` is called before."""
        with self._changed:
            self._last += 1
            self._open[self._last] = connection
            heapq.heappush(self._heap, (deadline, self._last))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="http-clock")
                self._thread.start()
            elif self._heap[0][1] == self._last:
                self._changed.notify()
            return self._last

    def forget(self, ticket: int) -> None:
        """End the watch."""
        with self._changed:
            self._open.pop(ticket, None)

    def _run(self) -> None:
        with self._changed:
            while True:
                while self._heap and self._heap[0][1] not in self._open:
                    heapq.heappop(self._heap)
                if not self._heap:
                    if not self._changed.wait(1.0) and not self._heap:
                        self._thread = None
                        return
                    continue
                deadline, ticket = self._heap[0]
                left = deadline - time.monotonic()
                if left > 0:
                    self._changed.wait(left)
                elif (connection := self._open.pop(ticket, None)) is not None:
                    _shut(connection)


def _shut(connection: Any) -> None:
    sock = connection.open_socket
    if sock is not None:
        try:
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
        except OSError:
            return
