"""Main effects of features that take a few levels, by regression on all levels at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from blackbox_xai.protocols import BoolArray, FloatArray, IntArray
from blackbox_xai.solvers.nets import net_factor
from blackbox_xai.solvers.ridge import in_units

__all__ = ["ContrastFit", "fit_contrasts"]

_RIDGE = 1.0


@dataclass(frozen=True, eq=False)
class ContrastFit:
    """Contrast of each feature between its own level and the others, with standard errors.

    Parameters
    ----------
    effects, std_err : ndarray of shape (d, k)
    mean : ndarray of shape (k,)
        Mean score under the law of the levels.
    """

    effects: FloatArray
    std_err: FloatArray
    mean: FloatArray


def fit_contrasts(
    levels: NDArray[np.int8],
    shares: FloatArray,
    own: BoolArray,
    scores: FloatArray,
    net: int | None = None,
) -> ContrastFit:
    """Contrast ``E[f | own level] - E[f | other levels]`` of each feature.

    When features are drawn independently, that is the limit of a regression on "own level or
    not". Regressing on every level instead takes the other features' main effects out of the
    noise; what is left are interactions.

    Parameters
    ----------
    levels : ndarray of shape (d, m)
        Level of each feature in each row.
    shares : ndarray of shape (d, b)
        Probability of each level under the law the rows were drawn from.
    own : ndarray of shape (d, b)
        Which levels count as the feature's own.
    scores : ndarray of shape (m, k)
    net : int, optional
        Rows of each of several independent nets of well-spread points, which stand together.
        None takes all rows as independent.

    Returns
    -------
    ContrastFit
        Contrasts of features that never leave, or never take, their own levels are 0.

    Examples
    --------
    >>> levels = np.array([[0, 0, 1, 1, 2, 2] * 50, [0, 1] * 150])
    >>> shares = np.array([[1 / 3, 1 / 3, 1 / 3], [0.5, 0.5, 0.0]])
    >>> own = np.array([[True, False, False], [False, True, False]])
    >>> scores = (levels[0] == 0) * 3.0 + levels[1]
    >>> fit_contrasts(levels, shares, own, scores[:, None]).effects.round().ravel()
    array([3., 1.])
    """
    design, feature, level = _dummies(levels, shares)
    contrast, chances = _contrasts(shares, own, feature, level), shares[feature, level]
    p, m = design.shape
    y_mean = scores.mean(axis=0)
    centred, size = in_units(scores)
    # Indicators in single precision: their products are counts, and exact.
    counts = (design @ design.T).astype(np.float64)
    mean = np.diag(counts) / m
    gram = counts - m * np.outer(mean, mean)
    cross = (design @ centred.astype(np.float32)).astype(np.float64)
    factor = cho_factor(gram + _RIDGE * np.eye(p))
    slopes = cho_solve(factor, cross)
    both = np.concatenate([slopes, cho_solve(factor, contrast.T)], axis=1)
    fitted = both.T.astype(np.float32) @ design - (mean @ both)[:, None].astype(np.float32)
    k = scores.shape[1]
    residuals = centred - fitted[:k].T
    spare = m / max(m - p - 1, 1)
    variance = np.square(fitted[k:]) @ np.square(residuals).astype(np.float32)
    variance = spare * variance.astype(np.float64)
    std_err = np.sqrt(variance)
    if net is not None:
        std_err *= net_factor(fitted[k:], residuals.T.astype(np.float32), variance, net)
    return ContrastFit(
        size * (contrast @ slopes), size * std_err, y_mean + size * ((chances - mean) @ slopes)
    )


def _dummies(
    levels: NDArray[np.int8], shares: FloatArray
) -> tuple[NDArray[np.float32], IntArray, IntArray]:
    """Return indicators ``(p, m)`` of all levels but each feature's first, and what they show."""
    possible = shares > 0
    possible[np.arange(len(shares)), np.argmax(possible, axis=1)] = False
    feature, level = np.nonzero(possible)
    design = (levels[feature] == level[:, None].astype(np.int8)).astype(np.float32)
    return design, feature, level


def _contrasts(
    shares: FloatArray, own: BoolArray, feature: IntArray, level: IntArray
) -> FloatArray:
    """Return weights ``(d, p)`` that turn level effects into contrasts."""
    inside = (shares * own).sum(axis=1)
    outside = (shares * ~own).sum(axis=1)
    defined = (inside > 0) & (outside > 0)
    weight = np.where(
        own,
        shares / np.where(defined, inside, 1)[:, None],
        -shares / np.where(defined, outside, 1)[:, None],
    )
    weight[~defined] = 0.0
    contrast = np.zeros((len(shares), len(feature)))
    contrast[feature, np.arange(len(feature))] = weight[feature, level]
    return contrast
