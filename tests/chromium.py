"""Headless Chromium for tests of pages: what the page says after its script, and after ours."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

_PATH = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--hide-scrollbars",
]

needs_chromium = pytest.mark.skipif(
    _PATH is None, reason="Chromium is not installed: pages are not opened"
)


def run(page: Path, profile: Path, *flags: str) -> tuple[str, list[str]]:
    """Open a page; returns what stdout says and the lines of the page's console."""
    done = subprocess.run(
        [_PATH, *_FLAGS, f"--user-data-dir={profile}", *flags, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    console = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, console


def with_driver(html: str, driver: str) -> str:
    """Add a script that runs last and may do what a user does; the policy names it."""
    body = (
        "const out = {};\ntry {\n" + driver + "\n} catch (e) { out.error = String(e); }\n"
        "const p = document.createElement('pre'); p.id = 'driver';"
        "p.textContent = JSON.stringify(out); document.body.appendChild(p);"
    )
    digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
    assert html.count("script-src ") == 1
    html = html.replace("script-src ", f"script-src &#39;sha256-{digest}&#39; ")
    return html.replace("</body>", f"<script>{body}</script></body>")


def drive(html: str, driver: str, folder: Path, *flags: str) -> dict:
    """Open a page, run ``driver`` in it and return what it put into ``out``."""
    page = folder / "a page with spaces.html"
    page.write_text(with_driver(html, driver), encoding="utf-8")
    dom, console = run(page, folder / "profile", "--dump-dom", *flags)
    assert not console, console
    found = re.search(r'<pre id="driver">(.*?)</pre>', dom, re.DOTALL)
    assert found, dom[-2000:]
    text = found[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    out = json.loads(text)
    assert "error" not in out, out["error"]
    return out
