"""Integrated gradients over features, from finite differences or exact telescoping."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from blackbox_xai._checks import check_choice, check_int
from blackbox_xai.errors import BudgetError
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.explainers.gradients.differences import refuse_beyond
from blackbox_xai.maskers.paths import blended
from blackbox_xai.protocols import FloatArray, MaskedInput
from blackbox_xai.results import Attribution
from blackbox_xai.solvers.student import student_error
from blackbox_xai.values import Query, Steps, ValueFunction

__all__ = ["IntegratedGradients"]

_STEP = 0.01
_MOST_POINTS = 7
# Equal pieces of the line on which the score is looked at before slopes are taken.
_PIECES = 32
# Slopes and the way travelled may differ by this factor and still be called the same.
_TRUSTED = 3.0


@dataclass(frozen=True, kw_only=True)
class IntegratedGradients(LocalExplainer):
    """Slopes along the straight line from the fill to the input, times the way travelled.

    Parameters
    ----------
    n_points : int, optional
        Points on the line, for ``mode="path"``; without, as many as the budget allows, up to 7.
        The score is first seen at 31 places on the line, and points are put closer where it is
        steep.
    mode : {"path", "telescoping"}
        "path": central differences of each feature at each point, ``2 * d * n_points + 32`` rows
        for each fill; needs features that can be shown in part, as those of images and columns of
        numbers. "telescoping": features are shown one after another in random orders, and each
        is credited with the change of the score; values add up exactly, on any input.
    n_orders : int
        Orders for ``mode="telescoping"``, in pairs of an order and its reverse; their mean tends
        to the Shapley values. ``d - 1`` coalitions each. An even number of at least 10 gives
        ``std_err``; 20 and more make it reliable where effects are rare.
    budget : int
        Model rows spent at most; a plan that needs more is refused before it starts.

    Notes
    -----
    ``diagnostics["completeness_gap"]`` is ``scores - base - values.sum()`` for each output. On the
    path, what the score travelled on each piece of the line is handed to the features: in
    proportion to their slopes where these agree with it within a factor of 3, else by adding the
    rest in proportion to the slopes' sizes. ``diagnostics["quadrature_gap"]`` is the gap without
    that: large, it says that ``n_points`` are too few for this model.

    References
    ----------
    Sundararajan, Taly, Yan (2017), Axiomatic Attribution for Deep Networks, equation 1.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> masker = bx.TabularMasker(np.zeros((1, 2)))
    >>> def product(rows):
    ...     return rows[:, 0] * rows[:, 1]
    >>> why = IntegratedGradients().explain(product, [2.0, 3.0], masker)
    >>> why.values[:, 0].round(6)
    array([3., 3.])
    >>> exact = IntegratedGradients(mode="telescoping").explain(product, [2.0, 3.0], masker)
    >>> exact.diagnostics["completeness_gap"]
    [0.0]
    """

    n_points: int | None = None
    mode: Literal["path", "telescoping"] = "path"
    n_orders: int = 2
    budget: int = 2000

    def _attribute(self, v: ValueFunction, rng: np.random.Generator) -> Steps[Attribution]:
        ends = np.repeat([[True], [False]], v.n_features, axis=1)
        if self.mode == "telescoping":
            values, std_err = yield from self._telescope(v, rng)
            full, base = yield Query(ends)
            gap = full - base - values.sum(axis=0)
            return Attribution(values, base, std_err, {"completeness_gap": gap.tolist()})
        view = blended(v.masked)
        n_points = self._points(v)
        full, base = yield Query(ends)
        line = yield from _along(v, view, np.arange(1, _PIECES)[:, None] / _PIECES)
        profile = np.concatenate([base[None], line, full[None]])
        values, plain = yield from self._follow(v, view, profile, n_points)
        diagnostics = {
            "n_points": n_points,
            "completeness_gap": (full - base - values.sum(axis=0)).tolist(),
            "quadrature_gap": (full - base - plain.sum(axis=0)).tolist(),
        }
        return Attribution(values, base, None, diagnostics)

    def _points(self, v: ValueFunction) -> int:
        """Return how many points there are; refuse what the budget does not allow."""

        def needed(n_points: int) -> int:
            return (2 * v.n_features * n_points + _PIECES) * v.n_fills + 1

        wanted = self.n_points or _MOST_POINTS
        while self.n_points is None and wanted > 1 and needed(wanted) > self.budget:
            wanted -= 1
        refuse_beyond(needed(wanted), self.budget, v.n_features)
        return wanted

    def _follow(
        self, v: ValueFunction, view: MaskedInput, profile: FloatArray, n_points: int
    ) -> Steps[tuple[FloatArray, FloatArray]]:
        """Return values whose pieces add up to the profile where slopes agree, and plain ones."""
        d, k = v.n_features, profile.shape[1]
        values, plain = np.zeros((d, k)), np.zeros((d, k))
        cuts = _cuts(profile[:, int(np.argmax(profile[-1]))], n_points)
        for start, stop in pairwise(cuts):
            length, middle = (stop - start) / _PIECES, (start + stop) / (2 * _PIECES)
            step = min(_STEP, length / 4)
            moves = step * np.eye(d)
            means = yield from _along(v, view, np.concatenate([middle + moves, middle - moves]))
            gains = length * (means[:d] - means[d:]) / (2 * step)
            plain += gains
            total, travelled = gains.sum(axis=0), profile[stop] - profile[start]
            agree = (total * travelled > 0) & (np.abs(travelled) < _TRUSTED * np.abs(total))
            agree &= np.abs(total) < _TRUSTED * np.abs(travelled)
            scaled = gains * travelled / np.where(agree, total, 1.0)
            size = np.abs(gains)
            shared = (travelled - total) * size / np.maximum(size.sum(axis=0), 1e-300)
            values += np.where(agree, scaled, gains + shared)
        return values, plain

    def _telescope(
        self, v: ValueFunction, rng: np.random.Generator
    ) -> Steps[tuple[FloatArray, FloatArray | None]]:
        d = v.n_features
        rows = (self.n_orders * (d - 1) + 1) * v.n_fills + 1
        if rows > self.budget:
            raise BudgetError(
                f"{self.n_orders} orders of {d} features need {rows} model rows, but budget is "
                f"{self.budget}. Lower n_orders, use a coarser masker or fewer fills, or raise "
                "budget."
            )
        pairs = -(-self.n_orders // 2)
        orders = np.argsort(rng.random((pairs, d)), axis=1)
        orders = np.stack([orders, orders[:, ::-1]], axis=1).reshape(-1, d)[: self.n_orders]
        ranks = np.argsort(orders, axis=1)
        shown = ranks[:, None, :] < np.arange(d + 1)[:, None]
        scores = yield Query(shown.reshape(-1, d))
        steps = np.diff(scores.reshape(len(orders), d + 1, -1), axis=1)
        gains = np.take_along_axis(steps, ranks[:, :, None], axis=1)
        if len(orders) % 2:
            return gains.mean(axis=0), None
        means = gains.reshape(pairs, 2, d, -1).mean(axis=1)
        return means.mean(axis=0), student_error(means)

    def _max_rows(self) -> int | None:
        return self.budget

    def _check(self) -> None:
        super()._check()
        if self.n_points is not None:
            check_int("n_points", self.n_points, minimum=1)
        check_choice("mode", self.mode, ("path", "telescoping"))
        check_int("n_orders", self.n_orders, minimum=1)
        check_int("budget", self.budget, minimum=3)


def _along(v: ValueFunction, view: MaskedInput, shares: FloatArray) -> Steps[FloatArray]:
    """Return mean scores over fills, ``(m, k)``, of features shown in part, ``(m, d or 1)``."""
    r = v.n_fills
    shown = np.broadcast_to(shares, (len(shares), v.n_features))
    fills = np.tile(np.arange(r), len(shown))
    scores = yield Query(np.repeat(shown, r, axis=0), fills, view)
    means = np.einsum("mrk,r->mk", scores.reshape(len(shown), r, -1), v.masked.fill_weights)
    return np.asarray(means, dtype=np.float64)


def _cuts(profile: FloatArray, n: int) -> list[int]:
    """Return where to cut the line, as indices of the profile, into at most ``n`` pieces.

    Pieces share the length of the line and the way the score travels equally.
    """
    travelled = np.abs(np.diff(profile))
    weight = np.full(_PIECES, 0.5 / _PIECES)
    if travelled.sum() > 0:
        weight += 0.5 * travelled / travelled.sum()
    reached = np.concatenate([[0.0], np.cumsum(weight)]) / weight.sum()
    nearest = np.abs(reached[:, None] - np.arange(1, n) / n).argmin(axis=0)
    return sorted({0, _PIECES, *(int(i) for i in nearest)})
