"""The command line ``blackbox-xai``. Heavy packages are imported by the command that needs them."""

from __future__ import annotations

from blackbox_xai.cli.app import main

__all__ = ["main"]
