"""What explainers return: finished numbers, with names, units, error bars and their price."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from blackbox_xai.errors import InputError
from blackbox_xai.layouts import Layout
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray, Scale

__all__ = ["Attribution", "Explanation"]


@dataclass(frozen=True, eq=False)
class Attribution:
    """What a solver found out about one input; an explainer dresses it as an ``Explanation``.

    Parameters
    ----------
    values : ndarray of shape (d, k)
        Attribution of each feature for each output, in units of the model's output.
    base : ndarray of shape (k,)
        Score that the attributions start from.
    std_err : ndarray of shape (d, k), optional
        Standard error of each value; 0 where it is exact, None when not estimated.
    diagnostics : dict
        Plain data about how the numbers came about.
    """

    values: FloatArray
    base: FloatArray
    std_err: FloatArray | None = None
    diagnostics: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, kw_only=True)
class Explanation:
    """Why a model answered as it did on one input.

    Parameters
    ----------
    values, std_err : ndarray of shape (d, k)
        Attributions and their standard errors, in units of ``scale``; ``std_err`` is None when
        the method has none.
    base, scores : ndarray of shape (k,)
        Score the attributions start from, and the model's score of the input.
    feature_names, output_names : tuple of str
        Names of the ``d`` features and ``k`` outputs.
    scale : str
        "probability", "score" or "value".
    layout : Layout
        How the features lie on the input.
    method : str
    settings, masker, diagnostics : dict
        The explainer's settings, the masker's, and how the numbers came about.
    cost : Ledger
        Queries spent.
    """

    values: FloatArray
    std_err: FloatArray | None
    base: FloatArray
    scores: FloatArray
    feature_names: tuple[str, ...]
    output_names: tuple[str, ...]
    scale: Scale
    layout: Layout
    method: str
    settings: dict[str, Any]
    masker: dict[str, Any]
    cost: Ledger
    diagnostics: dict[str, Any]
