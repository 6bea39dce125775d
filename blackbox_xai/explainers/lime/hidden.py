"""LIME's neighbourhood of an input with features hidden: words, superpixels, columns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from blackbox_xai.coalitions.shapley import all_subsets
from blackbox_xai.coalitions.subsets import (
    balanced_subsets,
    cosine_kernel,
    size_weights,
    stratified_draws,
)
from blackbox_xai.explainers.lime.neighbourhood import Surrogate, effective_share
from blackbox_xai.protocols import BoolArray, FloatArray
from blackbox_xai.solvers.ridge import RidgeFit, fit_ridge
from blackbox_xai.values import Query, Steps, ValueFunction

__all__ = ["hide_features"]

_MAX_EXACT = 16
_COALITIONS_PER_FEATURE = 4


def hide_features(
    v: ValueFunction,
    rng: np.random.Generator,
    *,
    n_samples: int,
    sizes: Callable[[int], FloatArray],
    kernel_width: float,
    alpha: float,
    as_lime: bool,
) -> Steps[Surrogate]:
    """Fit a linear surrogate to scores of random coalitions near the full one.

    Parameters
    ----------
    v : ValueFunction
    rng : Generator
    n_samples : int
        Model rows spent at most, that of the input itself included.
    sizes : callable
        ``sizes(d)`` gives the law of the number of features kept, before the kernel.
    kernel_width : float
        Width of the exponential kernel on the cosine distance.
    alpha : float
        Ridge penalty, in samples that keep a feature half of the time.
    as_lime : bool
        Count the input itself as one sample, and weigh samples by the kernel against the penalty,
        as lime does: with few features all weights but that of the input are near zero, and the
        penalty wins. Otherwise a feature is shrunk by the same share however often it is kept.

    Returns
    -------
    Surrogate
        With exact coefficients (standard errors 0) when all coalitions fit into ``n_samples``.
    """
    d, r = v.n_features, v.n_fills
    law, kernel = sizes(d), cosine_kernel(d, kernel_width)
    if as_lime:
        law = law * (1 - 1 / n_samples)
        law[d] += 1 / n_samples
    tilted = law * kernel
    mean_weight = float(tilted.sum())
    tilted /= mean_weight
    share = float(tilted @ np.arange(d + 1)) / d
    penalty = alpha / mean_weight if as_lime else 4 * alpha * share * (1 - share)
    if d <= _MAX_EXACT and (2**d - 1) * r < n_samples:
        kept, weights = all_subsets(d), size_weights(tilted, d)
        scores = yield Query(kept)
        fit = fit_ridge(kept.astype(np.float64), scores, alpha=penalty / n_samples, weights=weights)
        return _surrogate(fit, kept, weights, effective_share(law, kernel), exact=True)
    # The mean over all fills is free of their noise; one fill a row leaves more coalitions.
    averaged = r == 1 or _COALITIONS_PER_FEATURE * d * r < n_samples
    n = (n_samples - 1) // r if averaged else n_samples - 1
    kept, groups = balanced_subsets(stratified_draws(tilted, n, rng), d, rng)
    fills = None if averaged else stratified_draws(v.masked.fill_weights, n, rng)
    scores = yield Query(kept, fills)
    fit = fit_ridge(kept.astype(np.float64), scores, alpha=penalty * n / n_samples, groups=groups)
    return _surrogate(fit, kept, np.full(n, 1 / n), effective_share(law, kernel), exact=False)


def _surrogate(
    fit: RidgeFit, kept: BoolArray, weights: FloatArray, share: float, *, exact: bool
) -> Surrogate:
    n = len(kept)
    near = kept.sum(axis=1) >= kept.shape[1] / 2
    return Surrogate(
        coef=fit.coef,
        std_err=np.zeros_like(fit.std_err) if exact else fit.std_err,
        intercept=fit.intercept,
        r2=fit.r2,
        held_out_r2=fit.r2 if exact else fit.held_out_r2,
        share_near=float(weights @ near),
        n_samples=n,
        n_effective=float(n),
        n_effective_if_weighted=n * share,
        notes={"exact": exact},
    )
