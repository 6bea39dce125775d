"""LIME: a weighted linear surrogate of the model around one input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blackbox_xai._checks import check_int, check_positive
from blackbox_xai.coalitions.subsets import (
    balanced_subsets,
    binomial_sizes,
    cosine_kernel,
    stratified_draws,
)
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.results import Attribution
from blackbox_xai.solvers.ridge import fit_ridge
from blackbox_xai.values import Query, Steps, ValueFunction

__all__ = ["Lime"]


@dataclass(frozen=True, kw_only=True)
class Lime(LocalExplainer):
    """A ridge regression on which features are kept, weighted towards the input itself."""

    n_samples: int = 1000
    kernel_width: float = 0.25
    alpha: float = 1.0

    def _attribute(self, v: ValueFunction, rng: np.random.Generator) -> Steps[Attribution]:
        d = v.n_features
        law = binomial_sizes(d) * cosine_kernel(d, self.kernel_width)
        sizes = stratified_draws(law / law.sum(), self.n_samples - 1, rng)
        kept, groups = balanced_subsets(sizes, d, rng)
        fills = stratified_draws(v.masked.fill_weights, len(kept), rng)
        scores = yield Query(kept, fills)
        fit = fit_ridge(kept.astype(np.float64), scores, alpha=self.alpha, groups=groups)
        return Attribution(
            values=fit.coef,
            base=fit.intercept,
            std_err=fit.std_err,
            diagnostics={"r2": fit.r2.tolist(), "held_out_r2": fit.held_out_r2.tolist()},
        )

    def _max_rows(self) -> int | None:
        return self.n_samples

    def _check(self) -> None:
        super()._check()
        check_int("n_samples", self.n_samples, minimum=3)
        check_positive("kernel_width", self.kernel_width)
        check_positive("alpha", self.alpha)
