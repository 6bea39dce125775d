"""What a status means, how long to wait, and when to stop trying."""

from __future__ import annotations

import json
import random
import re
import threading
import time
from collections.abc import Callable, Sequence
from email.utils import parsedate_to_datetime

from blackbox_xai._checks import shown
from blackbox_xai.adapters.http.faults import Fault, Reply, Verdict
from blackbox_xai.adapters.http.secrets import redact
from blackbox_xai.errors import AnswerError, BlackboxError, BudgetError, LoadError, PredictError

__all__ = ["RetryBudget", "backoff", "classify", "retry_after"]

_BASE_SECONDS = 0.1
_CAP_SECONDS = 10.0
_HEAD = 200
_READ = 1 << 16
_BUSY = frozenset({408, 425, 429, 502, 503, 504})
_THROTTLED = frozenset({429, 503})
_REFUSED = frozenset({401, 403})
_QUOTA = re.compile(
    r"insufficient[_ ]quota|quota (?:is |has been )?(?:exceeded|exhausted)", re.IGNORECASE
)
_THROTTLING = re.compile(r"Throttling(?:Exception)?|TooManyRequests", re.IGNORECASE)
_ECHO = re.compile(r"data '.*?'(?=[.\s]|$)", re.DOTALL)
_PREDICTION = re.compile(rb'"type"\s*:\s*"InternalServerException"')  # TorchServe's 503
_BATCH = re.compile(
    r"batch[-_ ]?size|max(?:imum)?[-_ ](?:client[-_ ])?batch|batch (?:is )?too (?:large|big)"
    r"|too many (?:rows|instances|inputs)",
    re.IGNORECASE,
)


def backoff(attempt: int) -> float:
    """Return seconds to wait before try ``attempt + 1``: uniform from 0 to 0.1 * 2^attempt.

    References
    ----------
    M. Brooker, Exponential backoff and jitter, 2015 ("full jitter").
    """
    return random.uniform(0, min(_CAP_SECONDS, _BASE_SECONDS * 2.0**attempt))


def retry_after(reply: Reply, now: float | None = None) -> float | None:
    """Return the seconds that the server asks to wait, or None.

    Reads ``retry-after-ms``, and ``Retry-After`` as seconds, as a fraction, or as a date.
    """
    for name, unit in (("retry-after-ms", 1e-3), ("x-ratelimit-reset-after", 1.0)):
        seconds = _number(reply.header(name))
        if seconds is not None:
            return seconds * unit
    text = reply.header("retry-after").strip()
    if not text:
        return None
    if text.endswith("ms"):
        milliseconds = _number(text[:-2])
        return None if milliseconds is None else milliseconds * 1e-3
    seconds = _number(text)
    if seconds is not None:
        return seconds
    try:
        then = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
    return max(then - (time.time() if now is None else now), 0.0)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < 1e9 else None


def classify(reply: Reply, where: str, secrets: Callable[[], Sequence[str | None]]) -> Fault:
    """Return what a status other than 200 means."""
    status = reply.status
    head = redact(_head(reply), secrets())
    said = f"{where} answered {status}" + (f": {head}" if head else "")
    wait = retry_after(reply)
    if status == 402 or (status in (429, 403) and _QUOTA.search(head)):
        return _stop(f"The quota is used up: {said}", BudgetError, status)
    if status == 413 or (status in (400, 422) and _BATCH.search(head)):
        return Fault(Verdict.SMALLER, said, status=status)
    if status in (500, 424) or (status == 503 and _PREDICTION.search(reply.body[:_READ])):
        return Fault(Verdict.SUSPECT, said, wait=wait, sent=True, status=status)
    if status in _BUSY or (status == 400 and _THROTTLING.search(head)):
        return Fault(
            Verdict.AGAIN,
            said,
            wait=wait,
            slow=status == 504,
            throttled=status != 504 and status in _THROTTLED | {400},
            sent=status in (502, 504),
            status=status,
        )
    if status in (400, 422):
        return Fault(Verdict.ROWS, said, status=status)
    return _fatal(reply, said)


def _fatal(reply: Reply, said: str) -> Fault:
    status = reply.status
    if status in _REFUSED:
        return _stop(f"The server refuses the credentials: {said}. Check auth", LoadError, status)
    if 300 <= status < 400:
        return _stop(f"{said}. Redirects are not followed; give the final URL", LoadError, status)
    if status in (404, 405):
        return _stop(f"{said}. Check the path of the URL and the protocol", LoadError, status)
    if 200 < status < 300:
        return _stop(f"{said}, not 200", AnswerError, status)
    return _stop(said, PredictError, status)


def _stop(reason: str, error: type[BlackboxError], status: int) -> Fault:
    return Fault(Verdict.STOP, reason, error=error, status=status)


def _head(reply: Reply) -> str:
    """Return the start of what the server says went wrong, on one line."""
    text = reply.body[:_READ].decode("utf-8", "replace")
    if len(reply.body) <= _READ and text.lstrip().startswith("{"):
        text = _message(text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if lines and lines[0].startswith("Traceback"):
        lines = lines[-1:]
    text = _ECHO.sub("data ...", " ".join(lines))
    return shown(text, _HEAD)[1:-1] if text else ""


def _message(text: str) -> str:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for key in ("error", "message", "detail"):
        if isinstance(message, dict) and isinstance(message.get(key), str):
            return str(message[key])
    return text


class RetryBudget:
    """At most a share of all requests may be repeats, so that a sick server is left alone.

    Parameters
    ----------
    share : float
        Repeats allowed for each request.
    allowance : float
        Repeats allowed from the start.
    """

    def __init__(self, share: float = 0.2, allowance: float = 20.0) -> None:
        self._lock = threading.Lock()
        self._share = share
        self._most = allowance
        self._left = allowance

    def earn(self) -> None:
        """Count one answered request."""
        with self._lock:
            self._left = min(self._left + self._share, self._most)

    def spend(self) -> bool:
        """Take one repeat; False when there is none left."""
        with self._lock:
            if self._left < 1:
                return False
            self._left -= 1
            return True
