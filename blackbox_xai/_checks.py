"""Checks at the public door: each says which argument, what was expected, what came."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import Any

import numpy as np

from blackbox_xai.errors import InputError

__all__ = [
    "check_choice",
    "check_fraction",
    "check_int",
    "check_positive",
    "shown",
    "unfitted",
]


def shown(value: Any, limit: int = 80) -> str:
    """Return ``repr(value)`` on one line and cut to ``limit`` characters, safe for a terminal."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in repr(value))
    return text if len(text) <= limit else text[: limit - 1] + "\N{HORIZONTAL ELLIPSIS}"


def check_int(name: str, value: Any, *, minimum: int, hint: str = "") -> int:
    """Return ``value`` as int, or say that ``name`` must be an integer of at least ``minimum``."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | np.integer):
        raise InputError(f"{name} must be an integer, got {shown(value)}.")
    if value < minimum:
        raise InputError(f"{name} must be at least {minimum}, got {value}.{' ' * bool(hint)}{hint}")
    return int(value)


def check_positive(name: str, value: Any) -> float:
    """Return ``value`` as a float above zero, or say that ``name`` must be one."""
    number = _number(name, value)
    if not number > 0:
        raise InputError(f"{name} must be a number above 0, got {shown(value)}.")
    return number


def check_fraction(name: str, value: Any) -> float:
    """Return ``value`` as a float strictly between 0 and 1, or say that ``name`` must be one."""
    number = _number(name, value)
    if not 0 < number < 1:
        raise InputError(f"{name} must lie between 0 and 1, got {shown(value)}.")
    return number


def check_choice(name: str, value: Any, choices: Collection[str]) -> str:
    """Return ``value`` if it is one of ``choices``, or list them."""
    if not isinstance(value, str) or value not in choices:
        known = ", ".join(repr(choice) for choice in choices)
        raise InputError(f"{name} must be one of {known}, got {shown(value)}.")
    return value


def unfitted(estimator: Any) -> bool:
    """Return whether this is a scikit-learn estimator that still waits for ``fit``."""
    if "sklearn" not in sys.modules or not hasattr(estimator, "get_params"):
        return False
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(estimator)
    except NotFittedError:
        return True
    except TypeError:  # not scikit-learn's own: nothing to go by
        return False
    return False


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise InputError(f"{name} must be a number, got {shown(value)}.")
    number = float(value)
    if not np.isfinite(number):
        raise InputError(f"{name} must be finite, got {number}.")
    return number
