"""Requests with credentials, before any protocol is known."""

from __future__ import annotations

from collections.abc import Mapping

from blackbox_xai.adapters.http.endpoint import Endpoint
from blackbox_xai.adapters.http.faults import Fault, Reply
from blackbox_xai.adapters.http.secrets import Secret, Sign
from blackbox_xai.adapters.http.strict import to_json
from blackbox_xai.adapters.http.transport import Transport

__all__ = ["Asker", "Credentials"]

_ASK_SECONDS = 5.0
_ASK_BYTES = 4 << 20


class Credentials:
    """Headers that authorise requests, and everything that must not be shown.

    Parameters
    ----------
    auth : callable or Secret, optional
        A secret becomes ``Authorization: Bearer``, unless it names its own scheme.
    headers : mapping
        Further headers; their values may be secrets.
    endpoint : Endpoint
        Its user-info becomes ``Authorization: Basic``.
    """

    def __init__(
        self, auth: Sign | Secret | None, headers: Mapping[str, Secret], endpoint: Endpoint
    ) -> None:
        self._auth = auth
        self._headers = headers
        self._endpoint = endpoint
        self._told: set[str] = set()

    @property
    def renewable(self) -> bool:
        """Whether asking again may give other credentials."""
        return self._auth is not None and not isinstance(self._auth, Secret)

    def headers(
        self, method: str, url: str, sent: Mapping[str, str], body: bytes
    ) -> dict[str, str]:
        """Return all headers of a request."""
        out = dict(sent)
        if self._endpoint.basic is not None:
            out["Authorization"] = self._endpoint.basic.reveal()
        for name, secret in self._headers.items():
            out[name] = secret.reveal()
        if isinstance(self._auth, Secret):
            token = self._auth.reveal()
            out["Authorization"] = token if " " in token else f"Bearer {token}"
        elif self._auth is not None:
            signed = dict(self._auth(method, url, dict(out), body))
            self._told.update(signed.values())
            out.update(signed)
        return out

    def secrets(self) -> tuple[str | None, ...]:
        """Return what must not be shown."""
        held = [self._endpoint.query, self._endpoint.basic, *self._headers.values()]
        if isinstance(self._auth, Secret):
            held.append(self._auth)
        known = [secret.peek() for secret in held if secret is not None]
        words = [word for text in (*known, *self._told) if text for word in text.split()]
        query = self._endpoint.query
        values = (
            [part.split("=", 1)[-1] for part in (query.peek() or "").split("&")] if query else []
        )
        return (*known, *self._told, *words, *values)


class Asker:
    """Sends requests to any path of one server."""

    def __init__(self, transport: Transport, credentials: Credentials) -> None:
        self.transport = transport
        self.credentials = credentials

    def secrets(self) -> tuple[str | None, ...]:
        """Return what must not be shown."""
        return self.credentials.secrets()

    def send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str],
        seconds: float,
        cap: int,
    ) -> Reply:
        """Send one request with credentials."""
        endpoint = self.transport.endpoint.at(path)
        url = endpoint.origin + endpoint.target
        return self.transport.exchange(
            method,
            endpoint.target,
            body=body,
            headers=self.credentials.headers(method, url, headers, body or b""),
            seconds=seconds,
            cap=cap,
            secrets=self.secrets,
        )

    def get(self, path: str, body: object = None) -> Reply | None:
        """Return what a small question is answered (with a body: POST), None if it is not.

        Credentials that can be renewed are renewed once after a 401.

        Raises
        ------
        Fault
            When the server cannot be reached at all.
        """
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if body is not None:
            headers["Content-Type"] = "application/json"

        def ask() -> Reply:
            return self.send(
                "GET" if body is None else "POST",
                path,
                body=None if body is None else to_json(body),
                headers=headers,
                seconds=_ASK_SECONDS,
                cap=_ASK_BYTES,
            )

        try:
            reply = ask()
            return ask() if reply.status == 401 and self.credentials.renewable else reply
        except Fault as fault:
            if not fault.sent:
                raise
            return None
