"""Triples of the features that matter most get weights of their own, where that explains more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.explainers.shapley.alike import Solved
from blackbox_xai.explainers.shapley.fitting import Scored
from blackbox_xai.explainers.shapley.maps import factor_of, foretold, left_out_residuals
from blackbox_xai.protocols import FloatArray
from blackbox_xai.solvers.kriging import OddMap
from blackbox_xai.solvers.order_errors import OrderErrors, order_errors
from blackbox_xai.solvers.triples import (
    N_LEADING,
    N_TRIPLES,
    TripleFit,
    Triples,
    see_triples,
    triple_weights,
)

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
    parts, at = [], 0
    for block, before, rest in zip(scored, solved, odd, strict=True):
        own = slice(at, at := at + len(before.values))
        parts.append(_heeding(block, before, rest, seen[own], fit.of(own)))
    return parts


def _heeding(
    scored: Scored, before: Solved, odd: FloatArray, seen: Sequence[Triples], fit: TripleFit
) -> Solved:
    """Return the fills of a block whose triples have weights of their own."""
    by_place = _variances(scored.odd_map, odd, seen, fit)
    values, variance = before.values.copy(), np.zeros_like(before.values)
    for i, place in enumerate(scored.block.place):
        there = np.flatnonzero(place < scored.odd_map.n_features)
        values[i, there] += (seen[i].gain @ fit.weights[i])[place[there]]
        variance[i, there] = by_place[i, place[there]]
    return replace(before, values=values, variance=variance)


def _variances(
    odd_map: OddMap, odd: FloatArray, seen: Sequence[Triples], fit: TripleFit
) -> FloatArray:
    """Return variances ``(f, n, k)`` of values by place, from what the triples leave of ``odd``.

    Leave-one-out residuals are those of the map with the triples in it, and so is what it makes
    of each order of interaction.
    """
    (p, f, k), n = odd.shape, odd_map.n_features
    sharp: FloatArray = np.diag(_precision(odd_map)).astype(np.float64)
    pulled = left_out_residuals(odd_map, odd.reshape(p, -1)) * foretold(sharp)[:, None]
    pulled = pulled.reshape(odd.shape)
    variance = np.zeros((f, n, k))
    for strength in np.unique(fit.strength):
        some = np.flatnonzero(fit.strength == strength)
        rest = pulled[:, :, some]
        for i, triples in enumerate(seen):
            lead = fit.lead(i, some[0], triples)
            rest[:, i] -= triples.pulled @ fit.weights[i][:, some]
            left = foretold(sharp - np.einsum("pt,tp->p", triples.pulled, lead))
            weights = odd_map.weights + triples.gain @ lead
            variance[i][:, some] = weights**2 @ (rest[:, i] / left[:, None]) ** 2
        free = p - n + 1
        energy = np.einsum("pfk,pfk->fk", odd[:, :, some], rest) / free
        errors = _errors(odd_map, seen[0], fit.lead(0, some[0], seen[0]))
        free -= fit.spent[:, some].mean()
        games = rest.reshape(p, -1)
        variance[:, :, some] *= factor_of(errors, games, energy.ravel(), free=free, games=f)
    return variance


def _errors(odd_map: OddMap, seen: Triples, lead: FloatArray) -> OrderErrors:
    """Return what a map with the triples of a fill makes of games of one order each.

    One fill stands for all of a block, in which leading features have other places.
    """
    if (known := odd_map.errors) is None:
        raise TypeError("triples are told apart in maps that know their errors by order")
    if not lead.any():
        return known
    precision = _precision(odd_map) - seen.pulled @ lead
    weights = odd_map.weights + seen.gain @ lead
    return order_errors(odd_map.design.half, weights, precision, known.prior.tolist())


def _precision(odd_map: OddMap) -> NDArray[np.float32]:
    if odd_map.precision is None:
        raise TypeError("where all pairs are there, nothing is left to triples")
    return odd_map.precision


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
