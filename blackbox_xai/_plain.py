"""Anything as plain data that JSON can hold, the same on every run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

__all__ = ["plain"]

_LONG = 1000


def plain(value: Any) -> Any:
    """Return ``value`` as None, bool, int, float, str, list or dict of these.

    Numbers that are not finite become None, arrays lists (long ones a description), functions
    and other objects their name: never an address in memory, which changes from run to run.

    Examples
    --------
    >>> import math
    >>> plain({"width": np.float64(0.5), "link": math.log, "worst": float("nan")})
    {'width': 0.5, 'link': 'math.log', 'worst': None}
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, np.ndarray):
        if value.size > _LONG:
            return f"array of shape {value.shape}, {value.dtype}"
        return plain(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if is_dataclass(value) and not isinstance(value, type):
        settings = {f.name: plain(getattr(value, f.name)) for f in fields(value)}
        return {"type": type(value).__name__, **settings}
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    if name is None:
        return type(value).__qualname__
    module = getattr(value, "__module__", None)
    return f"{module}.{name}" if module and module != "builtins" else str(name)
