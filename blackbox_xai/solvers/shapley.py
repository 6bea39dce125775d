"""Shapley values from scores of coalitions."""

from __future__ import annotations

from math import comb

import numpy as np
from scipy.linalg import cho_solve
from scipy.linalg.lapack import dpocon, dpotrf

from blackbox_xai.coalitions.shapley import PairDesign
from blackbox_xai.protocols import BoolArray, FloatArray
from blackbox_xai.solvers.student import student_error, student_factor, student_widths

__all__ = ["chain_values", "exact_values", "paired_map", "paired_values"]

_BLOCK = 1 << 14
_SINGULAR = 1e-10
_FEWEST_FREE = 6  # pairs more than a fit needs, from which its residuals tell of its error


def exact_values(scores: FloatArray) -> FloatArray:
    """Shapley values ``(d, k)`` of a game, from the scores ``(2**d, k)`` of all coalitions.

    Row ``i`` of ``scores`` belongs to the coalition of the bits set in ``i``.

    References
    ----------
    Shapley (1953), A Value for n-Person Games, equation 12.

    Examples
    --------
    >>> game = np.array([0.0, 400, 560, 740, 720, 780, 980, 1000])[:, None]
    >>> exact_values(game)[:, 0].round(6)
    array([180., 360., 460.])
    """
    d = len(scores).bit_length() - 1
    after = np.array([1 / (d * comb(d - 1, s - 1)) if s else 0.0 for s in range(d + 1)])
    before = np.array([1 / (d * comb(d - 1, s)) if s < d else 0.0 for s in range(d + 1)])
    values = np.zeros((d, scores.shape[1]))
    for start in range(0, len(scores), _BLOCK):
        block = scores[start : start + _BLOCK]
        kept = (np.arange(start, start + len(block))[:, None] >> np.arange(d) & 1).astype(bool)
        size = kept.sum(axis=1)[:, None]
        values += np.where(kept, after[size], -before[size]).T @ block
    return values


def paired_map(design: PairDesign) -> tuple[FloatArray, FloatArray]:
    """Return the least-squares map ``(d, p)`` of a design, and the leverage ``(p,)`` of its pairs.

    The map takes the odd parts of the pairs, less an equal split of the total, to what each
    feature gets beyond the equal split. It depends on coalitions alone, not on any score.
    """
    half = np.where(design.half, 0.5, -0.5)
    half -= half.mean(axis=1, keepdims=True)
    weighted = half * design.weights[:, None]
    ls_map = _solved(half.T @ weighted, weighted.T)
    return ls_map, np.einsum("pd,dp->p", half, ls_map)


def _solved(gram: FloatArray, sides: FloatArray) -> FloatArray:
    """Return the least solution of ``gram @ z = sides``, whose columns all sum to zero.

    So do those of ``gram``: a multiple of ones added to it changes nothing in the solution and
    makes it definite, where coalitions tell all features apart.
    """
    d = len(gram)
    definite = gram + np.trace(gram) / d**2
    factor, failed = dpotrf(definite, lower=1)
    if not failed and dpocon(factor, np.abs(definite).sum(axis=0).max(), uplo="L")[0] > _SINGULAR:
        found: FloatArray = cho_solve((factor, True), sides)
        return found
    roots, axes = np.linalg.eigh(gram)
    good = roots > _SINGULAR * roots[-1]
    inverse: FloatArray = (axes[:, good] / roots[good]) @ axes[:, good].T
    return inverse @ sides


def paired_values(
    design: PairDesign, odd: FloatArray, total: FloatArray
) -> tuple[FloatArray, FloatArray | None]:
    """Shapley values and standard errors ``(d, k)`` by regression on pairs of complements.

    Parameters
    ----------
    design : PairDesign
    odd : ndarray of shape (p, k)
        ``(v(S) - v(N - S)) / 2`` of each pair.
    total : ndarray of shape (k,)
        ``v(N) - v({})``; the values sum to it.

    Returns
    -------
    values : ndarray of shape (d, k)
    std_err : ndarray of shape (d, k) or None
        None for fewer than ``d + 5`` pairs of a game that has more: residuals cannot tell.

    Notes
    -----
    Standard errors are the larger of two: the HC2 sandwich (MacKinnon & White, 1985), which heeds
    that pairs differ in how far they are off, and one of the mean residual, which knows more of
    few pairs. Both are widened to be read as normal ones, the first by a Student quantile whose
    degrees of freedom are those that are left, fewer where few pairs decide. Each pair's share is
    reduced by its chance of being drawn: errors are 0 when all pairs are there.

    References
    ----------
    Covert & Lee (2021), Improving KernelSHAP, equation 6, in its paired form. Bell & McCaffrey
    (2002), Bias reduction in standard errors for linear regression with multi-stage samples,
    section 4 (degrees of freedom; here those of residuals that are alike in how they correlate).
    """
    ls_map, leverage = paired_map(design)
    half = np.where(design.half, 0.5, -0.5)
    p, d = half.shape
    target = odd - half.sum(axis=1)[:, None] * (total / d)
    beyond = ls_map @ target
    values = beyond + total / d
    share = ls_map**2 * (1 - design.chance)
    if not share.any():
        return values, np.zeros_like(values)
    free = p - (d - 1)
    if free < _FEWEST_FREE:
        return values, None
    squares, left = (target - half @ beyond) ** 2, np.maximum(1 - leverage, 1e-6)
    whole = share.sum(axis=1, keepdims=True)
    mean = whole * squares.sum(axis=0) / left.sum()
    own = share @ (squares / left[:, None])
    deciding = whole**2 / np.maximum((share**2).sum(axis=1, keepdims=True), 1e-300)
    degrees = 1 / (1 / np.maximum(deciding, 1.0) + 1 / free - 1 / p)
    own, mean = own * student_widths(degrees) ** 2, mean * student_factor(free + 1) ** 2
    return values, np.sqrt(np.maximum(own, mean))


def chain_values(
    chains: BoolArray, odd: FloatArray, total: FloatArray
) -> tuple[FloatArray, FloatArray | None]:
    """Shapley values and standard errors ``(d, k)`` from antithetic chains.

    Parameters
    ----------
    chains : ndarray of shape (n, d - 1, d)
    odd : ndarray of shape (n, d - 1, k)
        ``(v(S) - v(N - S)) / 2`` along the chains.
    total : ndarray of shape (k,)

    Returns
    -------
    values : ndarray of shape (d, k)
        Mean over the chains of what each feature adds where it enters, forth and back.
    std_err : ndarray of shape (d, k) or None
        Standard error over the chains; None for fewer than five, which cannot tell.
    """
    n, _, d = chains.shape
    ends = np.broadcast_to(total / 2, (n, 1, len(total)))
    added = np.diff(np.concatenate([-ends, odd, ends], axis=1), axis=1)
    entry = d - 1 - chains.sum(axis=1)
    single = np.take_along_axis(added, entry[:, :, None], axis=1)
    return single.mean(axis=0), student_error(single)
