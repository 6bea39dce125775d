"""Beliefs of a process that the scores bear out: by what they say of each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from blackbox_xai.protocols import FloatArray
from blackbox_xai.solvers.product_kernel import Sight
from blackbox_xai.solvers.shared_process import Belief, Joint, joint, unfold

__all__ = ["evidence", "left_out_error", "likely_scales"]

_STEPS = 20
_SPREAD = 0.8  # of the logarithms of scales in the prior
_FARTHEST = 4.0  # that a logarithm goes from where it started


def left_out_error(sights: Sequence[Sight], belief: Belief) -> float:
    """Return the log of the mean square of what odd parts are off from what all others say.

    Shapley values depend on odd parts alone. The mean over outputs is taken of logarithms.

    References
    ----------
    Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, equation 5.12.
    """
    whole = joint(sights, belief)
    root = whole.root()
    off = root.T @ (root @ _that_vary(whole)) / (root**2).sum(axis=0)[:, None]
    inner = np.flatnonzero(whole.inner)
    odd = off[inner[: len(inner) // (1 + belief.even)]]
    return float(np.log(np.maximum((odd**2).mean(axis=0), 1e-300)).mean()) if odd.size else 0.0


def evidence(sights: Sequence[Sight], belief: Belief) -> tuple[float, FloatArray]:
    """Return the log likelihood of the scores, and its slope in the log of each scale, ``(d,)``.

    The variance of the process is the most likely one; outputs count as one together.

    References
    ----------
    Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, equations 5.8 and 5.9.
    """
    whole = joint(sights, belief)
    root = whole.root()
    inverse, scores = root.T @ root, _that_vary(whole)
    n, k = scores.shape
    alpha = inverse @ scores
    fit = np.maximum((scores * alpha).sum(axis=0), 1e-300) / n
    value = float(np.log(np.diag(root)).sum()) - 0.5 * n * float(np.log(fit).sum()) / max(k, 1)
    pull = alpha / (fit * max(k, 1)) @ alpha.T - inverse
    pull = unfold(sights, unfold(sights, pull).T) * whole.process
    turn = belief.scales[:, None, None] * belief.alike
    turn = turn / (1 + turn)
    turn = turn - turn[:, :1, :1]
    by_unit = pull.sum() * _slope_of_unit(sights, whole, turn)
    return value, 0.5 * (_by_feature(sights, pull, turn) - by_unit)


def likely_scales(sights: Sequence[Sight], belief: Belief) -> Belief:
    """Return the belief with the scales that the scores make most likely.

    The logarithms of the scales have a normal prior about those given.

    References
    ----------
    Riedmiller & Braun (1993), A Direct Adaptive Method for Faster Backpropagation Learning: the
    RPROP Algorithm.
    """
    first = np.log(belief.scales)
    point, step, before = first.copy(), np.full(len(first), 0.3), np.zeros(len(first))
    best, best_point = -np.inf, first
    for _ in range(_STEPS):
        value, slope = evidence(sights, replace(belief, scales=np.exp(point)))
        off = (point - first) / _SPREAD
        value, slope = value - 0.5 * float(off @ off), slope - off / _SPREAD
        if value > best:
            best, best_point = value, point
        turn = np.sign(slope * before)
        step = np.clip(step * np.where(turn > 0, 1.2, np.where(turn < 0, 0.5, 1.0)), 1e-3, 0.7)
        point = np.clip(point + np.sign(slope) * step, first - _FARTHEST, first + _FARTHEST)
        before = slope
    return replace(belief, scales=np.exp(best_point))


def _that_vary(whole: Joint) -> FloatArray:
    return whole.parts[:, whole.parts.any(axis=0)]


def _by_feature(sights: Sequence[Sight], pull: FloatArray, turn: FloatArray) -> FloatArray:
    """Return sums of ``pull`` times the slope of the log kernel in each feature's log scale.

    ``turn`` holds these slopes between values of the feature; between those of ``x`` they are 0.
    """
    kept = np.concatenate([sight.kept for sight in sights]).T.astype(np.float64)
    fill = np.repeat(np.arange(len(sights)), [len(sight.kept) for sight in sights])
    slope, start = np.zeros(len(turn)), 0
    for i, sight in enumerate(sights):
        part = pull[start : start + len(sight.kept)]
        by_x = sight.kept.T.astype(np.float64) @ part
        by_b = part.sum(axis=0) - by_x
        slope += (by_x * (1 - kept) * turn[:, 0, 1:][:, fill]).sum(axis=1)
        slope += (by_b * kept).sum(axis=1) * turn[:, i + 1, 0]
        slope += (by_b * (1 - kept) * turn[:, i + 1, 1:][:, fill]).sum(axis=1)
        start += len(sight.kept)
    return slope


def _slope_of_unit(sights: Sequence[Sight], whole: Joint, turn: FloatArray) -> FloatArray:
    """Return the slope of the log of the unit in each feature's log scale."""
    hidden = ~np.concatenate([sight.kept for sight in sights])
    inner = np.concatenate([np.arange(len(s.kept)) < len(s.kept) - 2 for s in sights])
    fill = np.repeat(np.arange(len(sights)), [len(sight.kept) for sight in sights])
    own = np.diagonal(turn, axis1=1, axis2=2)[:, 1:][:, fill]
    return np.asarray((own * hidden.T) @ (np.diag(whole.process) * inner) / inner.sum())
