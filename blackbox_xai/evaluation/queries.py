"""Asking a value function for many coalitions, each under at most a few fills."""

from __future__ import annotations

import numpy as np

from blackbox_xai.coalitions.subsets import stratified_draws
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray, MaskedInput
from blackbox_xai.values import Query, Steps

__all__ = ["choose_fills", "score"]


def choose_fills(masked: MaskedInput, max_fills: int, rng: np.random.Generator) -> IntArray | None:
    """Return the fills that stand for all, drawn by weight; None when all may be used."""
    if masked.n_fills <= max_fills:
        return None
    return np.sort(stratified_draws(masked.fill_weights, max_fills, rng))


def score(kept: BoolArray, fills: IntArray | None) -> Steps[FloatArray]:
    """Yield queries for the mean scores ``(m, k)`` of coalitions; equal ones are asked once.

    Parameters
    ----------
    kept : ndarray of shape (m, d)
    fills : ndarray of shape (f,) or None
        The fills every coalition is scored under. None: all of the input.
    """
    if fills is None:
        return (yield Query(kept))
    distinct, place = np.unique(kept, axis=0, return_inverse=True)
    full = distinct.all(axis=1)
    rest = distinct[~full]
    whole = yield Query(np.ones((1, kept.shape[1]), dtype=bool))
    scores = np.repeat(whole, len(distinct), axis=0)
    if len(rest):
        f = len(fills)
        each = yield Query(np.repeat(rest, f, axis=0), np.tile(fills, len(rest)))
        scores[~full] = each.reshape(len(rest), f, -1).mean(axis=1)
    return scores[place.ravel()]
