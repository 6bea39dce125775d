"""Addresses: what goes on the wire, and what may be shown of it."""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlsplit

from blackbox_xai.adapters.http.secrets import Secret
from blackbox_xai.errors import InputError

__all__ = ["Endpoint", "parse_url"]


@dataclass(frozen=True)
class Endpoint:
    """A parsed URL. ``query`` and ``basic`` are secrets; ``shown`` is safe in any message."""

    scheme: str
    host: str
    port: int
    path: str
    query: Secret | None = None
    basic: Secret | None = None

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def shown(self) -> str:
        """The address without user, password and query."""
        return self.origin + self.path

    @property
    def target(self) -> str:
        """Path and query, as sent."""
        return self.path if self.query is None else f"{self.path}?{self.query.reveal()}"

    @property
    def loopback(self) -> bool:
        """Whether the host is this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost" or self.host.endswith(".localhost")

    def at(self, path: str) -> Endpoint:
        """Return the same server at another path."""
        return replace(self, path=path)


def parse_url(url: str) -> Endpoint:
    """Return the parts of ``url``; no message shows its user-info or query.

    Raises
    ------
    InputError
        When ``url`` is not an absolute http or https address.
    """
    if not isinstance(url, str):
        raise InputError(f"url must be a text, got {type(url).__name__}.")
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError:
        raise InputError("url cannot be parsed; expected http://host[:port]/path.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError("url must start with http:// or https:// and name a host.")
    basic = None
    if parts.username is not None or parts.password is not None:
        user = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        basic = Secret("Basic " + base64.b64encode(user.encode()).decode())
    return Endpoint(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port or (443 if parts.scheme == "https" else 80),
        path=parts.path or "/",
        query=Secret(parts.query) if parts.query else None,
        basic=basic,
    )
