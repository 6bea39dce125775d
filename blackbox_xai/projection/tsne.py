"""Maps that keep neighbours: t-SNE whose repulsion is a field on a grid."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from blackbox_xai._checks import check_int, check_positive
from blackbox_xai._parallel import Progress, progress_hook
from blackbox_xai._rowwise import by_blocks
from blackbox_xai.points.neighbours import blocks, nearest, remeasured
from blackbox_xai.projection.affinity import affinities, perplexity_weights
from blackbox_xai.projection.base import Projection
from blackbox_xai.projection.descent import descend
from blackbox_xai.projection.field import repulsive_field
from blackbox_xai.projection.linear import principal_axes
from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["TSNEProjection"]

_MANY = 5000
_EARLY, _EARLY_EXAGGERATION = 100, 12.0
_NEW_NEIGHBOURS, _NEW_CANDIDATES, _NEW_PERPLEXITY, _NEW_STEPS = 15, 24, 5.0, 30
_WIDE, _MAIN, _MAIN_SHARE = 100, 50, 0.75
_NEW_EXAGGERATION, _NEW_MOMENTUM, _NEW_MAX_STEP = 1.5, 0.5, 0.5


class TSNEProjection(Projection):
    """t-SNE in time linear in the rows, with places for new rows.

    Parameters
    ----------
    perplexity : float
        Effective number of neighbours; never more than a third of the rows.
    n_iter : int, optional
        Steps after the 100 of early exaggeration. None: 300, or 200 above 5,000 rows.
    features : callable, optional
        Turns inputs into rows of numbers; None uses the inputs.
    standardize : bool
        Divide numeric columns by their standard deviation.
    random_state : int
        Seed.
    progress : bool or callable
        True shows a bar on a terminal; a callable receives ``(done, total)``.

    Attributes
    ----------
    embedding_, points_
        As for all projections.

    Notes
    -----
    Distances between groups, and the sizes of groups, are not meaningful on such a map.

    New rows with more than 100 columns find 24 candidates for their 15 neighbours along the 50
    main axes of the fitted rows, where these keep three quarters of the variance.

    References
    ----------
    L. van der Maaten and G. Hinton (2008), "Visualizing data using t-SNE", equations 1 to 5;
    G. C. Linderman et al. (2019), "Fast interpolation-based t-SNE for improved visualization of
    single-cell RNA-seq data" (repulsion by convolution); D. Kobak and P. Berens (2019) (start
    from principal components).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(size=(40, 5)), 9 + rng.normal(size=(40, 5))])
    >>> places = TSNEProjection(standardize=False).fit_transform(X)
    >>> places.shape
    (80, 2)
    """

    def __init__(
        self,
        *,
        perplexity: float = 30.0,
        n_iter: int | None = None,
        features: Any = None,
        standardize: bool = True,
        random_state: int = 0,
        progress: bool | Progress = False,
    ) -> None:
        self.perplexity = perplexity
        self.n_iter = n_iter
        self.features = features
        self.standardize = standardize
        self.random_state = random_state
        self.progress = progress

    def _place(self, points: FloatArray, rng: np.random.Generator) -> FloatArray:
        n = len(points)
        wanted_steps = (300 if n <= _MANY else 200) if self.n_iter is None else self.n_iter
        n_iter = check_int("n_iter", wanted_steps, minimum=1)
        perplexity = max(min(check_positive("perplexity", self.perplexity), (n - 1) / 3), 1.0)
        k = min(int(3 * perplexity) + 1, n - 1)
        graph = affinities(*nearest(points, points, k, skip_self=True), perplexity)
        start = _start(points, rng)
        report, close = self._reporter(_EARLY + n_iter)
        try:
            places = descend(
                graph,
                start,
                n_iter=_EARLY,
                exaggeration=_EARLY_EXAGGERATION,
                momentum=0.8,
                report=report,
            )
            places = descend(
                graph, places, n_iter=n_iter, exaggeration=1.0, momentum=0.8, report=report
            )
        finally:
            close()
        self._field = repulsive_field(places)
        self._axes = _main_axes(points, int(rng.integers(2**31)))
        self._narrow = self._narrowed(points)
        return places

    def _narrowed(self, points: FloatArray) -> FloatArray:
        """Return the coordinates in which the neighbours of new rows are looked for."""
        axes = self._axes
        return points if axes is None else by_blocks(lambda block: block @ axes, points)

    def _neighbours(self, points: FloatArray, k: int) -> tuple[IntArray, FloatArray]:
        """Return the fitted rows nearest to new ones, and their distances."""
        if self._axes is None:
            return nearest(points, self.points_, k)
        wider, _ = nearest(
            self._narrowed(points), self._narrow, min(_NEW_CANDIDATES, len(self.points_))
        )
        return remeasured(points, self.points_, wider, k)

    def _reporter(self, total: int) -> tuple[Callable[[], None], Callable[[], None]]:
        show, close = progress_hook(self.progress, "t-SNE")
        done = 0

        def report() -> None:
            nonlocal done
            done += 1
            show(done, total)

        return report, close

    def _place_new(self, points: FloatArray) -> FloatArray:
        """Let each new row find its place among the fixed ones."""
        k = min(_NEW_NEIGHBOURS, len(self.points_))
        indices, distances = self._neighbours(points, k)
        weights = perplexity_weights(distances, min(_NEW_PERPLEXITY, 0.9 * k))
        places = np.empty((len(points), 2))
        for block in blocks(len(points), 4 * k):
            anchors = self.embedding_[indices[block].T]
            attraction = weights[block].T[..., None]
            here = anchors[0].copy()  # from between several groups it would not get out again
            step = np.zeros_like(here)
            for _ in range(_NEW_STEPS):
                gap = here - anchors
                pull = _add_up(attraction * gap / (1 + (gap**2).sum(axis=2, keepdims=True)))
                sums = self._field.at(here)
                push = sums[:, :2] / np.maximum(sums[:, 2:], 1e-12)
                step = _NEW_MOMENTUM * step - (_NEW_EXAGGERATION * pull - push)
                here = here + np.clip(step, -_NEW_MAX_STEP, _NEW_MAX_STEP)
            places[block] = here
        return places

    def _reading(self) -> str:
        return "t-SNE: neighbours can be read, distances between groups are not meaningful"


def _add_up(parts: FloatArray) -> FloatArray:
    """Sum over the first axis, one after the other, so that no row depends on its batch."""
    total: FloatArray = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total


def _main_axes(points: FloatArray, seed: int) -> FloatArray | None:
    """Return the main axes ``(dims, 50)`` of wide points, or None where they keep too little."""
    if points.shape[1] <= _WIDE or len(points) <= _WIDE:
        return None
    pca = PCA(n_components=_MAIN, random_state=seed).fit(points)
    kept = float(pca.explained_variance_ratio_.sum())
    return np.asarray(pca.components_.T) if kept >= _MAIN_SHARE else None


def _start(points: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Principal components, shrunk to a standard deviation of 1e-4, with ties broken."""
    axes, _ = principal_axes(points, int(rng.integers(2**31)))
    start = points @ axes.T
    start *= 1e-4 / max(float(start[:, 0].std()), 1e-300)
    return start + 1e-7 * rng.normal(size=start.shape)
