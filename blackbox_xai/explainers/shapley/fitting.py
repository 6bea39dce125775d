"""A kernel scale of its own for every feature, fitted to the scores of a round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from blackbox_xai.explainers.shapley.alike import Solved
from blackbox_xai.explainers.shapley.blocks import Block
from blackbox_xai.explainers.shapley.maps import NOISE, SCALE, left_out_residuals, solve_all
from blackbox_xai.protocols import FloatArray, IntArray
from blackbox_xai.solvers.kriging import OddMap, odd_map
from blackbox_xai.solvers.scales import fit_scales

__all__ = ["Kernel", "Scored", "fit_kernel", "fitted_values"]

_MAX_FEATURES = 300
_MIN_PAIRS = 2.2  # for each feature
_WORTH = 0.97  # of the variance by held-out pairs, from which a fitted kernel is taken
_HELD_OUT = 5  # one in so many pairs
_FIT_WORK = 5e8  # cubed pairs in one step of the fit
_MAX_GAMES = 20
_SOLVE_WORK = 5e10  # cubed pairs of all fills together


@dataclass(frozen=True, eq=False)
class Scored:
    """A block whose map has a kernel, with odd parts ``(p, f, k)`` and totals ``(f, k)``.

    ``even`` are the means of pairs, less that of the pair of all and nothing, ``(p, f, k)``; of no
    pairs when they will not be looked at.
    """

    block: Block
    odd_map: OddMap
    odd: FloatArray
    total: FloatArray
    even: FloatArray


@dataclass(frozen=True, eq=False)
class Kernel:
    """Scales of the features, shape (d,), and the variance of noise in the kernel's units."""

    theta: FloatArray
    noise: float


@dataclass(frozen=True, eq=False)
class _Game:
    """One fill: its map, its odd parts ``(p, k)``, and which feature stands where, ``(n,)``."""

    odd_map: OddMap
    odd: FloatArray
    features: IntArray

    def signs(self, d: int, pairs: IntArray) -> FloatArray:
        """Return the design by feature, 0 where a feature does not vary."""
        signs = np.zeros((len(pairs), d))
        signs[:, self.features] = np.where(self.odd_map.design.half[pairs], 1.0, -1.0)
        return signs


def fit_kernel(scored: Sequence[Scored], values: FloatArray) -> Kernel | None:
    """Return the fitted kernel, or None where the common one does as well.

    Parameters
    ----------
    scored : sequence of Scored
    values : ndarray of shape (d, k)
        Values by the common kernel; features with large ones start with large scales.
    """
    d = len(values)
    n_fills = sum(len(s.block.fills) for s in scored)
    most = max((len(s.odd) for s in scored), default=0)
    if n_fills == 0 or d > _MAX_FEATURES or n_fills * most**3 > max(_SOLVE_WORK, most**3):
        return None
    games = _choose(scored, n_fills, min(most, int(1.6 * d) + 150))
    if any(len(g.odd) < _MIN_PAIRS * len(g.features) or not g.odd.any() for g in games):
        return None
    size = np.abs(values) / np.maximum(np.sqrt((values**2).mean(axis=0)), 1e-300)
    start = np.clip(SCALE / np.sqrt(d) * np.sqrt((size**2).mean(axis=1)), 2e-3, 1.0)
    few = [_evenly(len(g.odd), int(1.6 * d) + 150) for g in games]
    trial = [pairs[np.arange(len(pairs)) % _HELD_OUT > 0] for pairs in few]
    kernel = _fit(games, trial, start)
    common = Kernel(np.full(d, SCALE / np.sqrt(d)), NOISE)
    choices = [kernel, _between(kernel, common)]
    lost = [_held_out(games, trial, choice) for choice in choices]
    best = int(np.argmin(lost))
    if lost[best] > _WORTH * _held_out(games, trial, None):
        return None
    if len(games) > 1:
        return choices[best]
    kernel = _fit(games, few, start)
    return kernel if best == 0 else _between(kernel, common)


def fitted_values(scored: Scored, kernel: Kernel, *, shaped: bool) -> Solved:
    """Return values and variances of a block's fills under a fitted kernel.

    ``shaped`` says whether to add how the errors of features go together.
    """
    f, d = scored.block.place.shape
    values, variances = np.zeros((2, f, d, scored.total.shape[1]))
    shape = np.zeros((f, d, d) if shaped else (0, d, d))
    for i in range(f):
        game = _game(scored, i)
        of_odd = odd_map(game.odd_map.design, kernel.theta[game.features], kernel.noise)
        found, variance = solve_all(of_odd, game.odd[:, None], scored.total[[i]], some=1)
        values[i, game.features], variances[i, game.features] = found[:, 0], variance[:, 0]
        if shaped:
            square = np.ix_(game.features, game.features)
            shape[i][square] = of_odd.weights @ of_odd.weights.T
    return Solved(scored.block, values, variances, scored.total, shape)


def _game(scored: Scored, i: int) -> _Game:
    place = scored.block.place[i]
    varying = np.flatnonzero(place < scored.odd_map.n_features)
    features = varying[np.argsort(place[varying])]
    return _Game(scored.odd_map, scored.odd[:, i], features)


def _choose(scored: Sequence[Scored], n_fills: int, pairs: int) -> list[_Game]:
    """Return a few games, evenly spread over the fills."""
    n_games = int(np.clip(_FIT_WORK // pairs**3, 1, min(_MAX_GAMES, n_fills)))
    index = [(s, i) for s in scored for i in range(len(s.block.fills))]
    return [_game(*index[at]) for at in _evenly(n_fills, n_games)]


def _evenly(n: int, wanted: int) -> IntArray:
    """Return ``wanted`` positions spread over ``n``; pairs stand by size."""
    return np.linspace(0, n - 1, min(n, wanted)).astype(np.intp)


def _fit(games: Sequence[_Game], pairs: Sequence[IntArray], start: FloatArray) -> Kernel:
    d = len(start)
    signs = [game.signs(d, few) for game, few in zip(games, pairs, strict=True)]
    odd = [game.odd[few] for game, few in zip(games, pairs, strict=True)]
    return Kernel(*fit_scales(signs, odd, start))


def _between(kernel: Kernel, common: Kernel) -> Kernel:
    """Return the kernel half way to a common one, where a fit to few scores goes too far."""
    theta = np.sqrt(kernel.theta * common.theta)
    return Kernel(theta, float(np.sqrt(kernel.noise * common.noise)))


def _held_out(games: Sequence[_Game], pairs: Sequence[IntArray], kernel: Kernel | None) -> float:
    """Return the variance of the values, by residuals of pairs that the fit has not seen."""
    lost = 0.0
    for game, seen in zip(games, pairs, strict=True):
        of_odd = game.odd_map
        if kernel is not None:
            of_odd = odd_map(of_odd.design, kernel.theta[game.features], kernel.noise)
        residual = left_out_residuals(of_odd, game.odd)
        unseen = np.setdiff1d(np.arange(len(game.odd)), seen)
        size = np.maximum((game.odd**2).mean(axis=0), 1e-300)
        weight = (of_odd.weights[:, unseen] ** 2).sum(axis=0)
        lost += float((weight @ (residual[unseen] ** 2 / size)).sum())
    return lost
