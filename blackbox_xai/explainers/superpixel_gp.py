"""Superpixel maps by Gaussian-process regression: the most faithful map for few queries."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from blackbox_xai._checks import check_fraction, check_int, shown
from blackbox_xai.coalitions.fields import spread_levels, subsets_from_fields, top_shares
from blackbox_xai.coalitions.subsets import stratified_draws
from blackbox_xai.errors import InputError
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.layouts import ImageLayout
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray
from blackbox_xai.results import Attribution
from blackbox_xai.solvers.gaussian_process import Moments, SmoothFit, fit_smooth
from blackbox_xai.values import Query, Steps, ValueFunction

__all__ = ["SuperpixelGP"]

_FIRST_SHARE = 0.4
_ROUNDS = 3
# With fewer pairs of masks for each superpixel, the first answers are no guide to the next masks.
_PAIRS_EACH = 1.25
# Length scales as shares of the image's side: of the masks, and of the effects to choose from.
_MASK_LENGTHS = np.array([0.055, 0.11, 0.22])
_EFFECT_LENGTHS = np.array([0.045, 0.09, 0.18, 0.36])
# Colours that differ by the whole range of the image are this far apart.
_COLOUR = 0.35


@dataclass(frozen=True, kw_only=True)
class SuperpixelGP(LocalExplainer):
    """Effects of superpixels, regressed on smooth random masks with a spatial prior.

    Superpixels that are near each other and of like colour are taken to have similar effects for
    each pixel; how similar, how strong and how noisy is read off the scores themselves (marginal
    likelihood). With ``adaptive``, the later masks keep, or hide, what an image drawn from the
    posterior ranks highest, so that queries go where the ranking is still open. Segments of
    like size, as those of ``ImageMasker()``, suit it best, and one grey fill.

    Parameters
    ----------
    budget : int
        Model rows spent at most, that of the image itself included.
    adaptive : bool
        Whether 60 % of the budget follow the posterior in three rounds, given two and a half rows
        for each superpixel; otherwise all masks are drawn at the start.
    reliability : float, optional
        Stop between rounds as soon as the expected squared correlation of the map with the one
        that endless queries would give reaches this, 0 to 1. None spends the budget.

    Notes
    -----
    ``values`` are total effects: the score that goes when the superpixel goes, as the mean over
    masks. ``heatmap`` holds effects per pixel, which do not favour large superpixels.
    ``std_err`` are posterior standard deviations, with the noise that each superpixel's own masks
    show: masks that follow the posterior have less of it than masks have on average.

    All outputs are regressed on all masks. The adaptive masks take turns between the outputs
    asked for, by how much of each, in its own unit, is still unknown; for the best map of one
    output, ask for that one alone.

    References
    ----------
    Rasmussen and Williams (2006), Gaussian Processes for Machine Learning, equations 2.9, 5.8.
    Thompson (1933), On the likelihood that one unknown probability exceeds another.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> image = np.random.default_rng(0).random((32, 32, 3))
    >>> masker = bx.ImageMasker(bx.Grid(rows=4, columns=4), fill=0.0)
    >>> def top_left(images):
    ...     return images[:, :8, :8].mean(axis=(1, 2, 3))
    >>> why = SuperpixelGP(budget=60).explain(top_left, image, masker)
    >>> int(np.argmax(why.values[:, 0])), why.cost.rows <= 60
    (0, True)
    """

    budget: int = 500
    adaptive: bool = True
    reliability: float | None = None

    def _attribute(self, v: ValueFunction, rng: np.random.Generator) -> Steps[Attribution]:
        places = _places(v)
        full = (yield Query(np.ones((1, v.n_features), dtype=bool)))[0]
        run = _Run(v, places, len(full))
        schedule = self._schedule(v.n_features)
        for i, n in enumerate(schedule):
            kept = run.posterior_masks(n, rng) if i else places.masks(n, rng)
            yield from run.ask(kept, rng)
            if self._reliable(run):
                break
        return run.attribution()

    def _schedule(self, d: int) -> list[int]:
        """Return how many masks, with their complements, each round sends."""
        pairs = (self.budget - 1) // 2
        if not self.adaptive or pairs < _PAIRS_EACH * d:
            return [pairs]
        first = max(round(_FIRST_SHARE * pairs), 1)
        cuts = [first + (pairs - first) * i // _ROUNDS for i in range(_ROUNDS + 1)]
        return [first, *(b - a for a, b in pairwise(cuts) if b > a)]

    def _reliable(self, run: _Run) -> bool:
        return self.reliability is not None and bool((run.reliability() >= self.reliability).all())

    def _max_rows(self) -> int | None:
        return self.budget

    def _check(self) -> None:
        super()._check()
        check_int("budget", self.budget, minimum=3, hint="One row is the image itself.")
        if not isinstance(self.adaptive, bool):
            raise InputError(f"adaptive must be True or False, got {shown(self.adaptive)}.")
        if self.reliability is not None:
            check_fraction("reliability", self.reliability)


@dataclass(frozen=True, eq=False)
class _Places:
    """Where the superpixels lie and how many pixels they have.

    A place is a position, in shares of the longer side, and a colour, in shares of the image's
    range times ``_COLOUR``.
    """

    labels: IntArray
    centres: FloatArray
    sizes: FloatArray

    def masks(self, n: int, rng: np.random.Generator) -> BoolArray:
        return subsets_from_fields(self.centres, self.sizes, _MASK_LENGTHS, n, rng)


def _places(v: ValueFunction) -> _Places:
    layout = v.masked.layout
    if not isinstance(layout, ImageLayout):
        raise InputError(
            f"SuperpixelGP explains images, got an input of kind {layout.kind!r}. "
            "Use Lime, which needs no neighbourhood between features."
        )
    labels = layout.labels
    inside = labels >= 0
    flat, grid = labels[inside], np.argwhere(inside) / max(labels.shape)
    seen = np.concatenate([grid, _colours(layout)[inside]], axis=1)
    sizes = np.bincount(flat, minlength=v.n_features).astype(np.float64)
    sums = [np.bincount(flat, weights=axis, minlength=v.n_features) for axis in seen.T]
    return _Places(labels, np.stack(sums, axis=1) / sizes[:, None], sizes)


def _colours(layout: ImageLayout) -> FloatArray:
    """Return the colours of pixels, ``(height, width, channels)``, scaled for distances."""
    image, shape = np.asarray(layout.image, dtype=np.float64), layout.labels.shape
    last = image if image.shape[:2] == shape else np.moveaxis(image, 0, -1)
    colours = last.reshape(*shape, -1)
    spread = max(float(np.ptp(colours)), np.finfo(float).tiny)
    scaled: FloatArray = (colours - colours.min()) * (_COLOUR / spread / colours.shape[-1] ** 0.5)
    return scaled


class _Run:
    """What one explanation has learnt so far.

    Masks come with their complements. Half the difference of the two scores holds main effects
    and odd interactions only, so regressing it keeps interactions of even order out of the noise.
    """

    def __init__(self, v: ValueFunction, places: _Places, k: int) -> None:
        self.v, self.places = v, places
        self.level = np.zeros(k)
        self.moments = Moments(v.n_features, k, about_mean=False)
        self.rows: list[tuple[FloatArray, FloatArray]] = []
        self._fit: SmoothFit | None = None

    def ask(self, kept: BoolArray, rng: np.random.Generator) -> Steps[None]:
        """Score masks and their complements, and add up what they tell."""
        masks = np.stack([kept, ~kept], axis=1).reshape(-1, kept.shape[1])
        fills = np.repeat(stratified_draws(self.v.masked.fill_weights, len(kept), rng), 2)
        scores = yield Query(masks) if self.v.n_fills == 1 else Query(masks, fills)
        self.level += scores.sum(axis=0) / 2
        row = kept.astype(np.float64) - 0.5, (scores[::2] - scores[1::2]) / 2
        self.moments.add(*row)
        self.rows.append(row)
        self._fit = None

    @property
    def fit(self) -> SmoothFit:
        """The posterior given all scores."""
        if self._fit is None:
            self._fit = fit_smooth(
                self.moments, self.places.centres, self.places.sizes, _EFFECT_LENGTHS
            )
        return self._fit

    def posterior_masks(self, n: int, rng: np.random.Generator) -> BoolArray:
        """Masks ``(n, d)`` that keep what a draw from the posterior ranks highest."""
        unknown = (self.fit.std_err**2).sum(axis=0)
        total = unknown.sum()
        k = len(unknown)
        turns = stratified_draws(unknown / total if total > 0 else np.full(k, 1 / k), n, rng)
        density = self.fit.draw(turns, rng) / self.places.sizes
        return top_shares(density, self.places.sizes, spread_levels(n, 0.05, 0.9, rng))

    def std_err(self) -> FloatArray:
        """Return standard deviations of the effects, shape ``(d, k)``."""
        design, scores = (np.concatenate(part) for part in zip(*self.rows, strict=True))
        return self.fit.robust_std_err(design, scores)

    def reliability(self) -> FloatArray:
        """Return the expected squared correlation of the map with the true one, for each output."""
        known = self.fit.effects.var(axis=0)
        unknown = (self.std_err() ** 2).mean(axis=0)
        return np.asarray(known / np.maximum(known + unknown, 1e-300), dtype=np.float64)

    def attribution(self) -> Attribution:
        """Return effects, their errors, and the effects per pixel."""
        fit, sizes = self.fit, self.places.sizes
        density = fit.effects / sizes[:, None]
        padded = np.concatenate([density, np.zeros((1, density.shape[1]))])
        return Attribution(
            values=fit.effects,
            base=self.level / self.moments.n - fit.effects.sum(axis=0) / 2,
            std_err=self.std_err(),
            diagnostics={
                "n_masks": 2 * self.moments.n,
                "length": fit.length.tolist(),
                "noise_ratio": fit.noise_ratio.tolist(),
                "reliability": self.reliability().tolist(),
                "effect_per_pixel": density.tolist(),
            },
            heatmap=padded[self.places.labels],
        )
