"""Fills solved together: all are the same model, which one process describes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from blackbox_xai.coalitions.shapley import n_all_pairs
from blackbox_xai.explainers.shapley.alike import Solved
from blackbox_xai.explainers.shapley.choosing import choose, few_pairs
from blackbox_xai.explainers.shapley.fitting import Scored
from blackbox_xai.explainers.shapley.maps import left_open
from blackbox_xai.protocols import Closeness, FloatArray, IntArray
from blackbox_xai.solvers.product_kernel import Sight
from blackbox_xai.solvers.shared_process import shared_values

__all__ = ["need_others", "solve_together"]

_MOST_FEATURES = 300
_MOST_PARTS = 2000  # of pairs, odd or even, in one process; its cost is their cube
_MOST_ALONE = 1600  # of one fill, all of whose parts are in one process
_FEWEST_BOTH, _FEWEST_ODD = 7, 2  # fills in one process, by which parts are looked at
_WORK = 9e10  # parts of all fills times the square of those in one process
_TRIAL = 160  # pairs that the process is chosen by
_TRIAL_EACH, _TRIAL_ALONE = 300, 600  # the most of one fill among others, and alone
_FEW = 3  # fills, whose features have scales of their own
_APART = 0.3  # closeness of an input and the one fill
_UNSURE, _BY_FEW = 1.4, 3.0  # on the variance, for what is taken for known; the more, the fewer
_OPEN = 0.4  # of the variance: where a fill's own pairs leave less, they need no help


def solve_together(
    scored: Sequence[Scored], solved: Sequence[Solved], closeness: Closeness | None
) -> tuple[FloatArray, FloatArray] | None:
    """Return the weighted sum of the values of all fills, and its variance, both ``(d, k)``.

    None where the designs are too large, or closeness is not known or no covariance.

    Parameters
    ----------
    scored, solved : sequence
        Blocks of fills, and what each fill says by itself.
    closeness : Closeness or None
    """
    index = [(s, i) for s, block in enumerate(scored) for i in range(len(block.block.fills))]
    if not index or (closeness is None and len(index) > 1):
        return None
    fills = _Fills(scored, solved, closeness, index)
    pairs = np.array([scored[s].block.odd_map.n_pairs + 1 for s, _ in index])
    for parts, even in ((2 * pairs, True), (pairs, False)):
        if (most := _most(parts, even=even)) and fills.d <= _MOST_FEATURES:
            try:
                return fills.solve(parts, most, even=even)
            except np.linalg.LinAlgError:
                return None
    return None


def need_others(scored: Sequence[Scored]) -> bool:
    """Whether some fill's own pairs leave so much open that those of others can tell more."""
    maps = [s.block.odd_map for s in scored]
    return any(left_open(m.n_features, m.n_pairs) > _OPEN for m in maps if m.n_features > 1)


