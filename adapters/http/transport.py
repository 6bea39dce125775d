"""One pooled connection to a server, with deadlines kept by the clock and a cap on answers."""

from __future__ import annotations

import logging
import os
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, SSLError

from blackbox_xai.adapters.http.connections import Plain, Tls, current
from blackbox_xai.adapters.http.endpoint import Endpoint
from blackbox_xai.adapters.http.faults import Fault, Reply, Verdict
from blackbox_xai.adapters.http.secrets import redact
from blackbox_xai.adapters.http.watchdog import Watchdog
from blackbox_xai.errors import AnswerError, LoadError

__all__ = ["Transport"]

_CONNECT_SECONDS = 4.0
_PIECE = 1 << 16
_ONCE = urllib3.Retry(total=False, redirect=0)  # repeats are decided elsewhere
_CRASHED = 500  # after it many servers close the connection without having said so
_IDLE_SECONDS = 0.5  # a server may close a connection that was idle for longer


class _HideQuery(logging.Filter):
    """Keeps queries, which may hold keys, out of urllib3's debug lines."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                part.split("?", 1)[0] if isinstance(part, str) and "?" in part else part
                for part in record.args
            )
        return True


class Transport:
    """Sends requests to one server; shared by threads, made anew in every process.

    Parameters
    ----------
    endpoint : Endpoint
        The server.
    connections : int
        Connections kept open.
    verify : bool or str
        Verify the server's certificate; a path names a file of trusted certificates.
    proxy : str, optional
        URL of a proxy. Proxies and netrc files of the environment are never used.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        connections: int = 8,
        verify: bool | str = True,
        proxy: str | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.pid = os.getpid()
        self.watchdog = Watchdog()
        settings: dict[str, Any] = {"maxsize": connections, "retries": _ONCE}
        if endpoint.scheme == "https":
            settings["cert_reqs"] = "CERT_REQUIRED" if verify else "CERT_NONE"
            if isinstance(verify, str):
                settings["ca_certs"] = verify
        manager = (
            urllib3.PoolManager(**settings)
            if proxy is None
            else urllib3.ProxyManager(proxy, **settings)
        )
        pool = manager.connection_from_url(endpoint.origin)
        pool.ConnectionCls = Tls if endpoint.scheme == "https" else Plain
        self._absolute = proxy is not None and endpoint.scheme == "http"
        self._pool = pool
        logger = logging.getLogger("urllib3.connectionpool")
        if not any(isinstance(f, _HideQuery) for f in logger.filters):
            logger.addFilter(_HideQuery())

    def exchange(
        self,
        method: str,
        target: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str],
        seconds: float,
        cap: int,
        secrets: Callable[[], Sequence[str | None]] = tuple,
    ) -> Reply:
        """Send one request and return the whole answer, whatever its status.

        Parameters
        ----------
        method, target, body, headers
            The request; ``target`` is path and query.
        seconds : float
            For connecting, sending and reading together.
        cap : int
            Most bytes of an answer, before and after decompression.
        secrets : callable
            Returns what is kept out of messages.

        Raises
        ------
        Fault
            When no whole answer came in time.
        """
        deadline = time.monotonic() + seconds
        try:
            return self._once(method, target, body, headers, deadline, cap)
        except (HTTPError, OSError, ValueError) as error:
            fault = self._fault(error, deadline, seconds)
        fault.reason = redact(fault.reason, secrets())
        raise fault

    def _once(
        self,
        method: str,
        target: str,
        body: bytes | None,
        headers: Mapping[str, str],
        deadline: float,
        cap: int,
    ) -> Reply:
        left = max(deadline - time.monotonic(), 0.001)
        current.begin(self.watchdog, deadline)
        response = None
        whole = False
        try:
            response = self._pool.urlopen(
                method,
                self.endpoint.origin + target if self._absolute else target,
                body=body,
                headers=headers,
                redirect=False,
                retries=_ONCE,
                preload_content=False,
                decode_content=False,
                timeout=urllib3.Timeout(connect=min(left, _CONNECT_SECONDS), read=left),
            )
            if response.status == _CRASHED:
                current.spoil()
            data = _read(response, deadline, cap)
            if time.monotonic() >= deadline:
                raise TimeoutError  # shut down by the watchdog, which looks like an end
            whole = True
            current.note_use()
            return Reply(response.status, response.headers, data)
        finally:
            current.end()
            if response is not None and not whole:
                response.close()

    def _fault(self, error: Exception, deadline: float, seconds: float) -> Fault:
        where = self.endpoint.shown
        if isinstance(error, _TooLong):
            return Fault(Verdict.AGAIN, str(error), sent=True, error=AnswerError)
        if isinstance(error, SSLError):
            reason = f"TLS with {where} fails: {type(error).__name__}: {error}"[:300]
            return Fault(Verdict.STOP, reason, error=LoadError)
        if time.monotonic() >= deadline - 0.002:
            reason = f"no whole answer from {where} within {seconds:g} s"
            return Fault(Verdict.AGAIN, reason, slow=True, sent=True)
        if isinstance(error, NewConnectionError | urllib3.exceptions.ConnectTimeoutError):
            reason = f"cannot connect to {where} ({_short(error)})"
            return Fault(Verdict.AGAIN, reason, error=LoadError)
        reason = f"the connection to {where} broke ({_short(error)})"
        stale = current.idle > _IDLE_SECONDS and isinstance(error, _DROPPED)
        return Fault(Verdict.AGAIN, reason, sent=True, once=stale)


class _TooLong(ValueError):
    pass


_DROPPED = (urllib3.exceptions.ProtocolError, ConnectionError)


def _short(error: Exception) -> str:
    text = str(error.args[-1] if error.args else error).rsplit(": ", 1)[-1]
    return f"{type(error).__name__}: {text}"[:160]


def _read(response: Any, deadline: float, cap: int) -> bytes:
    """Return the decompressed body; at most ``cap`` bytes are ever held."""
    encodings = [e.strip().lower() for e in response.headers.get("content-encoding", "").split(",")]
    encodings = [e for e in encodings if e not in ("", "identity")]
    if len(encodings) > 1 or (encodings and encodings[0] not in ("gzip", "x-gzip", "deflate")):
        raise _TooLong(
            f"the answer is encoded as {', '.join(encodings)[:60]}; expected gzip or none"
        )
    unpack = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32) if encodings else None
    parts: list[bytes] = []
    size = 0
    while True:
        piece = response.read1(_PIECE)
        if not piece:
            break
        if unpack is not None:
            try:
                piece = unpack.decompress(piece, cap - size + 1)
            except zlib.error:
                raise ValueError("the answer is not gzip") from None
            if unpack.unused_data:
                raise ValueError("something follows the gzip stream of the answer")
        size += len(piece)
        if size > cap:
            raise _TooLong(f"the answer is longer than the {cap} bytes allowed (answer_bytes)")
        parts.append(piece)
        if time.monotonic() > deadline:
            raise TimeoutError
    if unpack is not None and not unpack.eof:
        raise ValueError("the answer ends before its gzip stream does")
    return b"".join(parts)
