"""What a codec is: rows to bytes, and bytes to scores."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from blackbox_xai.adapters.http.faults import Answer, Reply
from blackbox_xai.adapters.http.rows import Rows

__all__ = ["Codec", "Payload"]


@dataclass(frozen=True)
class Payload:
    """The body of a request and the headers that describe it."""

    body: bytes
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


@dataclass(frozen=True, kw_only=True)
class Codec(ABC):
    """One wire protocol; holds settings only, sends nothing.

    Parameters
    ----------
    output : str, optional
        Which of several outputs holds the scores.
    """

    output: str | None = None

    named: ClassVar[bool] = False
    max_rows: ClassVar[int | None] = None

    def path(self, path: str) -> str:
        """Return where to post, given the path of the user's URL."""
        return path

    def ready(self, path: str) -> str | None:
        """Return where a server says whether it is ready, given where to post; None: nowhere."""
        return None

    def sends_names(self, rows: Rows) -> bool:
        """Tell whether columns travel with their names, so that their order does not matter."""
        return self.named

    @property
    def rows_limit(self) -> int | None:
        """Most rows that one request can carry; None: no limit."""
        return self.max_rows

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Columns in the order that the server declares; None: not known."""
        return None

    def prepare(self, rows: Rows) -> Rows:
        """Return all rows of a call cast to what the server declares, or say what does not fit."""
        return rows

    @abstractmethod
    def encode(self, rows: Rows, tag: str) -> Payload:
        """Return the request for ``rows``; ``tag`` names it."""

    @abstractmethod
    def decode(self, reply: Reply, n: int, tag: str) -> Answer:
        """Return the scores in an answer to ``n`` rows; raises Fault when there are none."""
