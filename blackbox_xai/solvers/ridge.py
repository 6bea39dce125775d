"""Linear surrogates: weighted ridge, its errors, and how well it fits what it has not seen."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array

from blackbox_xai.protocols import FloatArray, IntArray
from blackbox_xai.solvers.nets import net_factor

__all__ = ["RidgeFit", "fit_ridge", "held_out_r2", "in_units", "linear_r2"]

_FOLDS = 5
# Scores that differ by less are rounding.
_FLAT = 1e-12


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
    groups = np.arange(m) if groups is None else groups
    total = m if weights is None else weights.sum()
    z_mean = _weighted(z, weights).sum(axis=0) / total
    y_mean = _weighted(scores, weights).sum(axis=0) / total
    (zc, axes), yc = _row_space(z - z_mean), scores - y_mean
    gram, cross = _fold_moments(zc, yc, weights, _fold_cuts(groups))
    factor = cho_factor(_penalised(gram.sum(axis=0)[1:, 1:], alpha))
    inner = cho_solve(factor, cross.sum(axis=0)[1:])
    residuals = yc - zc @ inner
    coef = _by_feature(inner, axes)
    pull = _by_feature(alpha * cho_solve(factor, inner), axes)
    bread = cho_solve(factor, np.eye(len(inner)) if axes is None else axes.T)
    drawn = _sandwich(zc, _weighted(residuals, weights), groups, bread)
    if net is not None:
        pulls = _by_feature(cho_solve(factor, _weighted(zc, weights).T), axes)
        drawn = drawn * net_factor(pulls, residuals.T, drawn**2, net)
    left, power = (_weighted(part**2, weights).sum(axis=0) for part in (residuals, yc))
    left_out = _left_out(gram, cross, power, alpha)
    return RidgeFit(
        coef=coef,
        intercept=y_mean - z_mean @ coef,
        std_err=np.hypot(drawn, pull),
        r2=_share(left, power, yc),
        held_out_r2=_share(left_out, power, yc),
    )


def _row_space(zc: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Return rows turned into no more dimensions than there are rows, and their axes ``(d, q)``.

    None where that would be no fewer. Ridge fits lie in the space of the rows, and turning it
    changes neither fit nor penalty: thousands of features cost no more than the rows are worth.
    """
    if zc.shape[1] <= len(zc):
        return zc, None
    axes, turned = np.linalg.qr(zc.T)
    return np.ascontiguousarray(turned.T), axes


def _by_feature(values: FloatArray, axes: FloatArray | None) -> FloatArray:
    return values if axes is None else axes @ values


def _penalised(gram: FloatArray, alpha: float) -> FloatArray:
    """Return ``gram + alpha`` on the diagonal, with a floor that keeps it invertible."""
    d = len(gram)
    floor = 1e-10 * max(float(np.trace(gram)) / max(d, 1), 1e-300)
    return gram + max(alpha, floor) * np.eye(d)


def _sandwich(
    zc: FloatArray, weighted_residuals: FloatArray, groups: IntArray, bread: FloatArray
) -> FloatArray:
    """Return the standard errors ``(d, k)`` of the coefficients.

    ``bread``, ``(q, d)``, takes weighted sums of rows ``zc``, ``(m, q)``, to coefficients.
    """
    m, d = len(zc), bread.shape[1]
    starts = np.flatnonzero(np.diff(groups, prepend=groups[:1] - 1))
    n_groups = len(starts)
    members = csr_array((np.ones(m), np.arange(m), np.append(starts, m)), shape=(n_groups, m))
    std_err = np.empty((d, weighted_residuals.shape[1]))
    correction = n_groups / max(n_groups - 1, 1) * max(m - 1, 1) / max(m - d - 1, 1)
    for j in range(weighted_residuals.shape[1]):
        pulls = zc * weighted_residuals[:, j, None]
        if n_groups < m:
            pulls = members @ pulls
        std_err[:, j] = np.sqrt(correction * ((pulls @ bread) ** 2).sum(axis=0))
    return std_err


