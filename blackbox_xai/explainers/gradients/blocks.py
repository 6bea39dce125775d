"""Gradients over blocks: of an image's segments, or a table's columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blackbox_xai._checks import check_int, check_positive
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.explainers.gradients.differences import (
    block_differences,
    choose_step,
    refuse_beyond,
)
from blackbox_xai.maskers.shifts import Shifted, shifted
from blackbox_xai.protocols import FloatArray
from blackbox_xai.results import Attribution
from blackbox_xai.solvers.student import student_error
from blackbox_xai.values import Query, Steps, ValueFunction

__all__ = ["BlockGradient", "SmoothGrad"]

_SEARCH_ROWS = 20


@dataclass(frozen=True, kw_only=True)
class BlockGradient(LocalExplainer):
    """Slope of the score along each block, by central differences.

    On images a block is a segment, all of whose pixels rise together: the sum of the gradient
    over it. On tables it is a column of numbers; other columns have slope 0.

    Parameters
    ----------
    step : float, optional
        Length of the step, in units of the input. None: found by halving, for 20 rows more,
        until two steps agree; at least 1 where the input holds integers.
    budget : int
        Model rows spent at most; a plan that needs more is refused before it starts.

    Notes
    -----
    Costs ``2 * d`` rows, one for the input itself, and 20 for the step. ``values`` are in units
    of the score for one unit of the input; ``base`` is the score itself. Integers at the end of
    their type's range cannot move further, which makes their slopes too small.

    References
    ----------
    Simonyan, Vedaldi, Zisserman (2014), Deep Inside Convolutional Networks, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> masker = bx.TabularMasker(np.array([[0.0, 0.0], [1.0, 2.0]]))
    >>> def product(rows):
    ...     return rows[:, 0] * rows[:, 1]
    >>> BlockGradient().explain(product, [2.0, 3.0], masker).values[:, 0].round(6)
    array([3., 2.])
    """

    step: float | None = None
    budget: int = 2000

    def _attribute(self, v: ValueFunction, rng: np.random.Generator) -> Steps[Attribution]:
        full = (yield Query(np.ones((1, v.n_features), dtype=bool)))[0]
        view = shifted(v.masked)
        rows = 2 * int((view.unit > 0).sum()) + (_SEARCH_ROWS if self.step is None else 0)
        refuse_beyond(rows + 1, self.budget, v.n_features)
        steps = yield from _steps(view, self.step, rng)
        slopes = yield from block_differences(view, np.zeros((1, v.n_features)), steps)
        return Attribution(slopes[0], full, diagnostics={"steps": steps.tolist()})

    def _max_rows(self) -> int | None:
        return self.budget

    def _check(self) -> None:
        super()._check()
        _check(self.step, self.budget)


@dataclass(frozen=True, kw_only=True)
class SmoothGrad(LocalExplainer):
    """Mean of the block gradient over noisy copies of the input.

    Parameters
    ----------
    n_points : int
        Noisy copies; they come in pairs of opposite noise.
    noise : float
        Standard deviation of the noise on each block: on images a share of their range, on tables
        in standard deviations of the background.
    step, budget
        As for ``BlockGradient``.

    Notes
    -----
    Costs ``2 * d * n_points`` rows, and 21 more. ``std_err`` is the standard error over pairs,
    given for even ``n_points`` of at least 10.

    References
    ----------
    Smilkov et al. (2017), SmoothGrad: removing noise by adding noise, section 2.2.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> masker = bx.TabularMasker(np.array([[0.0, 0.0], [1.0, 2.0]]))
    >>> SmoothGrad(n_points=4).explain(
    ...     lambda rows: rows @ [3.0, -1.0], [2.0, 3.0], masker
    ... ).values[:, 0].round(6)
    array([ 3., -1.])
    """

    n_points: int = 10
    noise: float = 0.1
    step: float | None = None
    budget: int = 2000

    def _attribute(self, v: ValueFunction, rng: np.random.Generator) -> Steps[Attribution]:
        full = (yield Query(np.ones((1, v.n_features), dtype=bool)))[0]
        view = shifted(v.masked)
        rows = 2 * int((view.unit > 0).sum()) * self.n_points
        rows += _SEARCH_ROWS if self.step is None else 0
        refuse_beyond(rows + 1, self.budget, v.n_features)
        steps = yield from _steps(view, self.step, rng)
        pairs = -(-self.n_points // 2)
        origins = rng.standard_normal((pairs, v.n_features)) * self.noise * view.noise_unit
        origins = np.stack([origins, -origins], axis=1).reshape(-1, v.n_features)
        slopes = yield from block_differences(view, origins[: self.n_points], steps)
        std_err = None
        if self.n_points % 2 == 0:
            means = slopes.reshape(pairs, 2, *slopes.shape[1:]).mean(axis=1)
            std_err = student_error(means)
        diagnostics = {"steps": steps.tolist()}
        return Attribution(slopes.mean(axis=0), full, std_err, diagnostics)

    def _max_rows(self) -> int | None:
        return self.budget

    def _check(self) -> None:
        super()._check()
        _check(self.step, self.budget)
        check_int("n_points", self.n_points, minimum=1)
        check_positive("noise", self.noise)


def _steps(view: Shifted, step: float | None, rng: np.random.Generator) -> Steps[FloatArray]:
    """Return the step of each feature, 0 where it cannot move."""
    if step is not None:
        steps = np.full(len(view.feature_names), step)
    else:
        steps = view.unit * (yield from choose_step(view, rng))
    whole = view.grain > 0
    steps[whole] = np.maximum(np.rint(steps[whole]), view.grain[whole])
    return np.where(view.unit > 0, steps, 0.0)


def _check(step: float | None, budget: int) -> None:
    if step is not None:
        check_positive("step", step)
    check_int("budget", budget, minimum=3)
