"""Occlusion: how much the score drops when a part of the input is hidden."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from blackbox_xai._checks import check_int
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.protocols import BoolArray, FloatArray, MaskedInput
from blackbox_xai.results import Attribution
from blackbox_xai.values import Query, Steps, ValueFunction

__all__ = ["Occlusion"]


@dataclass(frozen=True, kw_only=True)
class Occlusion(LocalExplainer):
    """Attribution of a feature: the drop of the score when it is hidden."""

    windows: tuple[int, ...] = (1,)

    def _attribute(self, v: ValueFunction, rng: np.random.Generator) -> Steps[Attribution]:
        hidden = np.vstack([feature_windows(v.n_features, size) for size in self.windows])
        drops, std_err = yield from drops_when_hidden(v, hidden)
        base = (yield Query(np.zeros((1, v.n_features), dtype=bool)))[0]
        cover = hidden / hidden.sum(axis=0)
        return Attribution(
            values=cover.T @ drops,
            base=base,
            std_err=None if std_err is None else np.sqrt((cover**2).T @ std_err**2),
            diagnostics={"n_windows": len(hidden)},
        )

    def _check(self) -> None:
        super()._check()
        for size in self.windows:
            check_int("windows", size, minimum=1)


def feature_windows(d: int, size: int) -> BoolArray:
    """All runs of ``size`` neighbouring features, shape ``(m, d)``; True where hidden."""
    size = min(size, d)
    starts = np.arange(d - size + 1)[:, None]
    at = np.arange(d)
    return np.asarray((at >= starts) & (at < starts + size), dtype=bool)


def drops_when_hidden(
    v: ValueFunction, hidden: BoolArray
) -> Steps[tuple[FloatArray, FloatArray | None]]:
    """Score of the whole input minus the score with each part hidden, shape ``(m, k)``.

    Rows whose hidden features do not differ from the fill are not sent: their drop is 0. With
    several fills the second part holds the standard error over fills.
    """
    full = (yield Query(np.ones((1, v.n_features), dtype=bool)))[0]
    masked: MaskedInput = v.masked
    changes = hidden.astype(np.float32) @ masked.varies.T.astype(np.float32) > 0
    part, fill = np.nonzero(changes)
    drops = np.zeros((*changes.shape, len(full)))
    if len(part):
        drops[part, fill] = full - (yield Query(~hidden[part], fill))
    weights = masked.fill_weights
    mean = np.einsum("mrk,r->mk", drops, weights)
    if len(weights) == 1:
        return mean, None
    spread = np.einsum("mrk,r->mk", (drops - mean[:, None]) ** 2, weights)
    n_eff = 1 / (weights**2).sum()
    return mean, np.sqrt(spread / max(n_eff - 1, 1e-9))
