"""Progress on stderr: a line that changes on a terminal, few plain lines elsewhere, or JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable

__all__ = ["Reporter", "reporter"]

_EVERY = 30.0
_STAGES = {
    "answers": "scoring the rows",
    "truth": "comparing with labels",
    "unusual": "looking for unusual rows",
    "rows": "explaining rows",
    "drivers": "averaging effects",
    "map": "drawing the map",
    "surrogate": "learning rules",
    "trust": "testing the explanations",
    "gates": "checking the explainer",
    "agreement": "asking other explainers",
}
Reporter = Callable[[str, int, int], None]


def reporter(mode: str, *, quiet: bool = False) -> Reporter:
    """Return what receives ``(stage, done, total)``.

    Parameters
    ----------
    mode : {"auto", "never", "json"}
        "auto" suits the terminal, or the lack of one.
    quiet : bool
        Show nothing.
    """
    if quiet or mode == "never":
        return lambda _stage, _done, _total: None
    if mode == "json":
        return _json
    if sys.stderr.isatty() and not os.environ.get("CI"):
        return _Line()
    return _Plain()


def _json(stage: str, done: int, total: int) -> None:
    sys.stderr.write(json.dumps({"stage": stage, "done": done, "total": total}) + "\n")
    sys.stderr.flush()


class _Line:
    """One line that is written over."""

    def __init__(self) -> None:
        self.stage = ""
        self.began = time.monotonic()

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage != self.stage:
            self.stage, self.began = stage, now
        text = f"{_STAGES.get(stage, stage)} {done}/{total}"
        spent = now - self.began
        if 0 < done < total and spent > 1:
            text += f", about {spent / done * (total - done):.0f} s left"
        end = "\n" if done >= total else ""
        sys.stderr.write(f"\r{text:<60}{end}")
        sys.stderr.flush()


class _Plain:
    """A line when a stage begins, and at most one every 30 seconds."""

    def __init__(self) -> None:
        self.stage = ""
        self.last = 0.0

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if stage == self.stage and (now - self.last < _EVERY or done >= total):
            return
        text = _STAGES.get(stage, stage)
        sys.stderr.write(text + (f" {done}/{total}" if stage == self.stage else "") + "\n")
        sys.stderr.flush()
        self.stage, self.last = stage, now
