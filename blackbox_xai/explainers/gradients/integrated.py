"""Integrated gradients over features, from finite differences or exact telescoping."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from blackbox_xai._checks import check_choice, check_int
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.explainers.gradients.differences import refuse_beyond
from blackbox_xai.maskers.paths import blended
from blackbox_xai.protocols import FloatArray
from blackbox_xai.results import Attribution
from blackbox_xai.solvers.student import student_error
from blackbox_xai.values import Query, Steps, ValueFunction

__all__ = ["IntegratedGradients"]

_STEP = 0.02


@dataclass(frozen=True, kw_only=True)
class IntegratedGradients(LocalExplainer):
    """Slopes along the straight line from the fill to the input, times the way travelled.

    Parameters
    ----------
    n_points : int
        Points on the line (Gauss-Legendre nodes), for ``mode="path"``.
    mode : {"path", "telescoping"}
        "path": central differences of each feature at each point, ``2 * d * n_points * r`` rows
        for ``r`` fills; needs features that can be shown in part, as those of images and columns
        of numbers. "telescoping": features are shown one after another in random orders, and each
        is credited with the change of the score; values add up exactly, on any input.
    n_orders : int
        Orders for ``mode="telescoping"``, in pairs of an order and its reverse; their mean tends
        to the Shapley values. ``d - 1`` coalitions each.
    budget : int
        Model rows spent at most; a plan that needs more is refused before it starts.

    Notes
    -----
    ``diagnostics["completeness_gap"]`` is ``scores - base - values.sum()`` for each output.

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

    n_points: int = 8
    mode: Literal["path", "telescoping"] = "path"
    n_orders: int = 2
    budget: int = 2000

    def _attribute(self, v: ValueFunction, rng: np.random.Generator) -> Steps[Attribution]:
        ends = np.repeat([[True], [False]], v.n_features, axis=1)
        if self.mode == "telescoping":
            values, std_err = yield from self._telescope(v, rng)
        else:
            values, std_err = (yield from self._follow(v)), None
        full, base = yield Query(ends)
        gap = full - base - values.sum(axis=0)
        diagnostics = {"completeness_gap": gap.tolist()}
        return Attribution(values, base, std_err, diagnostics)

    def _follow(self, v: ValueFunction) -> Steps[FloatArray]:
        d, r = v.n_features, v.n_fills
        view = blended(v.masked)
        refuse_beyond(2 * d * r * self.n_points + 1 + r, self.budget, d)
        places, shares = np.polynomial.legendre.leggauss(self.n_points)
        places, shares = (places + 1) / 2, shares / 2
        values = 0.0
        for place, share in zip(places, shares, strict=True):
            step = min(_STEP, place, 1 - place)
            moves = step * np.eye(d)
            points = np.repeat(np.concatenate([place + moves, place - moves]), r, axis=0)
            fills = np.tile(np.arange(r), 2 * d)
            scores = yield Query(points, fills, view)
            means = np.einsum("mrk,r->mk", scores.reshape(2 * d, r, -1), v.masked.fill_weights)
            values = values + share * (means[:d] - means[d:]) / (2 * step)
        return np.asarray(values, dtype=np.float64)

    def _telescope(
        self, v: ValueFunction, rng: np.random.Generator
    ) -> Steps[tuple[FloatArray, FloatArray | None]]:
        d = v.n_features
        refuse_beyond((self.n_orders * (d - 1) + 1) * v.n_fills + 1, self.budget, d)
        pairs = -(-self.n_orders // 2)
        orders = np.argsort(rng.random((pairs, d)), axis=1)
        orders = np.stack([orders, orders[:, ::-1]], axis=1).reshape(-1, d)[: self.n_orders]
        ranks = np.argsort(orders, axis=1)
        shown = ranks[:, None, :] < np.arange(d + 1)[:, None]
        scores = yield Query(shown.reshape(-1, d))
        steps = np.diff(scores.reshape(len(orders), d + 1, -1), axis=1)
        gains = np.take_along_axis(steps, ranks[:, :, None], axis=1)
        if len(orders) < 4 or len(orders) % 2:
            return gains.mean(axis=0), None
        means = gains.reshape(pairs, 2, d, -1).mean(axis=1)
        return means.mean(axis=0), student_error(means)

    def _max_rows(self) -> int | None:
        return self.budget

    def _check(self) -> None:
        super()._check()
        check_int("n_points", self.n_points, minimum=1)
        check_choice("mode", self.mode, ("path", "telescoping"))
        check_int("n_orders", self.n_orders, minimum=1)
        check_int("budget", self.budget, minimum=3)
