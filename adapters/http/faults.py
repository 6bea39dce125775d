"""What can go wrong with one request, and what is to be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from blackbox_xai.errors import BlackboxError, PredictError
from blackbox_xai.protocols import FloatArray

__all__ = ["Answer", "Fault", "Reply", "Verdict"]


class Verdict(Enum):
    """What a fault asks for."""

    AGAIN = "send the same rows again"
    SUSPECT = "once more; then the rows are the cause, split them"
    ROWS = "the rows are the cause, split them"
    SMALLER = "the batch is too large, send fewer rows at a time"
    STOP = "no request can succeed"


@dataclass(frozen=True)
class Reply:
    """An answer as it arrived, decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str:
        """Return a header, or an empty text."""
        return self.headers.get(name, "") or ""


@dataclass(frozen=True, eq=False)
class Answer:
    """A decoded answer: scores ``(n, k)``, not yet checked for their values.

    ``names`` are output names if the answer has them; ``hard`` says that they are whole numbers
    where scores were expected, as class labels are.
    """

    scores: FloatArray
    names: tuple[str, ...] | None = None
    version: str | None = None
    hard: bool = False


@dataclass(eq=False)
class Fault(Exception):
    """One request failed.

    Parameters
    ----------
    verdict : Verdict
        What to do next.
    reason : str
        For the user; holds no secret.
    wait : float, optional
        Seconds the server asks to wait.
    row : int, optional
        Row of the batch that the reason speaks of.
    rows : tuple of int
        Rows of the batch that are known to be the cause, when the others are right.
    scores : ndarray of shape (n, k), optional
        The answer, right but for ``rows``.
    slow, throttled : bool
        The server did not answer in time; it has too much to do.
    sent : bool
        The rows may have been scored, and charged.
    loading : bool
        The server does not score yet, but may before long.
    once : bool
        Worth one more request at once, whatever the patience: an idle connection that the server
        had closed, or credentials that can be renewed.
    error : type
        What is raised when nothing helps.
    """

    verdict: Verdict
    reason: str
    wait: float | None = None
    row: int | None = None
    rows: tuple[int, ...] = ()
    scores: FloatArray | None = None
    slow: bool = False
    throttled: bool = False
    sent: bool = False
    loading: bool = False
    once: bool = False
    error: type[BlackboxError] = PredictError
    status: int = field(default=0)

    def __str__(self) -> str:
        return self.reason
