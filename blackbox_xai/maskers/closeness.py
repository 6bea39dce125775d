"""How close the values of a column are to each other, 1 for the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.maskers._cells import find_missing
from blackbox_xai.protocols import BoolArray, FloatArray

__all__ = ["by_equality", "by_rank"]

_APART = float(np.exp(-1))  # of values that have nothing in common


def by_rank(values: NDArray[Any], background: NDArray[Any]) -> FloatArray:
    """Return closeness ``(n, n)`` of numbers: ``exp`` of minus the share of rows between them.

    Examples
    --------
    >>> by_rank(np.array([0.0, 0.0, 9.0]), np.array([0.0, 9.0])).round(2)
    array([[1.  , 1.  , 0.61],
           [1.  , 1.  , 0.61],
           [0.61, 0.61, 1.  ]])
    """
    missing = find_missing(values)
    known = np.sort(background[~find_missing(background)])
    below, upto = (np.searchsorted(known, values, side=side) for side in ("left", "right"))
    rank = (below + upto) / (2 * max(len(known), 1))
    rank[missing] = 0.0
    close: FloatArray = np.exp(-np.abs(rank[:, None] - rank))
    return _with_missing(close, missing)


def by_equality(values: NDArray[Any]) -> FloatArray:
    """Return closeness ``(n, n)`` of categories: 1 where equal or both missing, else 1 / e.

    Examples
    --------
    >>> by_equality(np.array(["a", "b"])).round(2)
    array([[1.  , 0.37],
           [0.37, 1.  ]])
    """
    codes = np.unique([repr(value) for value in values.tolist()], return_inverse=True)[1]
    return np.where(codes[:, None] == codes, 1.0, _APART)


def _with_missing(close: FloatArray, missing: BoolArray) -> FloatArray:
    close[missing[:, None] != missing] = _APART
    return close
