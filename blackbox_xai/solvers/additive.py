"""Main effects of features that take a few levels, by regression on all levels at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from blackbox_xai.protocols import BoolArray, FloatArray, IntArray

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
    covariates: FloatArray | None = None,
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
    covariates : ndarray of shape (q, m), optional
        What else may move the scores; each has mean 0 at every level of every feature.

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
    columns, feature, level = _dummies(levels, shares)
    contrast, chances = _contrasts(shares, own, feature, level), shares[feature, level]
    if covariates is not None:
        columns = np.concatenate([columns, covariates])
        contrast = np.pad(contrast, ((0, 0), (0, len(covariates))))
        chances = np.pad(chances, (0, len(covariates)))
    design = columns.T
    m, p = design.shape
    mean, y_mean = design.mean(axis=0), scores.mean(axis=0)
    gram = design.T @ design - m * np.outer(mean, mean)
    cross = design.T @ scores - m * np.outer(mean, y_mean)
    factor = cho_factor(gram + _RIDGE * np.eye(p))
    slopes = cho_solve(factor, cross)
    residuals = scores - y_mean - (design @ slopes - mean @ slopes)
    weights = cho_solve(factor, contrast.T)
    pulls = design @ weights - mean @ weights
    spare = m / max(m - p - 1, 1)
    std_err = np.sqrt(spare * (pulls**2).T @ residuals**2)
    return ContrastFit(contrast @ slopes, std_err, y_mean + (chances - mean) @ slopes)


def _dummies(levels: NDArray[np.int8], shares: FloatArray) -> tuple[FloatArray, IntArray, IntArray]:
    """Return indicators ``(p, m)`` of all levels but each feature's first, and what they show."""
    possible = shares > 0
    possible[np.arange(len(shares)), np.argmax(possible, axis=1)] = False
    feature, level = np.nonzero(possible)
    design = np.empty((len(feature), levels.shape[1]))
    np.equal(levels[feature], level[:, None], out=design, casting="unsafe")
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
