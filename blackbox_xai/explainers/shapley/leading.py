"""Triples of the features that matter most get weights of their own, where that explains more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from blackbox_xai.explainers.shapley.alike import Solved
from blackbox_xai.explainers.shapley.fitting import Scored
from blackbox_xai.explainers.shapley.maps import noise, variances
from blackbox_xai.protocols import FloatArray
from blackbox_xai.solvers.kriging import OddMap
from blackbox_xai.solvers.triples import N_LEADING, N_TRIPLES, see_triples, triple_weights

__all__ = ["leads", "with_triples"]

_FEWEST_PAIRS = 4  # for each feature
_WORK = 4e9  # multiplications for all fills
_SCORES = 1 << 18  # held


def leads(odd_map: OddMap, k: int, f: int) -> bool:
    """Whether triples are worth a look in the fills of a design, which are ``f`` in all."""
    p, n = odd_map.n_pairs, odd_map.n_features
    enough = p > _FEWEST_PAIRS * n and p - n > N_TRIPLES
    return enough and 2 * N_TRIPLES * p * p * f <= _WORK and p * f * k <= _SCORES


def with_triples(scored: Sequence[Scored], solved: Sequence[Solved]) -> list[Solved]:
    """Return the fills with values and variances that heed triples of leading features."""
    if not scored:
        return []
    importance = sum(((s.values**2).sum(axis=(0, 2)) for s in solved), np.zeros(()))
    leading = np.argsort(-importance, kind="stable")[:N_LEADING]
    index = [(s, i) for s, block in enumerate(scored) for i in range(len(block.block.fills))]
    odd = [_beyond(s, before) for s, before in zip(scored, solved, strict=True)]
    seen = [
        see_triples(scored[s].odd_map, scored[s].block.place[i, leading], odd[s][:, i])
        for s, i in index
    ]
    fit = triple_weights(seen)
    if fit is None:
        return list(solved)
    values = [s.values.copy() for s in solved]
    errors = [np.zeros_like(s.values) for s in solved]
    for at, ((s, i), triples) in enumerate(zip(index, seen, strict=True)):
        odd[s][:, i] -= triples.columns @ fit.weights[at]
    spread = [
        variances(block.odd_map, rest.reshape(len(rest), -1), whole=False).reshape(
            -1, *rest.shape[1:]
        )
        for block, rest in zip(scored, odd, strict=True)
    ]
    for at, ((s, i), triples) in enumerate(zip(index, seen, strict=True)):
        odd_map, place = scored[s].odd_map, scored[s].block.place[i]
        there = np.flatnonzero(place < odd_map.n_features)
        values[s][i, there] += (triples.gain @ fit.weights[at])[place[there]]
        free = np.maximum(triples.free - fit.spent[at], 1.0)
        # What a pair is off from the others is more than what it is off from all.
        error = spread[s][:, i] * (triples.free / free) ** 1.5
        unsure = (triples.gain @ fit.axes[at]) ** 2 @ fit.spread[at]
        error += unsure * (noise(odd_map, odd[s][:, i]) / free)
        errors[s][i, there] = error[place[there]]
    parts = zip(solved, values, errors, strict=True)
    return [replace(before, values=value, variance=error) for before, value, error in parts]


def _beyond(scored: Scored, solved: Solved) -> FloatArray:
    """Return the odd parts ``(p, f, k)`` less the linear games of the values."""
    half = np.where(scored.odd_map.design.half, 0.5, -0.5)
    n = half.shape[1]
    odd = np.empty_like(scored.odd)
    for i, place in enumerate(scored.block.place):
        there = np.flatnonzero(place < n)
        by_place = np.empty((n, odd.shape[2]))
        by_place[place[there]] = solved.values[i, there]
        odd[:, i] = scored.odd[:, i] - half @ by_place
    return odd
