"""The masker and the explainer of an audit when the caller names none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from blackbox_xai._inputs import is_table, n_rows, pick_rows, row
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.explainers.shapley.engine import Shapley
from blackbox_xai.explainers.shapley.plan import default_rows
from blackbox_xai.maskers.defaults import default_masker
from blackbox_xai.maskers.tabular import TabularMasker
from blackbox_xai.protocols import Masker

__all__ = ["choose_explainer", "choose_masker"]

_FILLS = 100
_FEWEST = 2050


def choose_masker(
    inputs: Any, background: Any, feature_names: Sequence[str] | None, seed: int
) -> Masker:
    """Return a masker by the kind of data, with at most 100 rows to fill from.

    Reference texts and images say what is usual; they do not fill what is hidden.
    """
    if background is None or not is_table(inputs):
        return default_masker(inputs)
    n = n_rows(background)
    if n > _FILLS:
        drawn = np.random.default_rng(seed).choice(n, _FILLS, replace=False)
        background = pick_rows(background, np.sort(drawn).tolist())
    if feature_names is not None:
        return TabularMasker(background, feature_names=feature_names)
    return default_masker(inputs, background)


def choose_explainer(masker: Masker, inputs: Any, seed: int) -> LocalExplainer:
    """Return Shapley values with a quarter of their usual budget: an audit explains many rows."""
    masked = masker.bind(row(inputs, 0))
    usual = default_rows(np.asarray(masked.varies))
    return Shapley(budget=max(usual // 4, min(usual, _FEWEST)), random_state=seed)
