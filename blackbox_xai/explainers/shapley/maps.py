"""Designs that all inputs and background rows share, and what makes values of their scores."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from blackbox_xai.coalitions.shapley import PairDesign, n_all_pairs, paired_coalitions
from blackbox_xai.protocols import FloatArray
from blackbox_xai.solvers.kriging import OddMap, chain_map, exact_map, odd_map
from blackbox_xai.solvers.scales import fit_scales

__all__ = ["shared_map", "solve_all", "solve_pairs"]

_MAX_FITTED = 300  # features
_MIN_FITTED = 3  # pairs for each feature
_SCALE, _NOISE = 0.25, 0.01  # of the kernel


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
    return odd_map(design, np.full(n, _SCALE / np.sqrt(n)), _NOISE)


def _refined_map(iso: OddMap, odd: FloatArray, each: FloatArray) -> OddMap:
    """Return the map of the same design with a kernel scale of its own for every feature.

    Parameters
    ----------
    iso : OddMap
        With one scale for all features.
    odd : ndarray of shape (p, k)
        Odd parts, less an equal split of the total.
    each : ndarray of shape (k,)
        That equal split.
    """
    p, n = iso.design.half.shape
    values = iso.weights @ odd + each
    size = np.abs(values) / np.maximum(np.sqrt((values**2).mean(axis=0)), 1e-300)
    start = np.clip(_SCALE / np.sqrt(n) * np.sqrt((size**2).mean(axis=1)), 2e-3, 1.0)
    if n > _MAX_FITTED or p < _MIN_FITTED * n or not odd.any():
        return iso
    few = np.linspace(0, p - 1, min(p, 2 * n + 150)).astype(np.intp)  # pairs stand by size
    signs = np.where(iso.design.half[few], 1.0, -1.0)
    theta, noise = fit_scales([signs], [odd[few]], start)
    return odd_map(iso.design, theta, noise)


def solve_pairs(
    odd_map: OddMap, odd: FloatArray, total: FloatArray, *, fit: bool
) -> tuple[FloatArray, FloatArray]:
    """Return values and their variances ``(n, k)`` of one game.

    Parameters
    ----------
    odd_map : OddMap
    odd : ndarray of shape (p, k)
        Odd parts of its pairs.
    total : ndarray of shape (k,)
    fit : bool
        Fit the kernel to the scores.
    """
    values, variance = solve_all(odd_map, odd[:, None].copy(), total[None], fit=fit, some=1)
    return values[:, 0], variance[:, 0]


def solve_all(
    odd_map: OddMap, odd: FloatArray, total: FloatArray, *, fit: bool, some: int
) -> tuple[FloatArray, FloatArray]:
    """Return values ``(n, f, k)``, and the variances of the first ``some``, from ``(p, f, k)``."""
    (p, f, k), half = odd.shape, odd_map.design.half
    n = half.shape[1]
    each = total / n
    odd -= (half.sum(axis=1) - n / 2)[:, None, None] * each
    if fit and odd_map.precision is not None:
        odd_map = _refined_map(odd_map, odd[:, 0], each[0])
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
