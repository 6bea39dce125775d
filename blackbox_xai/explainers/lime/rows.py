"""LIME's neighbourhoods of a row of a table whose values are drawn rather than hidden."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.special import ndtri

from blackbox_xai.coalitions.bins import BinLaws, net_size, quartile_laws, sobol_points
from blackbox_xai.coalitions.quartiles import N_BINS, LevelArray
from blackbox_xai.explainers.lime.neighbourhood import Surrogate
from blackbox_xai.maskers.draws import DrawnRow
from blackbox_xai.protocols import BoolArray, FloatArray
from blackbox_xai.solvers.additive import fit_contrasts
from blackbox_xai.solvers.ridge import fit_ridge, held_out_r2, linear_r2
from blackbox_xai.values import Query, Steps

__all__ = ["draw_around", "draw_bins"]

# Rows asked for each level before levels are told apart; fewer, and noise would be fitted.
_ROWS_PER_LEVEL = 2


def draw_bins(
    row: DrawnRow, rng: np.random.Generator, *, n_samples: int, kernel_width: float, alpha: float
) -> Steps[Surrogate]:
    """Fit "in the same bin as x, or not" to rows drawn bin by bin.

    Columns of numbers are cut at the quartiles of the background; a bin is drawn by its share of
    the data, then a normal value with the bin's mean and deviation, cut at the bin's ends. Other
    columns take the category of a background row. The kernel is part of the law that rows are
    drawn from, so they all count alike.

    Parameters
    ----------
    row : DrawnRow
    rng : Generator
    n_samples : int
        Model rows, that of the input itself included.
    kernel_width : float
        Width of the exponential kernel on the root of the number of bins left.
    alpha : float
        Ridge penalty of the surrogate whose fit is reported.

    Returns
    -------
    Surrogate

    References
    ----------
    Garreau and von Luxburg (2020), Explaining the Explainer: a first theoretical analysis of
    LIME, theorem 3.1 (the limit of the coefficients).
    """
    n, c = n_samples - 1, len(row.feature_names)
    penalty = float(np.exp(-1 / (2 * kernel_width**2)))
    law = _RowLaw(row, penalty)
    cells, levels, same = law.draw(sobol_points(c, n, rng))
    scores = yield Query(cells.T, view=row)
    shares, own = law.shares, law.own
    if int((shares > 0).sum()) * _ROWS_PER_LEVEL > n:
        shares, own = np.stack([law.same, 1 - law.same], axis=1), np.array([[True, False]] * c)
        levels = (~same).astype(np.int8)
    fit = fit_contrasts(levels, shares, own, scores, net=net_size(n))
    z = same.astype(np.float32).T
    mean_weight = float(np.prod(law.kernel_mean))
    return Surrogate(
        coef=fit.effects,
        std_err=fit.std_err,
        intercept=fit.mean - law.same @ fit.effects,
        r2=linear_r2(z, scores, fit.effects),
        held_out_r2=held_out_r2(z, scores, alpha=alpha / max(mean_weight, 1e-12)),
        share_near=float((same.sum(axis=0) >= c / 2).mean()),
        n_samples=n,
        n_effective=float(n),
        n_effective_if_weighted=n * law.effective_share,
    )


def draw_around(
    row: DrawnRow, rng: np.random.Generator, *, n_samples: int, width: float, alpha: float
) -> Steps[Surrogate]:
    """Fit a plane to rows drawn around ``x``.

    Columns of numbers move by a normal step of ``width`` standard deviations of the background;
    other columns keep their category every second time. Coefficients are the change of the score
    for one standard deviation, or for keeping the category.

    Parameters
    ----------
    row, rng, n_samples, alpha
        As for ``draw_bins``.
    width : float
        Standard deviation of the steps, in standard deviations of the background.

    Returns
    -------
    Surrogate
    """
    n, c = n_samples - 1, len(row.feature_names)
    points, numeric, spread = sobol_points(c, n, rng), row.numbers.there, row.numbers.spread
    steps = width * ndtri(np.clip(points[numeric], 1e-12, 1 - 1e-12))
    cells, z = np.empty((c, n)), np.empty((c, n))
    cells[numeric] = row.x[numeric, None] + steps * spread[numeric, None]
    z[numeric] = np.where(spread[numeric, None] > 0, steps, 0.0)
    for j in np.flatnonzero(~numeric):
        cells[j] = _category(row, int(j), points[j], 0.5)
        z[j] = cells[j] < 0
    scores = yield Query(cells.T, view=row)
    design = np.ascontiguousarray(z.T)
    fit = fit_ridge(design, scores, alpha=alpha, net=net_size(n))
    near = (np.abs(z) <= np.where(numeric, 1.0, 0.5)[:, None]) | (~numeric[:, None] & (z > 0))
    return Surrogate(
        coef=fit.coef,
        std_err=fit.std_err,
        intercept=fit.intercept,
        r2=fit.r2,
        held_out_r2=fit.held_out_r2,
        share_near=float((near.sum(axis=0) >= c / 2).mean()),
        n_samples=n,
        n_effective=float(n),
        n_effective_if_weighted=float(n),
        notes={"unit": "one standard deviation of the background"},
    )


class _RowLaw:
    """Law of rows near ``x``: columns are independent, each a choice of levels.

    The levels of a column of numbers are its bins; any other column has the levels "as in x" and
    "another category".
    """

    def __init__(self, row: DrawnRow, penalty: float) -> None:
        self.row, self.penalty = row, penalty
        self.numeric = row.numbers.there
        alike = np.ones(0)
        if not self.numeric.all():
            alike = 1 - row.inner.fill_weights @ row.inner.varies[:, ~self.numeric]
        self._same_category = alike / (alike + (1 - alike) * penalty)
        self._mass = np.empty(len(self.numeric))
        self._mass[~self.numeric] = alike
        if self.numeric.any():
            self._mass[self.numeric] = self.bins.natural_share

    @cached_property
    def bins(self) -> BinLaws:
        """Laws of the columns of numbers."""
        return quartile_laws(self.row.numbers.quartiles, self.row.x[self.numeric], self.penalty)

    @cached_property
    def shares(self) -> FloatArray:
        """Probability of each level, shape ``(c, b)``."""
        shares = np.zeros((len(self.numeric), N_BINS))
        shares[~self.numeric, 0] = self._same_category
        shares[~self.numeric, 1] = 1 - self._same_category
        if self.numeric.any():
            shares[self.numeric] = self.bins.shares
        return shares

    @cached_property
    def own(self) -> BoolArray:
        """Which levels count as those of ``x``, shape ``(c, b)``."""
        own: BoolArray = np.arange(N_BINS) == np.zeros((len(self.numeric), 1))
        if self.numeric.any():
            own[self.numeric] = np.arange(N_BINS) == self.bins.own[:, None]
        return own

    @cached_property
    def same(self) -> FloatArray:
        """Probability that a column stays in the bin or category of ``x``, shape ``(c,)``."""
        return np.asarray((self.shares * self.own).sum(axis=1), dtype=np.float64)

    @property
    def kernel_mean(self) -> FloatArray:
        """Mean kernel weight of each column under the data's own law, shape ``(c,)``."""
        return self._mass + (1 - self._mass) * self.penalty

    @property
    def effective_share(self) -> float:
        """Effective share of rows drawn from the data's law and weighted by the kernel."""
        squares = self._mass + (1 - self._mass) * self.penalty**2
        return float(np.prod(self.kernel_mean**2 / squares))

    def draw(self, points: FloatArray) -> tuple[FloatArray, LevelArray, BoolArray]:
        """Return cells, levels and "as in x", each ``(c, n)``, for points of the unit cube."""
        if self.numeric.all():
            drawn = self.bins.draw(points)
            return drawn.values, drawn.bins, drawn.bins == self.bins.own[:, None]
        cells = np.empty(points.shape)
        levels = np.zeros(points.shape, dtype=np.int8)
        same = np.empty(points.shape, dtype=bool)
        if self.numeric.any():
            drawn = self.bins.draw(points[self.numeric])
            cells[self.numeric] = drawn.values
            levels[self.numeric] = drawn.bins
            same[self.numeric] = drawn.bins == self.bins.own[:, None]
        for share, j in zip(self._same_category, np.flatnonzero(~self.numeric), strict=True):
            cells[j] = _category(self.row, int(j), points[j], float(share))
            same[j] = cells[j] < 0
            levels[j] = np.where(same[j], 0, 1)
        return cells, levels, same


def _category(row: DrawnRow, j: int, points: FloatArray, same: float) -> FloatArray:
    """Return -1 with probability ``same``, else a background row of another category."""
    others = row.inner.fill_weights * row.inner.varies[:, j]
    total = others.sum()
    if total <= 0:
        return np.full(len(points), -1.0)
    rest = np.clip((points - same) / max(1 - same, 1e-12), 0, 1 - 1e-12)
    chosen = np.searchsorted(np.cumsum(others / total), rest, side="right")
    chosen = np.minimum(chosen, np.flatnonzero(others)[-1])
    return np.where(points < same, -1.0, chosen)
