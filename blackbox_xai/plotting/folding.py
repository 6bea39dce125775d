"""Which features are shown one by one, and what becomes of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from blackbox_xai._format import rest_label
from blackbox_xai.errors import InputError
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray

__all__ = ["Bars", "dense_sample", "fold", "is_additive", "order_by_size", "without_dust"]

_DUST = 1e-12  # of the largest number beside it


@dataclass(frozen=True, eq=False)
class Bars:
    """Bars in the order they are drawn, the largest first, what is summed last.

    Parameters
    ----------
    index : ndarray of shape (b,)
        Feature of each bar; -1 for the sum of the rest.
    names : tuple of str
        Names of the ``b`` bars.
    values, std_err : ndarray of shape (b,)
        Heights and standard errors, in units of the output; ``std_err`` is None when not known.
    starts : ndarray of shape (b,)
        Where each bar begins: the running sum when the attributions add up, else 0.
    """

    index: IntArray
    names: tuple[str, ...]
    values: FloatArray
    std_err: FloatArray | None
    starts: FloatArray


def order_by_size(values: FloatArray) -> IntArray:
    """Return features ``(d,)`` from the largest absolute value down, NaN last, ties in order.

    Examples
    --------
    >>> order_by_size(np.array([1.0, np.nan, -3.0]))
    array([2, 0, 1])
    """
    size = np.where(np.isnan(values), -1.0, np.abs(values))
    return np.argsort(-size, kind="stable")


def is_additive(values: FloatArray, base: float, score: float) -> bool:
    """Tell whether ``base`` plus all ``values`` gives ``score``, up to rounding.

    Examples
    --------
    >>> is_additive(np.array([0.25, 0.5]), 0.0, 0.75), is_additive(np.array([0.5]), 0.0, 0.75)
    (True, False)
    """
    size = max(abs(base), abs(score), float(np.nansum(np.abs(values))))
    gap = abs(base + float(np.nansum(values)) - score)
    return not bool(np.isnan(values).any()) and gap <= 1e-6 * size


def without_dust(values: FloatArray, *beside: float) -> FloatArray:
    """Return numbers with 0 in the place of what only rounding made of it.

    Parameters
    ----------
    values : ndarray
    beside : float
        Further numbers that they were reckoned with.

    Examples
    --------
    >>> without_dust(np.array([3.0, -2e-17, 0.25])) + 0.0
    array([3.  , 0.  , 0.25])
    """
    sizes = np.abs(np.append(values, beside))
    largest = float(np.max(sizes, initial=0.0, where=np.isfinite(sizes)))
    return np.where(np.abs(values) <= _DUST * largest, 0.0, values)


def fold(
    values: FloatArray,
    names: Sequence[str],
    std_err: FloatArray | None = None,
    *,
    max_display: int = 10,
    base: float | None = None,
) -> Bars:
    """Keep the largest attributions and sum the rest into one bar.

    Parameters
    ----------
    values, std_err : ndarray of shape (d,)
        Attributions of one output and their standard errors.
    names : sequence of str
        Names of the ``d`` features.
    max_display : int
        Features shown one by one, at least 1; a single feature is never hidden behind a sum.
    base : float, optional
        Where the first bar begins, when bars continue one another. None: all begin at 0.

    Returns
    -------
    Bars
        The standard error of the sum takes the errors as independent.

    Raises
    ------
    InputError
        When the shapes do not match or ``max_display`` is below 1.

    Examples
    --------
    >>> bars = fold(np.array([1.0, -4.0, 0.5, 0.25]), "abcd", max_display=2, base=10.0)
    >>> bars.names, bars.values.tolist(), bars.starts.tolist()
    (('b', 'a', '2 other features'), [-4.0, 1.0, 0.75], [10.0, 6.0, 7.0])
    """
    if values.ndim != 1 or len(names) != len(values):
        raise InputError(
            f"values must have shape ({len(names)},), one for each of the names, "
            f"got {values.shape}."
        )
    if max_display < 1:
        raise InputError(f"max_display must be at least 1, got {max_display}.")
    order = order_by_size(values)
    shown = order if len(order) <= max_display + 1 else order[:max_display]
    rest = order[len(shown) :]
    heights, errors = values[shown], None if std_err is None else std_err[shown]
    labels, index = [names[int(i)] for i in shown], shown
    if len(rest):
        heights = np.append(heights, np.nansum(values[rest]))
        labels, index = [*labels, rest_label(len(rest))], np.append(shown, -1)
        if std_err is not None and errors is not None:
            errors = np.append(errors, np.sqrt(np.nansum(std_err[rest] ** 2)))
    heights = without_dust(heights, 0.0 if base is None else base)
    steps = np.nan_to_num(heights)
    starts = np.zeros(len(heights)) if base is None else base + np.cumsum(steps) - steps
    return Bars(index, tuple(labels), heights, errors, starts)


def dense_sample(kept: BoolArray, limit: int) -> IntArray:
    """Return at most ``limit`` positions of ``kept``, evenly spread over those that are True.

    Examples
    --------
    >>> dense_sample(np.ones(10, dtype=bool), 3)
    array([0, 4, 9])
    """
    where = np.flatnonzero(kept)
    if len(where) <= limit:
        return where
    return where[np.linspace(0, len(where) - 1, limit).astype(np.intp)]
