"""Sums over fills that grow while scores come in: all that is kept of a round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from blackbox_xai.explainers.shapley.alike import Solved, error_shape, pool_fills, pools
from blackbox_xai.explainers.shapley.blocks import Block, Hidden
from blackbox_xai.explainers.shapley.fitting import Scored, fit_kernel, fitted_values
from blackbox_xai.explainers.shapley.leading import leads, with_triples
from blackbox_xai.explainers.shapley.maps import solve_all, suited_map
from blackbox_xai.explainers.shapley.plan import Plan
from blackbox_xai.explainers.shapley.together import need_others, solve_together
from blackbox_xai.protocols import Closeness, FloatArray, IntArray
from blackbox_xai.solvers.kriging import ChainMap, OddMap

__all__ = ["Sums"]

_RESIDUAL_WORK = 1 << 24  # multiplications for the standard errors of equal designs
_RESIDUAL_FILLS = 24  # fills that they come from at least


@dataclass
class _Spread:
    """Variances of fills with equal designs: their sum, how many, and their squared shares."""

    total: FloatArray | float = 0.0
    fills: int = 0
    share: float = 0.0


class Sums:
    """Running sums over fills: all that is kept of a round."""

    def __init__(
        self,
        d: int,
        full: FloatArray,
        hidden: FloatArray,
        plan: Plan,
        *,
        fit: bool,
        closeness: Closeness | None,
        seed: int,
    ) -> None:
        shape = (d, len(full))
        self.seed = seed
        self.full, self.hidden, self.closeness = full, hidden, closeness
        self.fit, self.repeats, self.chains = fit, plan.repeats, plan.has_chains
        self.n_fills = len(plan.fills)
        self.drawn = float(plan.chance.min(initial=1.0)) < 1
        self.values = np.zeros(shape)
        self.groups: dict[tuple[int, int], _Spread] = {}
        self.square, self.cross = np.zeros(shape), np.zeros(shape)
        self.waiting: list[tuple[Scored, Solved]] = []
        self.held = 0
        self.common = np.zeros(shape)
        self.together = np.zeros(shape)
        self.kernel = "common"

    def take(self, piece: Hidden | Block, scores: FloatArray) -> None:
        """Receive the scores of a piece; one without rows has an array without columns."""
        scores = scores.reshape(-1, len(self.full))
        if isinstance(piece, Hidden):
            self.hidden[piece.fills] = scores
            return
        total = self.full - self.hidden[piece.fills]
        both = scores.reshape(-1, 2, len(total), len(self.full))
        odd = (both[:, 0] - both[:, 1]) / 2
        if isinstance(piece.odd_map, OddMap):
            suited = suited_map(piece.odd_map, odd, total, seed=self.seed)
            piece = replace(piece, odd_map=suited)
        group = self._group(piece)
        values, variance = _solve(piece, odd, total, seen=group.fills)
        of_odd = piece.odd_map
        if isinstance(of_odd, OddMap) and of_odd.precision is not None:
            alike = pools(piece, len(self.full), self.held)
            if alike or self.fit or leads(of_odd, len(self.full), self.n_fills):
                self.held += len(values) * alike
                d = piece.place.shape[1]
                shape = error_shape(piece, of_odd) if alike else np.zeros((0, d, d))
                solved = Solved(piece, values, variance, total, shape)
                even = both.mean(axis=1) - (self.full - total / 2) if self.fit else odd[:0]
                self.waiting.append((Scored(piece, of_odd, odd, total, even), solved))
                self.common += np.tensordot(piece.share, values, 1)
                return
        if isinstance(of_odd, ChainMap):
            variance = self._of_chains(piece, both, values, total)
        self._add(Solved(piece, values, variance, total, np.zeros((0, 0, 0))))

    def _of_chains(
        self, block: Block, both: FloatArray, values: FloatArray, total: FloatArray
    ) -> FloatArray:
        """Return variances of values by chains.

        From chains of the same fill, or else from what features add forth and back, whose mean
        the value is.
        """
        if self.repeats > 1:
            shape = (-1, self.repeats, *values.shape[1:])
            return np.asarray(values.reshape(shape).var(axis=1, ddof=1))
        end = (self.full - total / 2)[None]
        apart = np.diff(both.mean(axis=1), axis=0, prepend=end, append=end) ** 2
        return _to_features((apart + apart.mean(axis=0)) / 2, block.place)

    def finish(self) -> None:
        """Add what waited for the other fills, or for the kernel to be fitted."""
        waiting, found = list(self.waiting), [solved for _, solved in self.waiting]
        self.waiting.clear()
        if self.fit and (self.n_fills == 1 or need_others([scored for scored, _ in waiting])):
            if self._together([scored for scored, _ in waiting], found):
                return
            found = self._fitted(waiting)
        alike = [len(solved.shape) > 0 for solved in found]
        pooled = pool_fills([s for s, is_alike in zip(found, alike, strict=True) if is_alike])
        alone = [s for s, is_alike in zip(found, alike, strict=True) if not is_alike]
        if self.kernel == "common":
            apart = [s for (s, _), is_alike in zip(waiting, alike, strict=True) if not is_alike]
            alone = with_triples(apart, alone)
        for solved in [*pooled, *alone]:
            self._add(solved)

    def _together(self, scored: Sequence[Scored], found: Sequence[Solved]) -> bool:
        """Add the values of all fills by one process; False where that is not worth it."""
        if self.drawn or self.chains or not need_others(scored):
            return False
        both = solve_together(scored, found, self.closeness)
        if both is None:
            return False
        self.values += both[0]
        self.together += both[1]
        self.kernel = "shared" if self.n_fills > 1 else "fitted"
        return True

    def _fitted(self, waiting: Sequence[tuple[Scored, Solved]]) -> list[Solved]:
        """Return the values of fills by a kernel fitted to them, where that is better."""
        kernel = fit_kernel([scored for scored, _ in waiting], self.common)
        if kernel is None:
            return [solved for _, solved in waiting]
        self.kernel = "fitted"
        return [
            fitted_values(scored, kernel, shaped=len(solved.shape) > 0)
            for scored, solved in waiting
        ]

    def _group(self, block: Block) -> _Spread:
        return self.groups.setdefault((block.odd_map.n_features, block.odd_map.n_pairs), _Spread())

    def _add(self, solved: Solved) -> None:
        block, values, variance, total = solved.block, solved.values, solved.variance, solved.total
        share, group = block.share, self._group(block)
        self.values += np.tensordot(share, values, 1)
        self.square += np.tensordot(share, values**2, 1)
        self.cross += np.tensordot(share, values * total[:, None], 1)
        group.share += float(share**2 @ block.chance)
        group.total = group.total + variance.sum(axis=0)
        group.fills += len(variance)

    def within(self) -> FloatArray:
        """Variance of the values of the fills, ``(d, k)``."""
        variance = self.together.copy()
        for group in self.groups.values():
            if group.fills:
                variance += group.share / group.fills * group.total
        return variance


def _solve(
    block: Block, odd: FloatArray, total: FloatArray, *, seen: int
) -> tuple[FloatArray, FloatArray]:
    """Return values ``(f, d, k)`` of the fills and variances ``(g, d, k)`` of the first ``g``.

    Where designs are large, variances come from some of the fills; ``seen`` have theirs already.
    """
    p, _, k = odd.shape
    wanted = max(_RESIDUAL_WORK // (p * p * k + 1), _RESIDUAL_FILLS)
    beyond, variance = solve_all(block.odd_map, odd, total, some=max(wanted - seen, 0))
    some = variance.shape[1]
    return _to_features(beyond, block.place), _to_features(variance, block.place[:some])


def _to_features(by_place: FloatArray, place: IntArray) -> FloatArray:
    """Return ``(f, d, k)`` from values ``(n, f, k)`` by place; 0 where nothing varies."""
    _, f, k = by_place.shape
    padded = np.concatenate([by_place, np.zeros((1, f, k))])
    return padded[place, np.arange(f)[:, None]]
