"""RISE: how the score moves with the presence of each part, over random masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blackbox_xai._checks import check_fraction, check_int
from blackbox_xai.coalitions.subsets import stratified_draws
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.results import Attribution
from blackbox_xai.values import Query, Steps, ValueFunction

__all__ = ["Rise"]


@dataclass(frozen=True, kw_only=True)
class Rise(LocalExplainer):
    """Slope of the score on the presence of each feature, over random masks."""

    n_samples: int = 1000
    p_keep: float = 0.5

    def _attribute(self, v: ValueFunction, rng: np.random.Generator) -> Steps[Attribution]:
        kept = rng.random((self.n_samples - 1, v.n_features)) < self.p_keep
        scores = yield Query(kept, stratified_draws(v.masked.fill_weights, len(kept), rng))
        mean = scores.mean(axis=0)
        centred = kept - kept.mean(axis=0)
        slopes = centred.T @ (scores - mean) / np.maximum((centred**2).sum(axis=0), 1e-12)[:, None]
        return Attribution(values=slopes, base=mean)

    def _max_rows(self) -> int | None:
        return self.n_samples

    def _check(self) -> None:
        super()._check()
        check_int("n_samples", self.n_samples, minimum=3)
        check_fraction("p_keep", self.p_keep)
