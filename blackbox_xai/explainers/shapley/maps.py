"""Designs that all inputs and background rows share, and what makes values of their scores."""

from __future__ import annotations

from collections import OrderedDict
from math import sqrt
from threading import Lock

import numpy as np

from blackbox_xai.coalitions.shapley import PairDesign, n_all_pairs, paired_coalitions
from blackbox_xai.protocols import FloatArray
from blackbox_xai.solvers.kriging import ChainMap, OddMap, exact_map, odd_map
from blackbox_xai.solvers.order_errors import OrderErrors
from blackbox_xai.solvers.student import student_factor

__all__ = [
    "NOISE",
    "SCALE",
    "factor_of",
    "foretold",
    "left_open",
    "left_out_residuals",
    "shared_map",
    "solve_all",
    "solve_pairs",
    "suited_map",
    "variances",
]

_MAP_BYTES = 12 << 20
SCALE, NOISE = 0.25, 0.01  # of the kernel
_NEAR = 1 / 6  # measured on games of 8 to 100 features
_STURDY = 1.0  # noise of a kernel for interactions of five and more
_WORTH = 0.8  # of the variance, from which another map is taken
_MOST_TRIED = 512  # pairs
_LOOKED_AT = 24  # fills
_ROUNDING = 1e-9  # of the scores
_ALONE = 1e-5  # of the highest precision: a pair with less is not foretold by the others
_ALIKE = 15  # degrees of freedom of one game, of which a few interactions make the error
_UNLIKE = 1.1  # of the variance: features of one game differ in how far they are off


class _Maps:
    """Maps that were made lately, up to a limit of memory."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, int, int, float], OddMap] = OrderedDict()
        self._lock = Lock()

    def get(self, n: int, n_pairs: int, seed: int, noise: float) -> OddMap:
        """Return a map, made when it is not there."""
        key = (n, n_pairs, seed, noise)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = _make_map(n, n_pairs, seed, noise)
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > 1 and sum(m.nbytes for m in self._kept.values()) > _MAP_BYTES:
                self._kept.popitem(last=False)
        return made


_maps = _Maps()


def shared_map(n: int, n_pairs: int, seed: int, *, noise: float = NOISE) -> OddMap:
    """Return the design of ``n_pairs`` pairs of ``n`` features, and what makes values of it.

    It depends on these numbers alone, so that all inputs share it; the design not on ``noise``.
    """
    return _maps.get(n, n_pairs, seed, noise)


def suited_map(odd_map: OddMap, odd: FloatArray, total: FloatArray, *, seed: int) -> OddMap:
    """Return the map of the same design that is nearer for games like those seen.

    Interactions of five and more are told apart from those of three by residuals; where they make
    most of the error, a kernel that takes them for noise serves better.

    Parameters
    ----------
    odd_map : OddMap
        As made by ``shared_map`` with ``seed``.
    odd : ndarray of shape (p, f, k)
    total : ndarray of shape (f, k)
    """
    n, p, errors = odd_map.n_features, odd_map.n_pairs, odd_map.errors
    if errors is None or p > _MOST_TRIED or odd.size == 0:
        return odd_map
    rest = odd[:, :_LOOKED_AT] - (odd_map.sizes - n / 2)[:, None, None] * (total[:_LOOKED_AT] / n)
    rest = rest.reshape(p, -1)
    rest = rest - np.where(odd_map.design.half, 0.5, -0.5) @ odd_map.apply(rest)
    if np.abs(rest).max() <= _ROUNDING * np.abs(odd).max():
        return odd_map
    residuals = left_out_residuals(odd_map, rest)
    parts = errors.composition(*_pulled(odd_map, rest, residuals))
    if parts[0] * errors.errors[0] > 0.5 * (parts @ errors.errors):
        return odd_map
    other = shared_map(n, p, seed, noise=_STURDY)
    if other.errors is None:
        return odd_map
    worth = parts @ other.errors.errors < _WORTH * (parts @ errors.errors)
    return other if worth else odd_map


def _pulled(
    odd_map: OddMap, odd: FloatArray, residuals: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return precision times odd parts, and their products with these for each free pair."""
    if odd_map.precision is None:
        return np.zeros_like(odd), np.zeros(odd.shape[1])
    pulled = residuals * np.diag(odd_map.precision)[:, None]
    free = max(odd_map.n_pairs - odd_map.n_features + 1, 1)
    return pulled, np.einsum("pm,pm->m", odd, pulled) / free


