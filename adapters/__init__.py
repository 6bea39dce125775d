"""Adapters: any predict function behind one contract."""

from __future__ import annotations

from typing import Any

from blackbox_xai.adapters.base import Adapter
from blackbox_xai.adapters.function import CallableModel

__all__ = ["CallableModel", "as_model"]


def as_model(obj: Any) -> Adapter:
    if isinstance(obj, Adapter):
        return obj
    return CallableModel(obj)
