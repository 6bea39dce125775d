"""Secrets that cannot be printed, and how requests are authorised."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from blackbox_xai.adapters.http.faults import Reply
from blackbox_xai.errors import InputError

__all__ = ["Auth", "Secret", "authorise", "holds", "redact"]

_ENVIRONMENT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHORTEST_SECRET = 4

Sign = Callable[[str, str, Mapping[str, str], bytes], Mapping[str, str]]


class Secret:
    """A token that shows as ``***`` and leaves its value behind when it is pickled.

    Parameters
    ----------
    value : str, optional
        The token itself. It does not survive pickling.
    env : str, optional
        Name of the environment variable that holds the token; it is read when a request is
        sent, so a pickled secret works wherever the variable is set.

    Examples
    --------
    >>> Secret("s3cr3t")
    Secret(***)
    >>> f"{Secret('s3cr3t')}"
    '***'
    """

    __slots__ = ("_value", "env")

    def __init__(self, value: str | None = None, *, env: str | None = None) -> None:
        if value is not None and env is not None:
            raise InputError("Secret takes a value or env, not both.")
        if env is not None and not _ENVIRONMENT_NAME.fullmatch(env):
            raise InputError("env must be the name of an environment variable.")
        self._value = value
        self.env = env

    def reveal(self) -> str:
        """Return the token.

        Raises
        ------
        InputError
            When the variable is not set, or the value was left behind by pickling.
        """
        if self.env is not None:
            value = os.environ.get(self.env)
            if not value:
                raise InputError(f"The environment variable {self.env} is not set. Set it first.")
            return value
        if self._value is None:
            raise InputError(
                "A secret given as a value does not travel with a pickled model. "
                "Use Secret(env=NAME), and set the variable where the model is used."
            )
        return self._value

    def peek(self) -> str | None:
        """Return the token if it is at hand, else None."""
        return os.environ.get(self.env) if self.env is not None else self._value

    def __repr__(self) -> str:
        return f"Secret(env={self.env!r})" if self.env else "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restored, (self.env,))


def _restored(env: str | None) -> Secret:
    return Secret(env=env)


Auth = Sign | Secret | str | None


def authorise(auth: Any) -> Sign | Secret | None:
    """Return ``auth`` checked; a text names an environment variable.

    Raises
    ------
    InputError
        When a text cannot be the name of a variable. The text is not shown: it may be a token.
    """
    if auth is None or isinstance(auth, Secret):
        return auth
    if callable(auth):
        sign: Sign = auth  # pyright: ignore[reportAssignmentType]  # its answer is checked
        return sign
    if isinstance(auth, str) and _ENVIRONMENT_NAME.fullmatch(auth) and auth in os.environ:
        return Secret(env=auth)
    raise InputError(
        "auth must be the name of an environment variable that is set, a Secret, or a callable "
        "(method, url, headers, body) -> headers; got "
        + (f"a text of {len(auth)} characters." if isinstance(auth, str) else f"{type(auth)}.")
    )


def holds(reply: Reply, secrets: Iterable[str | None]) -> bool:
    """Tell whether an answer repeats a secret."""
    headers = "\n".join(reply.headers.values())
    return any(
        secret.encode() in reply.body or secret in headers
        for secret in secrets
        if secret and len(secret) >= _SHORTEST_SECRET
    )


def redact(text: str, secrets: Iterable[str | None]) -> str:
    """Return ``text`` with every secret replaced by ``***``."""
    for secret in sorted({s for s in secrets if s}, key=len, reverse=True):
        if len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    return text