class _Fills:
    """All fills, and what they are to each other."""

    def __init__(
        self,
        scored: Sequence[Scored],
        solved: Sequence[Solved],
        closeness: Closeness | None,
        index: Sequence[tuple[int, int]],
    ) -> None:
        self._scored, self._solved, self._closeness = scored, solved, closeness
        self._index = index
        self.d = solved[0].values.shape[1]

    def solve(self, parts: IntArray, most: float, *, even: bool) -> tuple[FloatArray, FloatArray]:
        """Return the weighted sum of the values, and its variance."""
        size = _sizes(self._solved)
        some, pairs = _trial(parts // (1 + even), self.d)
        trial = [few_pairs(sight, pairs) for sight in self._sights(some)]
        few = len(parts) <= _FEW
        guess, tilt = choose(trial, self._alike(some), size, even=even, by_feature=few)
        values, variance = np.zeros((2, *self._solved[0].values.shape[1:]))
        for group in _groups(parts, most):
            sights = self._sights(group)
            belief = guess.belief(sights, self._alike(group), size, tilt, even=even)
            more, error = shared_values(sights, belief)
            values += more + self._first(group)
            variance += error * np.mean([_open(sight) for sight in sights])
        return values, variance * _UNSURE * (1 + _BY_FEW * self.d / parts.sum())

    def _first(self, fills: IntArray) -> FloatArray:
        """Return the weighted sum of the first guesses of some fills."""
        own = [self._index[at] for at in fills]
        shares = np.array([self._scored[s].block.share[i] for s, i in own])
        return np.tensordot(shares, np.stack([self._solved[s].values[i] for s, i in own]), 1)

    def _sights(self, fills: IntArray) -> list[Sight]:
        own = [self._index[at] for at in fills]
        return [_sight(self._scored[s], self._solved[s].values[i], i) for s, i in own]

    def _alike(self, fills: IntArray) -> FloatArray:
        """Return how close the values of each feature are: of the input, then of some fills."""
        own = [self._index[at] for at in fills]
        if len(self._index) > 1 and self._closeness is not None:
            return self._closeness(np.array([self._scored[s].block.fills[i] for s, i in own]))
        s, i = own[0]
        varies = self._scored[s].block.place[i] < self._scored[s].block.odd_map.n_features
        alike = np.ones((self.d, 2, 2))
        alike[:, 0, 1] = alike[:, 1, 0] = np.where(varies, _APART, 1.0)
        return alike


def _most(parts: IntArray, *, even: bool) -> float:
    """Return how many parts one process may have; 0 where too few fills would be in it.

    Even parts tell less of the values than as many odd ones of other fills.
    """
    if len(parts) == 1:
        return float(parts[0]) if parts[0] <= _MOST_ALONE else 0.0
    most = min(_MOST_PARTS, float(np.sqrt(_WORK / parts.sum())))
    fewest = min(_FEWEST_BOTH if even else _FEWEST_ODD, len(parts))
    return most if fewest * parts.max() <= most else 0.0


def _trial(pairs: IntArray, d: int) -> tuple[IntArray, int]:
    """Return a few fills, and how many pairs of each are to be looked at.

    Pairs of a fill tell of the process what its linear game leaves of them: of many pairs that is
    another thing than of few.
    """
    each = min(max(_TRIAL // 4, 5 * d), _TRIAL_EACH)
    if len(pairs) == 1:
        each = min(max(_TRIAL, 4 * d), _TRIAL_ALONE)
    n_fills = max(_TRIAL // min(each, int(pairs.max())), 2)
    return np.linspace(0, len(pairs) - 1, min(n_fills, len(pairs))).astype(np.intp), each


def _groups(parts: IntArray, most: float) -> Iterator[IntArray]:
    """Yield runs of fills with about equal numbers of parts, none with more than ``most``."""
    n_groups = int(np.ceil(parts.sum() / max(most - parts.max(), parts.max())))
    number = (np.cumsum(parts) - parts) * n_groups // parts.sum()
    for group in range(n_groups):
        if len(members := np.flatnonzero(number == group)):
            yield members


def _sight(scored: Scored, guess: FloatArray, i: int) -> Sight:
    """Return what was scored of fill ``i`` of a block, less the guess ``(d, k)``."""
    block = scored.block
    half = block.odd_map.kept(block.place[[i]], 0, block.odd_map.n_pairs)[:, 0]
    active = block.place[i] < block.odd_map.n_features
    whole = np.ones((1, len(active)), dtype=bool)
    odd, even = scored.odd[:, i] - np.where(half, 0.5, -0.5) @ guess, scored.even[:, i]
    return Sight(
        kept=np.vstack([half, ~half | ~active, whole, ~whole | ~active]),
        scores=np.vstack([even + odd, even - odd, np.zeros((2, odd.shape[1]))]),
        active=active,
        share=float(block.share[i]),
    )


def _sizes(solved: Sequence[Solved]) -> FloatArray:
    """Return how much each feature does, in the mean over fills and outputs."""
    square = np.concatenate([s.values**2 for s in solved]).mean(axis=0)
    each = square / np.maximum(square.mean(axis=0), 1e-300)
    return np.asarray(np.sqrt(each.mean(axis=1)))


def _open(sight: Sight) -> float:
    """Return the factor on the variance for pairs that are not left to chance."""
    return 1 - (len(sight.kept) // 2 - 1) / n_all_pairs(int(sight.active.sum()))