def _make_map(n: int, n_pairs: int, seed: int, noise: float) -> OddMap:
    if n == 1:  # the whole total is its own
        empty = np.zeros(0)
        none = PairDesign(np.zeros((0, 1), dtype=bool), empty, empty)
        return OddMap(none, np.zeros((1, 0)), None)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(n, n_pairs)))
    design = paired_coalitions(n, n_pairs, rng)
    if n_pairs >= n_all_pairs(n):
        return exact_map(design)
    return odd_map(design, np.full(n, SCALE / np.sqrt(n)), noise, level=True)


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
    values, variance = solve_all(odd_map, odd[:, None], total[None], some=1)
    return values[:, 0], variance[:, 0]


def solve_all(
    odd_map: OddMap | ChainMap, odd: FloatArray, total: FloatArray, *, some: int
) -> tuple[FloatArray, FloatArray]:
    """Return values ``(n, f, k)``, and the variances of the first ``some``, from ``(p, f, k)``."""
    (p, f, k), n = odd.shape, odd_map.n_features
    each = total / n
    odd = odd - (odd_map.sizes - n / 2)[:, None, None] * each
    values = odd_map.apply(odd.reshape(p, f * k)).reshape(n, f, k) + each
    chosen, beyond = odd[:, :some], (values - each)[:, :some]
    if isinstance(odd_map, ChainMap) or odd_map.precision is None or chosen.size == 0:
        return values, np.zeros((n, *chosen.shape[1:]))
    # Linear games leave nothing: without them single precision does for what is left.
    linear = np.where(odd_map.design.half, 0.5, -0.5) @ beyond.reshape(n, -1)
    variance = variances(odd_map, chosen.reshape(p, -1) - linear, games=chosen.shape[1])
    return values, variance.reshape(n, *chosen.shape[1:])


def variances(odd_map: OddMap, odd: FloatArray, *, games: int) -> FloatArray:
    """Return variances of values ``(n, m)``, from what linear games leave of ``odd`` ``(p, m)``.

    ``games`` says how many of the ``m`` have features in orders of their own.
    """
    residuals = left_out_residuals(odd_map, odd)
    p, n = len(odd), odd_map.n_features
    if odd_map.errors is not None:
        pulled, energy = _pulled(odd_map, odd, residuals)
        factor = factor_of(odd_map.errors, pulled, energy, free=p - n + 1, games=games)
    else:  # leave-one-out residuals overstate when there are few pairs for each feature
        # Kernels fitted to the scores have no neighbours to lean on that the fit has not seen.
        share = (1 - min(p / n_all_pairs(n), 1.0)) ** 2
        factor = share * (1 - min(n / p, 1.0) ** 1.5)
    return np.asarray(factor * (odd_map.weights**2 @ residuals**2))


def factor_of(
    errors: OrderErrors, pulled: FloatArray, energy: FloatArray, *, free: float, games: int
) -> float:
    """Return the variance of values over what leave-one-out residuals say, never too small.

    Parameters
    ----------
    errors : OrderErrors
    pulled, energy : ndarray of shape (p, m) and (m,)
        As for ``OrderErrors.factor``.
    free : float
        Pairs of one game less what was fitted to them.
    games : int
        How many have features in orders of their own: what one is off by is luck.
    """
    known = 1 / (1 / (max(free, 1.0) + len(energy) - 1) + 1 / (_ALIKE * games))
    unsure = student_factor(1 + known)
    return _UNLIKE * errors.factor(pulled, energy) * unsure**2


def left_open(n: int, n_pairs: int) -> float:
    """Return the share of the variance that pairs of ``n`` features leave which are not asked.

    These are few when many are asked, and lie between those asked, the closer, the more there are:
    in small games each pair has most of its neighbours asked.
    """
    whole = n_all_pairs(n)
    return float((1 - min(n_pairs / whole, 1.0)) ** max(_NEAR * sqrt(whole), 2.0))


def left_out_residuals(odd_map: OddMap, odd: FloatArray) -> FloatArray:
    """Return what each pair is off from what the others say of it, shape ``(p, m)``.

    0 for a pair without which the others say nothing.
    """
    precision = odd_map.precision
    if precision is None:
        return np.zeros_like(odd)
    sharp = foretold(np.diag(precision).astype(np.float64))
    scale = np.maximum(np.abs(odd).max(axis=0), 1e-300)
    single = precision @ (odd / scale).astype(np.float32) / sharp[:, None]
    residual: FloatArray = single.astype(np.float64)
    residual *= scale
    return residual


def foretold(sharp: FloatArray) -> FloatArray:
    """Return precisions ``(p,)`` of single pairs, infinite where the others foretell nothing."""
    return np.where(sharp > _ALONE * sharp.max(), sharp, np.inf)
