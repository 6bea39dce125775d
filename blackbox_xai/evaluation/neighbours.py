"""Inputs close to a given one."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from blackbox_xai._checks import check_positive
from blackbox_xai._inputs import is_frame, is_pandas
from blackbox_xai.errors import InputError

__all__ = ["Neighbour", "as_batch", "nearby"]

Neighbour = Callable[[Any, np.random.Generator], Any]


def nearby(reference: Any, radius: float = 0.1) -> Neighbour:
    """Return a function that moves numbers of an input by some of their standard deviations.

    Parameters
    ----------
    reference : array or frame
        Rows or images that the standard deviations are taken from. In frames, columns of floats
        are moved and all others stay.
    radius : float
        Standard deviation of the move, in standard deviations of each number.

    Raises
    ------
    InputError
        When the reference holds no floats.

    Examples
    --------
    >>> move = nearby(np.array([[0.0, 5.0], [2.0, 5.0]]))
    >>> bool(move(np.array([1.0, 5.0]), np.random.default_rng(0))[1] == 5)
    True
    """
    radius = check_positive("radius", radius)
    if not is_frame(reference):
        numbers = np.asarray(reference)
        if numbers.dtype.kind != "f":
            raise InputError(f"reference must hold floats, got {numbers.dtype}.")
        spread = np.nanstd(numbers, axis=0)
        return lambda x, rng: x + radius * spread * rng.standard_normal(spread.shape)
    names = [name for name in reference.columns if _is_float(reference[name])]
    if not names:
        raise InputError("reference must have columns of floats, got none.")
    spreads = {name: float(np.nanstd(reference[name].to_numpy())) for name in names}

    def move(x: Any, rng: np.random.Generator) -> Any:
        steps = {name: radius * spreads[name] * rng.standard_normal() for name in names}
        if is_pandas(x):
            return x.assign(**{name: x[name] + step for name, step in steps.items()})
        return x.with_columns(**{name: x[name] + step for name, step in steps.items()})

    return move


def _is_float(column: Any) -> bool:
    return bool(column.to_numpy().dtype.kind == "f")


def as_batch(xs: list[Any]) -> Any:
    """Return neighbours as the explainer takes them: frames of one row put together."""
    if not is_frame(xs[0]):
        return np.stack(xs) if isinstance(xs[0], np.ndarray) else xs
    return importlib.import_module("pandas" if is_pandas(xs[0]) else "polars").concat(xs)
