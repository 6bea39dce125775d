"""From settings to a client: find the protocol, check the columns, size the batches."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import parse_qsl

from blackbox_xai._checks import shown
from blackbox_xai.adapters.http.asker import Asker, Credentials
from blackbox_xai.adapters.http.client import Client
from blackbox_xai.adapters.http.codecs import PROTOCOLS
from blackbox_xai.adapters.http.codecs.base import Codec
from blackbox_xai.adapters.http.discover import Found, discover
from blackbox_xai.adapters.http.endpoint import Endpoint
from blackbox_xai.adapters.http.limits import Limits, Meter
from blackbox_xai.adapters.http.rows import Rows
from blackbox_xai.adapters.http.secrets import Secret, Sign
from blackbox_xai.adapters.http.transport import Transport
from blackbox_xai.adapters.http.validate import Checker
from blackbox_xai.errors import InputError

__all__ = ["BATCH_ROWS", "Door", "arranged", "as_secret", "check_protocol", "fit_batch"]

BATCH_ROWS = 64
_KEY_NAME = re.compile(r"key|token|secret|sig|auth|code|pass|credential", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Door:
    """How to get to a server: address, credentials, protocol, patience.

    Every field survives pickling but for the values of secrets.
    """

    endpoint: Endpoint
    protocol: str | Codec | None
    output: str | None
    auth: Sign | Secret | None
    headers: Mapping[str, Secret]
    limits: Limits
    verify: bool | str
    proxy: Secret | None

    def warn(self) -> None:
        """Warn of what others on the network could read or forge."""
        secret = self.auth is not None or self.headers or self.endpoint.basic or self.endpoint.query
        if secret and self.endpoint.scheme == "http" and not self.endpoint.loopback:
            warnings.warn(
                f"Credentials go to {self.endpoint.shown} over plain http; use https.",
                RuntimeWarning,
                stacklevel=4,
            )
        if self.verify is False:
            warnings.warn(
                f"verify=False: anybody on the way can pose as {self.endpoint.shown}. "
                "Give verify the path of its certificate instead.",
                RuntimeWarning,
                stacklevel=4,
            )

    def fingerprint(self, columns: Sequence[str] | None, *, logits: bool) -> str:
        """Return a text that tells this model from others, and holds no secret."""
        settings = self.protocol
        if isinstance(settings, Codec):
            pairs = ((f.name, getattr(settings, f.name)) for f in fields(settings))
            named = [(name, getattr(v, "__qualname__", v)) for name, v in pairs]
            settings = f"{type(settings).__name__}{named}"
        query = "" if self.endpoint.query is None else (self.endpoint.query.peek() or "")
        chosen = [(k, v) for k, v in parse_qsl(query) if not _KEY_NAME.search(k)]
        told = [self.endpoint.shown, chosen, settings, self.output, columns, logits]
        return f"http {told}"

    def open(self, checker: Checker, meter: Meter, batch_size: int | None) -> tuple[Client, Found]:
        """Return a client for this process, and what the server told."""
        transport = Transport(
            self.endpoint,
            connections=self.limits.max_parallel,
            verify=self.verify,
            proxy=None if self.proxy is None else self.proxy.reveal(),
        )
        credentials = Credentials(self.auth, self.headers, self.endpoint)
        asker = Asker(transport, credentials)
        found = discover(asker.get, self.endpoint.path, self.protocol)
        codec = found.codec if self.output is None else replace(found.codec, output=self.output)
        told = [size for size in (codec.rows_limit, found.max_rows) if size is not None]
        most = min([batch_size or BATCH_ROWS, *told])
        transport.endpoint = self.endpoint.at(found.path)
        return Client(asker, codec, checker, self.limits, meter, most), found


def check_protocol(protocol: Any) -> str | Codec | None:
    """Return ``protocol`` if it is a codec or the name of one."""
    if protocol is None or isinstance(protocol, Codec):
        return protocol
    if isinstance(protocol, str) and protocol in PROTOCOLS:
        return protocol
    raise InputError(
        f"protocol must be one of {', '.join(map(repr, PROTOCOLS))}, or a codec, "
        f"got {shown(protocol)}."
    )


def as_secret(name: str, value: Any) -> Secret:
    """Return the value of a header as a secret."""
    if isinstance(value, Secret):
        return value
    if isinstance(value, str) and value.isprintable():
        return Secret(value)
    raise InputError(f"headers[{name!r}] must be a text on one line or a Secret.")


def arranged(rows: Rows, codec: Codec, columns: Sequence[str] | None, width: int | None) -> Rows:
    """Return the rows in the order of the model's columns, cast to its types.

    Raises
    ------
    InputError
        When columns are missing or unknown, when their order cannot be known, or when the
        number of columns differs from an earlier call.
    """
    order = columns or codec.columns
    if order is not None and rows.width is not None:
        rows = rows.arranged(order)
    elif rows.names is not None and not codec.sends_names(rows):
        raise InputError(
            f"inputs have named columns, but {type(codec).__name__} sends them by position, and "
            "the model's order is not known. Pass columns=[...] in the model's order "
            f"(columns={shown(list(rows.names[:2]))[:-1]}, ...] if it is that of these inputs; "
            "on the command line: --by-position)."
        )
    if width is not None and rows.width not in (None, width):
        raise InputError(f"inputs must have {width} columns as before, got {rows.width}.")
    return codec.prepare(rows)


def fit_batch(client: Client, rows: Rows) -> None:
    """Lower the batch size so that a request stays near ``limits.body_bytes``."""
    if client.sized:
        return
    one = len(client.codec.encode(rows.cut(0, 1), "").body)
    fits = max(client.limits.body_bytes // max(one, 1), 1)
    client.size.most = min(client.size.most, fits)
    client.sized = True
