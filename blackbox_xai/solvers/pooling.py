"""Estimates of many vectors that are alike, each drawn towards what the others say of it."""

from __future__ import annotations

import numpy as np

from blackbox_xai.protocols import BoolArray, FloatArray

__all__ = ["pool"]

_STEPS = 8
_ROUNDING = 1e-12
_FLOOR = 1e-4  # of the mean square of the errors: smaller spreads are taken for that


def pool(
    found: FloatArray, errors: FloatArray, active: BoolArray, share: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the most plausible vectors, and how much smaller the variance of their mean is.

    Each vector is taken for a draw from a normal distribution with one mean and a spread of its
    own for every coordinate, which the measured vectors tell. What is measured well stays; what
    is measured badly goes towards the mean. Sums do not change.

    Parameters
    ----------
    found : ndarray of shape (g, d)
        Measured vectors, 0 where not active.
    errors : ndarray of shape (g, d, d)
        Covariances of the errors of measurement; rows and columns sum to 0.
    active : ndarray of shape (g, d)
        Which coordinates a vector has; the others are 0 by rights.
    share : ndarray of shape (g,)
        Weights of the vectors in the mean.

    Returns
    -------
    best : ndarray of shape (g, d)
    shrink : ndarray of shape (d,)
        Between 0 and 1.

    References
    ----------
    Harville (1977), Maximum Likelihood Approaches to Variance Component Estimation, section 3
    (best linear unbiased prediction). Dempster, Laird & Rubin (1977), Maximum Likelihood from
    Incomplete Data via the EM Algorithm, section 4.4.

    Examples
    --------
    >>> centring = np.eye(2) - 0.5
    >>> found = np.array([[3.0, 1.0], [1.0, 3.0], [2.1, 1.9], [1.9, 2.1]])
    >>> best, _ = pool(found, np.array([centring] * 4), np.full((4, 2), True), np.full(4, 0.25))
    >>> bool((abs(best - 2).max(axis=1) < abs(found - 2).max(axis=1)).all())
    True
    >>> best.sum(axis=1).round(9)
    array([4., 4., 4., 4.])
    """
    count = np.maximum(active.sum(axis=0), 1)
    own = np.diagonal(errors, axis1=1, axis2=2)
    scale = own.sum() / max(active.sum(), 1)
    # Errors so far below the values have nothing to gain, and covariances lose them to rounding.
    if not scale > _ROUNDING * float((found**2).max(initial=0.0)):
        return found, np.ones(found.shape[1])
    mean = found.sum(axis=0) / count
    apart = np.where(active, found - mean, 0.0) ** 2
    least = _FLOOR * scale
    spread = np.maximum((apart - own).sum(axis=0) / count, least)
    kept, pull, lead, best, of_mean = errors, errors, errors, found, errors[0]
    for _ in range(_STEPS):
        lead, between = _given_sum(spread, active)
        inverse = _inverse(errors + between, active, scale)
        own_part = np.where(active, spread, 0.0)
        rest = found - own_part * _over(found.sum(axis=1), own_part.sum(axis=1))[:, None]
        seen = lead.transpose(0, 2, 1) @ inverse
        of_mean = np.linalg.pinv((seen @ lead).sum(axis=0), hermitian=True)
        mean = of_mean @ np.einsum("gij,gj->i", seen, rest)
        pull = errors @ inverse
        best = found - np.einsum("gij,gj->gi", pull, rest - lead @ mean)
        kept = errors - pull @ errors
        apart = np.where(active, best - (found - rest) - lead @ mean, 0.0) ** 2
        left = np.maximum(np.diagonal(kept, axis1=1, axis2=2), 0.0)
        missing = np.maximum(own_part - np.diagonal(between, axis1=1, axis2=2), 0.0)
        spread = np.maximum((apart + left + missing).sum(axis=0) / count, least)
    reach = np.tensordot(share, pull @ lead, 1)
    after = share**2 @ np.diagonal(kept, axis1=1, axis2=2) + np.diag(reach @ of_mean @ reach.T)
    before = np.maximum(share**2 @ own, 1e-300)
    return best, np.clip(after / before, 0.0, 1.0)


def _given_sum(spread: FloatArray, active: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return what takes the mean to those of the vectors, given their sums, and covariances."""
    own = np.where(active, spread, 0.0)
    lead = -_over(own, own.sum(axis=1)[:, None])[:, :, None] * active[:, None, :]
    at = np.arange(active.shape[1])
    lead[:, at, at] += active
    return lead, lead * own[:, None, :]


def _over(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(a / np.maximum(b, 1e-300))


def _inverse(covariance: FloatArray, active: BoolArray, scale: float) -> FloatArray:
    """Return inverses of covariances of vectors with a given sum, on vectors that sum to 0."""
    each = scale / np.maximum(active.sum(axis=1), 1)[:, None, None]
    both = active[:, :, None] & active[:, None, :]
    filled = covariance + both * each
    at = np.arange(active.shape[1])
    filled[:, at, at] += np.where(active, 0.0, scale)
    inverse: FloatArray = np.linalg.inv(filled).astype(np.float64, copy=False)
    inverse -= both * (each / scale**2)
    return inverse
