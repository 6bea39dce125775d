"""Explain models that nobody can open."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from blackbox_xai.adapters import as_model as as_model
    from blackbox_xai.maskers.tabular import TabularMasker as TabularMasker

_HOME = {
    "as_model": "blackbox_xai.adapters",
    "TabularMasker": "blackbox_xai.maskers.tabular",
}

__version__ = "0.1.0"
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used."""
    if name not in _HOME:
        raise AttributeError(f"module 'blackbox_xai' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
