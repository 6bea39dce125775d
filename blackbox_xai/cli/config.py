"""A model behind a server, described in a TOML file."""

from __future__ import annotations

import difflib
import inspect
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from blackbox_xai._checks import shown
from blackbox_xai.errors import InputError

if TYPE_CHECKING:
    from blackbox_xai.adapters.http import HttpModel

__all__ = ["configured", "described_url"]

_VARIABLE = re.compile(r"\$\{([A-Za-z_]\w*)\}")
_IN_PYTHON_ONLY = ("to_body", "from_body")


def configured(path: str, overrides: Mapping[str, Any]) -> HttpModel:
    """Return the model that a file describes in the words of ``HttpModel``.

    The table ``model`` holds its settings; ``limits``, ``budget`` and ``headers`` are tables in
    it, and so is ``json``: a ``CustomJson``. ``${NAME}`` in ``auth``, ``proxy`` and headers is an
    environment variable. Settings of the command line that are not None go before.

    Raises
    ------
    click.UsageError
        When the file cannot be read, or has a key or a value that cannot be used.
    """
    from blackbox_xai.adapters.http import Budget, CustomJson, HttpModel, Limits

    given = _table(path)
    parts = {"limits": Limits, "budget": Budget, "json": CustomJson}
    known = [*inspect.signature(HttpModel).parameters, "json"]
    _check_keys(path, "model", given, known)
    for name, kind in parts.items():
        allowed = [f.name for f in fields(kind) if f.name not in _IN_PYTHON_ONLY]
        _check_keys(path, f"model.{name}", given.get(name, {}), allowed)
    if "json" in given and "protocol" in given:
        raise click.UsageError(f"{path}: [model.json] is a protocol; leave out protocol.")
    try:
        for name, kind in parts.items():
            if name in given:
                given[name] = kind(**given[name])
        given["headers"] = {
            name: _secret(path, value) for name, value in given.get("headers", {}).items()
        }
        for name in {"auth", "proxy"} & given.keys():
            given[name] = _secret(path, given[name])
        if "json" in given:
            given["protocol"] = given.pop("json")
        given |= {name: value for name, value in overrides.items() if value is not None}
        return HttpModel(**given)
    except (InputError, TypeError, AttributeError) as error:
        raise click.UsageError(f"{path}: {error}") from error


def described_url(path: str) -> str:
    """Return the address in such a file, as it stands there."""
    return str(_table(path).get("url", ""))


def _table(path: str) -> dict[str, Any]:
    """Return the table ``model`` of a TOML file."""
    try:
        document = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path} is not TOML: {error}.") from error
    _check_keys(path, "", document, ["model"])
    model = document.get("model")
    if not isinstance(model, dict) or not isinstance(model.get("url"), str):
        raise click.UsageError(f"{path} must have a table [model] with a url.")
    return model


def _check_keys(path: str, table: str, given: Any, known: Iterable[str]) -> None:
    """Refuse keys that nobody would read, and offer the one that was meant."""
    where = f"{path}: [{table}]" if table else path
    if not isinstance(given, dict):
        raise click.UsageError(f"{where} must be a table, got {shown(given)}.")
    names = list(known)
    for key in given:
        if key not in names:
            near = difflib.get_close_matches(key, names, 1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(names)}."
            raise click.UsageError(f"{where} has no key {shown(key)}. {hint}")


def _secret(path: str, value: Any) -> Any:
    """Return a text with environment variables put in as a secret; other texts as they are."""
    from blackbox_xai.adapters.http import Secret

    if not isinstance(value, str):
        raise click.UsageError(f"{path}: headers, auth and proxy must be texts.")
    names = _VARIABLE.findall(value)
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        raise click.UsageError(
            f"{path}: the environment variable {missing[0]} is not set. Set it first."
        )
    if not names:
        return value
    if value == f"${{{names[0]}}}":
        return Secret(env=names[0])
    return Secret(_VARIABLE.sub(lambda found: os.environ[found[1]], value))
