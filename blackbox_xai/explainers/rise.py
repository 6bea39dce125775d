"""RISE: how the score moves with the presence of each part, over random masks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from blackbox_xai._checks import check_choice, check_fraction, check_int
from blackbox_xai.coalitions.soft_masks import SoftGrid
from blackbox_xai.coalitions.subsets import stratified_draws
from blackbox_xai.errors import InputError
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.layouts import ImageLayout
from blackbox_xai.protocols import FloatArray, IntArray, MaskedInput, PixelInput
from blackbox_xai.results import Attribution
from blackbox_xai.solvers.gaussian_process import Moments, fit_smooth
from blackbox_xai.solvers.slopes import SlopeSums, slopes
from blackbox_xai.solvers.student import student_factor
from blackbox_xai.values import Query, Steps, ValueFunction

__all__ = ["Rise"]

_BLOCK = 32
_GROUPS = 10
# Errors need the sums of every group of masks; beyond this there is one group, and no errors.
_MOST_BYTES = 1 << 30
_PRIOR_CELLS = 14
_PRIOR_LENGTHS = np.array([0.05, 0.1, 0.2, 0.4])


@dataclass(frozen=True, kw_only=True)
class Rise(LocalExplainer):
    """Slope of the score on the presence of each pixel, word or column, over random masks.

    Images are hidden by soft masks: coarse random grids, enlarged by linear interpolation and
    shifted. ``heatmap`` holds the slope for each pixel and ``values`` its mean over each segment.
    Other inputs have features kept at random. Masks stream: memory does not grow with their
    number.

    Parameters
    ----------
    n_samples : int
        Model rows spent at most, that of the input itself included.
    cells : int
        Cells of the grid along each side of an image.
    p_keep : float
        Probability that a cell or feature is kept.
    prior : {"gp"}, optional
        On images, take neighbouring cells (at most 14 x 14) to have similar effects and regress
        on all of them at once, instead of one pixel at a time. Without ``std_err``: masks this
        coarse leave the finer cells to the prior, whose word is not an error bar.

    Notes
    -----
    The published estimator, the mean of score times mask over ``p_keep``, is not centred: most of
    its variance is the mean score times the chance coverage of a pixel. This one is the
    regression slope ``cov(score, mask) / var(mask)``, which has the same expectation up to a
    constant and a factor. ``base`` is the mean score of masked inputs. On images, ``std_err`` is
    left out where its sums would need more than a gigabyte, 80 bytes a pixel and output.

    References
    ----------
    Petsiuk, Das, Saenko (2018), RISE: Randomized Input Sampling for Explanation, equation 6.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> masker = bx.TabularMasker(np.zeros((1, 3)))
    >>> why = Rise(n_samples=400).explain(lambda X: X @ [3.0, 0.0, -1.0], np.ones(3), masker)
    >>> int(np.argmax(why.values[:, 0])), int(np.argmin(why.values[:, 0]))
    (0, 2)
    """

    n_samples: int = 1000
    cells: int = 7
    p_keep: float = 0.5
    prior: Literal["gp"] | None = None

    def _attribute(self, v: ValueFunction, rng: np.random.Generator) -> Steps[Attribution]:
        layout = v.masked.layout
        if isinstance(v.masked, PixelInput) and isinstance(layout, ImageLayout):
            height, width = layout.labels.shape
            masks = SoftGrid(height, width, self.cells)
            view = v.masked.pixels()
            if self.prior is None:
                return (yield from self._map(v, view, layout.labels, masks, rng))
            return (yield from self._smooth_map(v, view, layout.labels, masks, rng))
        if self.prior is not None:
            raise InputError(
                f"prior='gp' needs an image, got an input of kind {layout.kind!r}. "
                "Leave it at None."
            )
        return (yield from self._features(v, rng))

    def _features(self, v: ValueFunction, rng: np.random.Generator) -> Steps[Attribution]:
        n, d = self.n_samples - 1, v.n_features
        fills = stratified_draws(v.masked.fill_weights, n, rng)
        kept = rng.random((n, d)) < self.p_keep
        scores = yield Query(kept, None if v.n_fills == 1 else fills)
        values, std_err = slopes(kept.astype(np.float64), scores)
        return Attribution(values, scores.mean(axis=0), std_err, {"n_masks": n})

    def _map(
        self,
        v: ValueFunction,
        view: MaskedInput,
        labels: IntArray,
        masks: SoftGrid,
        rng: np.random.Generator,
    ) -> Steps[Attribution]:
        sums: SlopeSums | None = None
        groups = 1
        for i, n in enumerate(_blocks(self.n_samples - 1)):
            soft = masks.masks(*masks.draw(n, self.p_keep, rng)).reshape(n, -1)
            fills = stratified_draws(v.masked.fill_weights, n, rng)
            scores = yield Query(soft, fills, view)
            if sums is None:
                fits = 8 * _GROUPS * labels.size * scores.shape[1] <= _MOST_BYTES
                groups = _GROUPS if fits else 1
                sums = SlopeSums(labels.size, scores.shape[1], groups)
            sums.add(i % groups, soft, scores)
        if sums is None:
            raise InputError(f"n_samples must be at least 3, got {self.n_samples}.")
        whole = sums.slopes()
        return Attribution(
            values=_by_segment(whole, labels, v.n_features),
            base=sums.mean,
            std_err=_left_out(sums, labels, v.n_features) if groups > 1 else None,
            diagnostics={"n_masks": int(sums.n.sum())},
            heatmap=whole.T.reshape(*labels.shape, -1),
        )

    def _smooth_map(
        self,
        v: ValueFunction,
        view: MaskedInput,
        labels: IntArray,
        masks: SoftGrid,
        rng: np.random.Generator,
    ) -> Steps[Attribution]:
        rows, columns = (min(_PRIOR_CELLS, side) for side in labels.shape)
        moments: list[Moments] = []
        for n in _blocks(self.n_samples - 1):
            grids, shifts = masks.draw(n, self.p_keep, rng)
            fills = stratified_draws(v.masked.fill_weights, n, rng)
            scores = yield Query(masks.masks(grids, shifts).reshape(n, -1), fills, view)
            moments = moments or [Moments(rows * columns, scores.shape[1])]
            moments[0].add(masks.averages(grids, shifts, rows, columns), scores)
        place = np.indices((rows, columns)).reshape(2, -1).T / max(rows, columns)
        fit = fit_smooth(moments[0], place, np.ones(len(place)), _PRIOR_LENGTHS)
        down = np.arange(labels.shape[0]) * rows // labels.shape[0]
        across = np.arange(labels.shape[1]) * columns // labels.shape[1]
        cell = (down[:, None] * columns + across).ravel()
        k = fit.effects.shape[1]
        heatmap = fit.effects[cell]
        return Attribution(
            values=_by_segment(heatmap.T, labels, v.n_features),
            base=moments[0].scores / moments[0].n,
            diagnostics={"n_masks": moments[0].n, "length": fit.length.tolist()},
            heatmap=heatmap.reshape(*labels.shape, k),
        )

    def _max_rows(self) -> int | None:
        return self.n_samples

    def _check(self) -> None:
        super()._check()
        check_int("n_samples", self.n_samples, minimum=3, hint="One row is the input itself.")
        check_int("cells", self.cells, minimum=1)
        check_fraction("p_keep", self.p_keep)
        if self.prior is not None:
            check_choice("prior", self.prior, ("gp",))


def _blocks(n: int) -> Iterator[int]:
    """Cut ``n`` masks into blocks, at least ten where possible."""
    block = min(_BLOCK, max(n // _GROUPS, 1))
    for start in range(0, n, block):
        yield min(block, n - start)


def _left_out(sums: SlopeSums, labels: IntArray, d: int) -> FloatArray | None:
    """Return standard errors ``(d, k)`` from leaving out groups of masks; None if some are empty.

    References
    ----------
    Tukey (1958), Bias and confidence in not-quite large samples (the jackknife).
    """
    if not sums.n.all():
        return None
    parts = np.stack([_by_segment(sums.slopes(g), labels, d) for g in range(len(sums.n))])
    spread = ((parts - parts.mean(axis=0)) ** 2).sum(axis=0)
    factor = student_factor(len(parts))
    return np.asarray(factor * np.sqrt(spread * (1 - 1 / len(parts))), dtype=np.float64)


def _by_segment(maps: FloatArray, labels: IntArray, d: int) -> FloatArray:
    """Return the mean over each segment, shape ``(d, k)``, of maps ``(k, height * width)``."""
    inside = labels.ravel() >= 0
    flat = labels.ravel()[inside]
    sizes = np.maximum(np.bincount(flat, minlength=d), 1)
    sums = [np.bincount(flat, weights=one[inside], minlength=d) for one in maps]
    return np.stack(sums, axis=1) / sizes[:, None]
