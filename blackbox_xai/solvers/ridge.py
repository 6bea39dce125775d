"""Linear surrogates: weighted ridge, its errors, and how well it fits what it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from blackbox_xai.protocols import FloatArray, IntArray
from blackbox_xai.solvers.nets import net_factor

__all__ = ["RidgeFit", "fit_ridge", "held_out_r2", "linear_r2"]

_FOLDS = 5


@dataclass(frozen=True, eq=False)
class RidgeFit:
    """A linear surrogate of ``k`` outputs and what is known about it.

    Parameters
    ----------
    coef : ndarray of shape (d, k)
    intercept : ndarray of shape (k,)
    std_err : ndarray of shape (d, k)
        Standard errors that hold whatever the residuals look like and when rows of one group
        depend on each other. How far the penalty pulls is part of them: with ever more rows it
        would not.
    r2, held_out_r2 : ndarray of shape (k,)
        Share of the weighted variance explained on the rows fitted, and on rows left out of the
        fit, a fifth at a time; NaN for an output that does not vary.
    """

    coef: FloatArray
    intercept: FloatArray
    std_err: FloatArray
    r2: FloatArray
    held_out_r2: FloatArray


def fit_ridge(
    z: FloatArray,
    scores: FloatArray,
    *,
    alpha: float,
    weights: FloatArray | None = None,
    groups: IntArray | None = None,
    net: int | None = None,
) -> RidgeFit:
    """Fit ``scores ~ intercept + z @ coef`` by weighted ridge regression.

    Parameters
    ----------
    z : ndarray of shape (m, d)
        Interpretable features.
    scores : ndarray of shape (m, k)
        What the model answered.
    alpha : float
        Penalty on the squared coefficients; the intercept is free.
    weights : ndarray of shape (m,), optional
        Weight of each row; None weighs all alike.
    groups : ndarray of shape (m,), optional
        Rows of one group, which stand together, depend on each other; None takes all rows as
        independent.
    net : int, optional
        Rows of each of several independent nets of well-spread points, which stand together.

    Returns
    -------
    RidgeFit

    References
    ----------
    Liang and Zeger (1986), "Longitudinal data analysis using generalized linear models",
    equation 7 (the sandwich estimator over groups).

    Examples
    --------
    >>> z = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> fit_ridge(z, z @ np.array([[2.0], [-1.0]]), alpha=1e-9).coef.round(6)
    array([[ 2.],
           [-1.]])
    """
    m = len(z)
    w = np.ones(m) if weights is None else weights
    groups = np.arange(m) if groups is None else groups
    total = w.sum()
    z_mean, y_mean = w @ z / total, w @ scores / total
    zc, yc = z - z_mean, scores - y_mean
    gram, moment = (zc * w[:, None]).T @ zc, zc.T @ (yc * w[:, None])
    factor = cho_factor(_penalised(gram, alpha))
    coef = cho_solve(factor, moment)
    residuals = yc - zc @ coef
    pull = alpha * cho_solve(factor, coef)
    drawn = _sandwich(zc, residuals * w[:, None], groups, factor)
    if net is not None:
        pulls = cho_solve(factor, (zc * w[:, None]).T)
        drawn = drawn * net_factor(pulls, residuals.T, drawn**2, net)
    return RidgeFit(
        coef=coef,
        intercept=y_mean - z_mean @ coef,
        std_err=np.hypot(drawn, pull),
        r2=_r2(residuals, yc, w),
        held_out_r2=_held_out_r2(zc, yc, w, _fold_cuts(groups), alpha),
    )


def _penalised(gram: FloatArray, alpha: float) -> FloatArray:
    """Return ``gram + alpha`` on the diagonal, with a floor that keeps it invertible."""
    d = len(gram)
    floor = 1e-10 * max(float(np.trace(gram)) / max(d, 1), 1e-300)
    return gram + max(alpha, floor) * np.eye(d)


def _sandwich(
    zc: FloatArray,
    weighted_residuals: FloatArray,
    groups: IntArray,
    factor: tuple[FloatArray, bool],
) -> FloatArray:
    """Return the standard errors ``(d, k)`` of the coefficients."""
    m, d = zc.shape
    bread = cho_solve(factor, np.eye(d))
    n_groups = len(np.unique(groups))
    std_err = np.empty((d, weighted_residuals.shape[1]))
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(groups[order]) > 0])
    correction = n_groups / max(n_groups - 1, 1) * max(m - 1, 1) / max(m - d - 1, 1)
    for j in range(weighted_residuals.shape[1]):
        pulls = zc * weighted_residuals[:, j, None]
        if n_groups < m:
            pulls = np.add.reduceat(pulls[order], starts, axis=0)
        std_err[:, j] = np.sqrt(correction * ((pulls @ bread) ** 2).sum(axis=0))
    return std_err


def linear_r2(z: NDArray[Any], scores: FloatArray, coef: FloatArray) -> FloatArray:
    """Share of the variance of ``scores`` that ``z @ coef`` explains, shape ``(k,)``."""
    yc = scores - scores.mean(axis=0)
    fitted = z @ coef.astype(z.dtype)
    return _r2(yc - (fitted - fitted.mean(axis=0)), yc, None)


def held_out_r2(z: NDArray[Any], scores: FloatArray, *, alpha: float) -> FloatArray:
    """R2 of a ridge regression on rows left out of the fit, a fifth at a time, shape ``(k,)``.

    ``z`` holds indicators and may be in single precision, in which their products are exact.
    """
    m = len(z)
    cuts = sorted({m * i // _FOLDS for i in range(_FOLDS + 1)})
    return _held_out_r2(z, scores - scores.mean(axis=0), None, cuts, alpha)


def _r2(residuals: FloatArray, yc: FloatArray, w: FloatArray | None) -> FloatArray:
    left, spread = _weighted(residuals**2, w).sum(axis=0), _weighted(yc**2, w).sum(axis=0)
    return _share(left, spread, yc, w)


def _share(
    left: FloatArray, spread: FloatArray, yc: FloatArray, w: FloatArray | None
) -> FloatArray:
    """Return the share of ``spread`` that is not ``left``; NaN for an output that is flat."""
    mass = len(yc) if w is None else w.sum()
    flat = spread <= 1e-24 * np.maximum(1.0, np.abs(yc).max(initial=0.0)) * mass
    return np.where(flat, np.nan, 1 - left / np.where(flat, 1.0, spread))


def _held_out_r2(
    zc: NDArray[Any], yc: FloatArray, w: FloatArray | None, cuts: list[int], alpha: float
) -> FloatArray:
    """Return the R2 on rows left out of the fit, those between two cuts at a time."""
    undefined = np.full(yc.shape[1], np.nan)
    if len(cuts) < 3:
        return undefined
    d = zc.shape[1]
    rows = np.ones_like(zc, shape=(len(zc), 1 + d))
    rows[:, 1:] = zc
    folds = [slice(a, b) for a, b in pairwise(cuts)]
    parts = [_moments(rows[fold], yc[fold], None if w is None else w[fold]) for fold in folds]
    gram, cross = np.stack([part[0] for part in parts]), np.stack([part[1] for part in parts])
    rest, rest_cross = gram.sum(axis=0) - gram, cross.sum(axis=0) - cross
    mass = rest[:, 0, 0, None, None]
    if (mass <= 0).any():
        return undefined  # one fold has all the weight: nothing to learn from
    z_mean, y_mean = rest[:, :1, 1:] / mass, rest_cross[:, :1] / mass
    centred = rest[:, 1:, 1:] - mass * z_mean.mT * z_mean
    slopes = np.linalg.solve(
        np.stack([_penalised(own, alpha) for own in centred]),
        rest_cross[:, 1:] - mass * z_mean.mT * y_mean,
    )
    coef = np.concatenate([y_mean - z_mean @ slopes, slopes], axis=1)
    power = _weighted(yc**2, w).sum(axis=0)
    left = power + (coef * (gram @ coef - 2 * cross)).sum(axis=(0, 1))
    return _share(np.maximum(left, 0.0), power, yc, w)


def _fold_cuts(groups: IntArray) -> list[int]:
    """Return where to cut the rows into at most five folds that keep groups whole."""
    m = len(groups)
    starts = np.flatnonzero(np.diff(groups, prepend=groups[:1] - 1)) if m else np.zeros(1, int)
    wanted = np.searchsorted(starts, [m * i // _FOLDS for i in range(_FOLDS)])
    inner = {int(starts[i]) for i in wanted if i < len(starts)}
    return [*sorted(inner | {0}), m]


def _moments(
    rows: NDArray[Any], y: FloatArray, w: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Return second moments ``rows' rows`` and ``rows' y``, in double precision."""
    weighted = _weighted(rows, w).T
    gram, cross = weighted @ rows, weighted @ y.astype(rows.dtype)
    return gram.astype(np.float64), cross.astype(np.float64)


def _weighted(rows: NDArray[Any], w: FloatArray | None) -> NDArray[Any]:
    return rows if w is None else rows * w[:, None]