def in_units(scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return scores less their mean in units of the largest, and those units, shape ``(k,)``.

    So they fit into single precision, and so do their squares.
    """
    centred = scores - scores.mean(axis=0)
    units = np.abs(centred).max(axis=0, initial=0.0)
    units = np.where(units > 0, units, 1.0)
    return centred / units, units


def linear_r2(z: NDArray[Any], scores: FloatArray, coef: FloatArray) -> FloatArray:
    """Share of the variance of ``scores`` that ``z @ coef`` explains, shape ``(k,)``."""
    yc, units = in_units(scores)
    fitted = z @ (coef / units).astype(z.dtype)
    left = ((yc - (fitted - fitted.mean(axis=0))) ** 2).sum(axis=0)
    return _share(left, (yc**2).sum(axis=0), yc * units)


def held_out_r2(z: NDArray[Any], scores: FloatArray, *, alpha: float) -> FloatArray:
    """R2 of a ridge regression on rows left out of the fit, a fifth at a time, shape ``(k,)``.

    ``z`` holds indicators and may be in single precision, in which their products are exact.
    """
    m, (yc, units) = len(z), in_units(scores)
    cuts = sorted({m * i // _FOLDS for i in range(_FOLDS + 1)})
    power = (yc**2).sum(axis=0)
    left = _left_out(*_fold_moments(z, yc, None, cuts), power, alpha)
    return _share(left, power, yc * units)


def _share(left: FloatArray, power: FloatArray, yc: FloatArray) -> FloatArray:
    """Return the share of ``power`` that is not ``left``; NaN for scores ``yc`` that are flat."""
    flat = np.abs(yc).max(axis=0, initial=0.0) <= _FLAT
    return np.where(flat, np.nan, 1 - left / np.where(flat, 1.0, power))


def _fold_moments(
    z: NDArray[Any], yc: FloatArray, w: FloatArray | None, cuts: list[int]
) -> tuple[FloatArray, FloatArray]:
    """Return second moments of the rows between each two cuts, in double precision.

    Those of ``1, z`` with themselves, shape ``(folds, 1 + d, 1 + d)``, and with the scores.
    """
    rows = np.ones_like(z, shape=(len(z), 1 + z.shape[1]))
    rows[:, 1:] = z
    weighted, y = _weighted(rows, w), yc.astype(z.dtype, copy=False)
    folds = [slice(a, b) for a, b in pairwise(cuts)]
    gram = np.stack([weighted[fold].T @ rows[fold] for fold in folds])
    cross = np.stack([weighted[fold].T @ y[fold] for fold in folds])
    return gram.astype(np.float64, copy=False), cross.astype(np.float64, copy=False)


def _left_out(gram: FloatArray, cross: FloatArray, power: FloatArray, alpha: float) -> FloatArray:
    """Return what regressions on all folds but one leave of its scores, squared, shape ``(k,)``."""
    rest, rest_cross = gram.sum(axis=0) - gram, cross.sum(axis=0) - cross
    mass = rest[:, 0, 0, None, None]
    if (mass <= 0).any():  # one fold has all the weight: nothing to learn from
        return np.full(len(power), np.nan)
    z_mean, y_mean = rest[:, :1, 1:] / mass, rest_cross[:, :1] / mass
    centred = rest[:, 1:, 1:] - mass * z_mean.mT * z_mean
    slopes = np.linalg.solve(
        np.stack([_penalised(own, alpha) for own in centred]),
        rest_cross[:, 1:] - mass * z_mean.mT * y_mean,
    )
    coef = np.concatenate([y_mean - z_mean @ slopes, slopes], axis=1)
    left: FloatArray = power + (coef * (gram @ coef - 2 * cross)).sum(axis=(0, 1))
    return np.maximum(left, 0.0)


def _fold_cuts(groups: IntArray) -> list[int]:
    """Return where to cut the rows into at most five folds that keep groups whole."""
    m = len(groups)
    starts = np.flatnonzero(np.diff(groups, prepend=groups[:1] - 1)) if m else np.zeros(1, int)
    wanted = np.searchsorted(starts, [m * i // _FOLDS for i in range(_FOLDS)])
    inner = {int(starts[i]) for i in wanted if i < len(starts)}
    return [*sorted(inner | {0}), m]


def _weighted(rows: NDArray[Any], w: FloatArray | None) -> NDArray[Any]:
    return rows if w is None else rows * w[:, None]
