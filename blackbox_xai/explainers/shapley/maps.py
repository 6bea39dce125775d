"""Designs that all inputs and background rows share, and what makes values of their scores."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from blackbox_xai.coalitions.shapley import PairDesign, n_all_pairs, paired_coalitions
from blackbox_xai.protocols import FloatArray
from blackbox_xai.solvers.kriging import OddMap, chain_map, exact_map, odd_map

__all__ = ["NOISE", "SCALE", "shared_map", "solve_all", "solve_pairs"]

SCALE, NOISE = 0.25, 0.01  # of the kernel


@lru_cache(maxsize=64)
def shared_map(n: int, n_pairs: int, seed: int) -> OddMap:
    """Return the design of ``n_pairs`` pairs of ``n`` features, and what makes values of it."""
    if n == 1:  # the whole total is its own
        empty = np.zeros(0)
        return OddMap(
            PairDesign(np.zeros((0, 1), dtype=bool), empty, empty), np.zeros((1, 0)), None
        )
    if n_pairs == n - 1 and n_pairs < n_all_pairs(n):
        return chain_map(n)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(n, n_pairs)))
    design = paired_coalitions(n, n_pairs, rng)
    if n_pairs >= n_all_pairs(n):
        return exact_map(design)
    return odd_map(design, np.full(n, SCALE / np.sqrt(n)), NOISE)


def solve_pairs(
    odd_map: OddMap, odd: FloatArray, total: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return values and their variances ``(n, k)`` of one game.

    Parameters
    ----------
    odd_map : OddMap
    odd : ndarray of shape (p, k)
        Odd parts of its pairs.
    total : ndarray of shape (k,)
    """
    values, variance = solve_all(odd_map, odd[:, None].copy(), total[None], some=1)
    return values[:, 0], variance[:, 0]


def solve_all(
    odd_map: OddMap, odd: FloatArray, total: FloatArray, *, some: int
) -> tuple[FloatArray, FloatArray]:
    """Return values ``(n, f, k)``, and the variances of the first ``some``, from ``(p, f, k)``."""
    (p, f, k), half = odd.shape, odd_map.design.half
    n = half.shape[1]
    each = total / n
    odd -= (half.sum(axis=1) - n / 2)[:, None, None] * each
    values = (odd_map.weights @ odd.reshape(p, f * k)).reshape(n, f, k) + each
    chosen = odd[:, :some]
    if odd_map.precision is None or chosen.size == 0:
        return values, np.zeros((n, *chosen.shape[1:]))
    left_out = odd_map.precision @ chosen.reshape(p, -1)
    left_out /= np.diag(odd_map.precision)[:, None]
    # Leave-one-out residuals overstate when there are few pairs for each feature.
    factor = (1 - p / n_all_pairs(n)) * (1 - min(n / p, 1.0) ** 1.5)
    variance = factor * (odd_map.weights**2 @ left_out**2)
    return values, variance.reshape(n, *chosen.shape[1:])
