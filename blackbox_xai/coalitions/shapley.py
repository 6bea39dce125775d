"""Coalitions for Shapley values: all of them, pairs of complements, and chains.

A pair is a coalition and its complement. Only the odd part of a game, ``(v(S) - v(N - S)) / 2``,
enters its Shapley values, so one member of each pair says which coalitions to score.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from blackbox_xai.protocols import BoolArray, FloatArray, IntArray

__all__ = [
    "PairDesign",
    "all_subsets",
    "antithetic_chains",
    "kernel_weights",
    "n_all_pairs",
    "paired_coalitions",
    "round_sum",
    "water_fill",
]

_MANY = 1 << 62  # coalitions; more than are ever drawn


@dataclass(frozen=True, eq=False)
class PairDesign:
    """Pairs of complementary coalitions with regression weights.

    Parameters
    ----------
    half : ndarray of shape (p, d)
        One coalition of each pair; the other is its complement.
    weights : ndarray of shape (p,)
        Shapley kernel divided by the chance of being drawn, scaled to sum to 1.
    chance : ndarray of shape (p,)
        Chance of each pair of being drawn, 1 where all pairs of its size are there.
    """

    half: BoolArray
    weights: FloatArray
    chance: FloatArray


def all_subsets(d: int) -> BoolArray:
    """All ``2**d`` coalitions, shape ``(2**d, d)``; row ``i`` keeps the bits set in ``i``."""
    return (np.arange(2**d)[:, None] >> np.arange(d) & 1).astype(bool)


def n_all_pairs(d: int) -> int:
    """Return how many pairs there are besides the empty and the full coalition."""
    return (1 << (d - 1)) - 1


def kernel_weights(d: int) -> FloatArray:
    """Shapley kernel summed over all coalitions of a size, for sizes ``1 .. d - 1``.

    References
    ----------
    Lundberg & Lee (2017), A Unified Approach to Interpreting Model Predictions, theorem 2,
    times the number of coalitions of the size.
    """
    sizes = np.arange(1, d)
    return (d - 1) / (sizes * (d - sizes))


def paired_coalitions(
    d: int, n_pairs: int, rng: np.random.Generator, *, leverage: bool = True
) -> PairDesign:
    """Draw pairs of complementary coalitions, none of them twice.

    Parameters
    ----------
    d : int
        Features, at least 2.
    n_pairs : int
        Pairs wanted; all pairs when there are no more than that.
    rng : Generator
    leverage : bool
        True spreads coalitions evenly over the sizes (their leverage scores); False by the
        Shapley kernel.

    Returns
    -------
    PairDesign

    References
    ----------
    Musco & Witter (2025), Provably Accurate Shapley Value Estimation via Leverage Score
    Sampling, algorithm 1 (without replacement, by size). Covert & Lee (2021), Improving
    KernelSHAP, section 4.2 (pairs).

    Examples
    --------
    >>> design = paired_coalitions(4, 7, np.random.default_rng(0))
    >>> design.half.shape, design.chance
    ((7, 4), array([1., 1., 1., 1., 1., 1., 1.]))
    """
    sizes = np.arange(1, d // 2 + 1)
    whole = [comb(d, int(s)) // (2 if 2 * s == d else 1) for s in sizes]
    kernel = kernel_weights(d)[: len(sizes)] * np.where(2 * sizes == d, 1.0, 2.0)
    share = np.where(2 * sizes == d, 1.0, 2.0) if leverage else kernel
    expected = water_fill(np.array([float(min(w, _MANY)) for w in whole]), share, n_pairs)
    counts = round_sum(expected, rng)
    parts = [
        _subsets_of_size(d, int(s), int(n), w, rng)
        for s, n, w in zip(sizes, counts, whole, strict=True)
    ]
    which = np.repeat(np.arange(len(sizes)), [len(part) for part in parts])
    weights = (kernel / np.maximum(expected, 1e-300))[which]
    # Of more coalitions than floats can count, none is drawn with a chance worth a number.
    chances = [e / w if w < _MANY else 0.0 for e, w in zip(expected.tolist(), whole, strict=True)]
    chance = np.array(chances)[which]
    return PairDesign(np.concatenate(parts), weights / weights.sum(), chance)


def antithetic_chains(d: int, n_chains: int, rng: np.random.Generator) -> BoolArray:
    """Coalitions that grow feature by feature along random orders.

    Returns
    -------
    ndarray of shape (n_chains, d - 1, d)
        The interior of each chain. The complements are the chain that grows in the opposite
        order, so scoring both walks each order forth and back.

    References
    ----------
    Mitchell, Cooper, Frank & Holmes (2022), Sampling Permutations for Shapley Value Estimation,
    section 4.1 (antithetic permutations).
    """
    rank = _random_ranks(n_chains, d, rng)
    return rank[:, None, :] < np.arange(1, d)[:, None]


def _random_ranks(n: int, d: int, rng: np.random.Generator) -> IntArray:
    """Return ``n`` random permutations of ``0 .. d - 1``, one a row."""
    return rng.permuted(np.broadcast_to(np.arange(d), (n, d)), axis=1)


def water_fill(whole: FloatArray, share: FloatArray, total: float) -> FloatArray:
    """Return counts proportional to ``share`` that sum to ``total``, none above ``whole``."""
    if total >= whole.sum():
        return whole
    expected = np.zeros(len(whole))
    free = np.ones(len(whole), dtype=bool)
    while True:
        left = total - whole[~free].sum()
        expected[free] = share[free] * left / share[free].sum()
        over = free & (expected >= whole)
        if not over.any():
            return expected
        expected[over] = whole[over]
        free &= ~over


def round_sum(expected: FloatArray, rng: np.random.Generator) -> IntArray:
    """Round up or down at random, without bias, so that the sum stays as it is."""
    ends = np.round(np.cumsum(expected), 9)
    offset = rng.random()
    steps = np.floor(np.concatenate([[0.0], ends]) + offset)
    counts = np.diff(steps)
    counts[-1] += round(float(ends[-1])) - counts.sum()
    return np.clip(counts, 0, None).astype(np.intp)


def _subsets_of_size(d: int, size: int, n: int, whole: int, rng: np.random.Generator) -> BoolArray:
    """Return ``n`` different coalitions of ``size``, of which ``whole`` count as different.

    Of the middle size, a coalition and its complement are the same pair, so feature 0 is kept.
    """
    if n == 0:
        return np.zeros((0, d), dtype=bool)
    if 2 * n >= whole and whole <= 1 << 20:
        return _some_of_all(d, size, n, whole, rng)
    middle = 2 * size == d
    found = np.zeros((0, d), dtype=bool)
    while len(found) < n:
        fresh = _random_ranks(n - len(found) + 2, d, rng) < size
        if middle:
            fresh ^= ~fresh[:, :1]
        both = np.concatenate([found, fresh])
        _, first = np.unique(np.packbits(both, axis=1), axis=0, return_index=True)
        found = both[np.sort(first)]
    return found[:n]


def _some_of_all(d: int, size: int, n: int, whole: int, rng: np.random.Generator) -> BoolArray:
    members = np.array(list(combinations(range(d), size))[:whole], dtype=np.intp)
    if n < whole:
        members = members[np.sort(rng.choice(whole, n, replace=False))]
    kept = np.zeros((len(members), d), dtype=bool)
    np.put_along_axis(kept, members, True, axis=1)
    return kept
