"""Connections that are watched: a deadline by the clock, and how long each lay idle."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from urllib3.connection import HTTPConnection, HTTPSConnection

from blackbox_xai.adapters.http.watchdog import Watchdog

__all__ = ["Plain", "Tls", "current"]


class Exchange(threading.local):
    """The exchange that this thread is in."""

    watchdog: Watchdog | None = None
    deadline: float = 0.0
    ticket: int | None = None
    connection: Any = None
    idle: float = 0.0

    def begin(self, watchdog: Watchdog, deadline: float) -> None:
        """Have the connection that is used next watched."""
        self.watchdog, self.deadline, self.ticket = watchdog, deadline, None
        self.connection, self.idle = None, 0.0

    def end(self) -> None:
        """End the watch."""
        if self.watchdog is not None and self.ticket is not None:
            self.watchdog.forget(self.ticket)
        self.watchdog = None

    def spoil(self) -> None:
        """Have the connection in use closed after this answer, whoever gets it next."""
        if self.connection is not None:
            self.connection.spoilt = True

    def note_use(self) -> None:
        """Note on the connection that it has just been used."""
        if self.connection is not None:
            self.connection.used_at = time.monotonic()


current = Exchange()


if TYPE_CHECKING:
    _Connection = HTTPConnection
else:
    _Connection = object


class _Watched(_Connection):
    """Mixin: tells the watchdog of the socket before anything is sent on it."""

    open_socket: Any = None
    used_at: float | None = None
    spoilt: bool = False

    @property
    def is_connected(self) -> bool:
        """Whether the pool may hand the connection out again as it is."""
        return not self.spoilt and super().is_connected

    def close(self) -> None:
        """Close it; opened again, it is as new."""
        self.spoilt = False
        super().close()

    def request(self, *args: Any, **kwargs: Any) -> None:
        sock = getattr(self, "sock", None)
        if sock is None:
            self.connect()
            sock = self.sock
            self.used_at = None
        self.open_socket = sock
        current.connection = self
        current.idle = 0.0 if self.used_at is None else time.monotonic() - self.used_at
        if current.watchdog is not None:
            current.ticket = current.watchdog.watch(self, current.deadline)
        super().request(*args, **kwargs)


class Plain(_Watched, HTTPConnection):
    """A watched connection over plain http."""


class Tls(_Watched, HTTPSConnection):
    """A watched connection over TLS."""
