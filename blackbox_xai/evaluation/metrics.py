"""Measures of faithfulness: arithmetic on scores of coalitions, nothing else."""

from __future__ import annotations

import numpy as np

from blackbox_xai.protocols import BoolArray, FloatArray, IntArray

__all__ = [
    "area",
    "cut_sizes",
    "infidelity",
    "keep_least",
    "keep_most",
    "pearson",
    "ranks",
    "shares",
]

_SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)


def ranks(values: FloatArray, ties: FloatArray) -> IntArray:
    """Return the rank of each feature, 0 for the largest value; equal ones by ``ties``.

    Random ``ties``, the same for all methods compared, favour no feature and no method.

    Examples
    --------
    >>> ranks(np.array([0.1, 3.0, 0.1]), ties=np.array([0.7, 0.2, 0.5]))
    array([2, 0, 1])
    """
    order = np.lexsort((ties, -values))
    place = np.empty(len(values), dtype=np.intp)
    place[order] = np.arange(len(values))
    return place


def cut_sizes(d: int, n_steps: int) -> IntArray:
    """Return how many of ``d`` features are hidden at each step, from 0 to ``d``, each once."""
    return np.unique(np.rint(np.linspace(0, d, min(n_steps, d) + 1)).astype(np.intp))


def shares(d: int) -> IntArray:
    """Return the numbers of features that are 1, 5, 10, 20 and 50 % of ``d``, each once.

    Examples
    --------
    >>> shares(30)
    array([ 1,  2,  3,  6, 15])
    """
    return np.unique(np.maximum(np.ceil(np.array(_SHARES) * d - 1e-9), 1).astype(np.intp))


def keep_least(rank: IntArray, sizes: IntArray) -> BoolArray:
    """Return coalitions without the ``sizes`` most important features, shape ``(s, d)``."""
    kept: BoolArray = rank >= sizes[:, None]
    return kept


def keep_most(rank: IntArray, sizes: IntArray) -> BoolArray:
    """Return coalitions of the ``sizes`` most important features alone, shape ``(s, d)``."""
    kept: BoolArray = rank < sizes[:, None]
    return kept


def area(x: FloatArray, y: FloatArray) -> FloatArray:
    """Return the area under each curve ``y`` of shape ``(..., s)`` over ``x``, by trapezoids.

    Examples
    --------
    >>> float(area(np.array([0.0, 0.5, 1.0]), np.array([1.0, 0.5, 0.0])))
    0.5
    """
    total: FloatArray = ((y[..., 1:] + y[..., :-1]) / 2 * np.diff(x)).sum(axis=-1)
    return total


def pearson(a: FloatArray, b: FloatArray) -> float:
    """Return the correlation of two samples; NaN when one of them is constant.

    Examples
    --------
    >>> round(pearson(np.array([0.0, 1.0, 2.0]), np.array([5.0, 7.0, 9.0])), 6)
    1.0
    >>> pearson(np.ones(3), np.arange(3.0))
    nan
    """
    if any(np.ptp(sample) <= 1e-12 * np.abs(sample).max(initial=0) for sample in (a, b)):
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def infidelity(claimed: FloatArray, drops: FloatArray) -> float:
    """Return how much of the change of the score the attributions leave unexplained.

    ``min over beta >= 0 of mean (beta * claimed - drops)**2 / mean drops**2``: 0 for attributions
    that add up to every drop (whatever their unit), 1 for attributions that say nothing.

    Parameters
    ----------
    claimed : ndarray of shape (n,)
        Sum of the attributions of the features hidden.
    drops : ndarray of shape (n,)
        Score of the input minus its score with these features hidden.

    Returns
    -------
    float
        Between 0 and 1; NaN when the score never changes.

    Notes
    -----
    The paper's loss has no scale factor, which compares units rather than explanations. The factor
    is kept from being negative, so that reversed attributions do not tie with right ones.

    References
    ----------
    Yeh, Hsieh, Suggala, Inouye, Ravikumar (2019), On the (In)fidelity and Sensitivity of
    Explanations, definition 2.1.

    Examples
    --------
    >>> drops = np.array([1.0, 2.0, -1.0])
    >>> infidelity(3 * drops, drops), infidelity(-drops, drops)
    (0.0, 1.0)
    """
    total = float(drops @ drops)
    if total == 0:
        return float("nan")
    power = float(claimed @ claimed)
    beta = max(float(claimed @ drops) / power, 0.0) if power > 0 else 0.0
    rest = drops - beta * claimed
    return float(rest @ rest) / total
