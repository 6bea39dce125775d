r"""An audit as one page of HTML. The only place where text becomes markup without escaping.

Three things are marked safe here, each made by this module: the style sheet and the script, which
are files of this package, and the data block, whose ``<``, ``>``, ``&``, U+2028 and U+2029 are
written as ``\uXXXX``. Everything else goes through Jinja's autoescape.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from blackbox_xai._format import clean_text, cut_text, number, percent
from blackbox_xai.errors import InputError
from blackbox_xai.report.page import page_parts

__all__ = ["MAX_BYTES", "cleaned", "data_block", "policy", "render"]

MAX_BYTES = 5 << 20
_TEMPLATES = Path(__file__).parent / "templates"
_SECTIONS = (
    "truth",
    "unusual",
    "rows",
    "drivers",
    "map",
    "surrogate",
    "trust",
    "gates",
    "agreement",
)
_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def render(document: dict[str, Any]) -> str:
    """Return the page of an audit's document; the same document gives the same text.

    Raises
    ------
    InputError
        When the page would be larger than 5 MiB; the message names what to lower.

    Examples
    --------
    >>> import blackbox_xai as bx
    >>> demo = bx.load_demo()
    >>> audit = bx.audit(demo.model_path, demo.x, background=demo.background, sections=["answers"])
    >>> render(audit.document).startswith("<!doctype html>")
    True
    """
    clean = {**dict.fromkeys(_SECTIONS), **cleaned(document)}
    parts = page_parts(clean)
    style, script = _asset("style.css"), _asset("report.js")
    page = (
        _environment()
        .get_template("report.html")
        .render(
            doc=clean,
            policy=policy(script),
            style=Markup(style),  # a file of this package
            script=Markup(script),  # a file of this package
            data=data_block(parts.pop("data")),
            **parts,
        )
    )
    size = len(page.encode("utf-8"))
    if size > MAX_BYTES:
        raise InputError(
            f"The page would have {size / 2**20:.1f} MiB; at most 5 are written. Lower n_explain, "
            "or audit fewer rows."
        )
    return page


def policy(script: str) -> str:
    """Return a content security policy that lets this one script run and nothing be loaded.

    Examples
    --------
    >>> policy("")[:19]
    "default-src 'none';"
    """
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode("ascii")
    return (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def data_block(data: Any) -> Markup:
    r"""Return ``data`` as JSON that nothing inside can end early.

    Examples
    --------
    >>> print(data_block({"name": "</script>"}))
    {"name":"\u003c/script\u003e"}
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(_ESCAPES))  # escaped on this very line


def cleaned(value: Any) -> Any:
    r"""Return ``value`` with every text in it free of characters that act instead of being seen.

    Examples
    --------
    >>> cleaned({"a": ["x\x00", 1.5]})
    {'a': ['x�', 1.5]}
    """
    if isinstance(value, str):
        return clean_text(value, lines=True)
    if isinstance(value, list):
        return [cleaned(item) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): cleaned(item) for key, item in value.items()}
    return value


@lru_cache(maxsize=4)
def _asset(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        name=_named, number=_number, value=_valued, count=lambda n: f"{int(n):,}", percent=_percent
    )
    return environment


def _named(text: Any, limit: int = 300) -> str:
    return "" if text is None else cut_text(str(text), limit)


def _number(value: Any) -> str:
    return number(None if value is None else float(value))


def _percent(share: float | None) -> str:
    return number(None) if share is None else percent(share)


def _valued(record: dict[str, Any]) -> str:
    """Write a value with its interval, where there is one."""
    value, low, high = record["value"], record["low"], record["high"]
    if low is None or high is None:
        return number(value)
    error = (high - low) / 4
    return f"{number(value, error)} ({number(low, error)} to {number(high, error)})"
