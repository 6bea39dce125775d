"""What a solver found out about one input."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from blackbox_xai.protocols import FloatArray

__all__ = ["Attribution"]


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
    heatmap : ndarray of shape (height, width, k), optional
        Attribution of each pixel, where a method looks finer than the features.
    scores : ndarray of shape (k,), optional
        Score of the input in the unit of the values, where that is not the model's.
    """

    values: FloatArray
    base: FloatArray
    std_err: FloatArray | None = None
    diagnostics: dict[str, Any] = field(default_factory=dict)
    heatmap: FloatArray | None = None
    scores: FloatArray | None = None
