"""An explanation as the columns of a long table."""

from __future__ import annotations

from typing import Any

from blackbox_xai._export import Explained
from blackbox_xai.protocols import FloatArray

__all__ = ["long_table"]


def long_table(explanation: Explained) -> dict[str, list[Any]]:
    """Return the columns of the long table, output by output."""
    d, k = explanation.values.shape
    data = getattr(explanation.layout, "data", None) or [None] * d

    def column(array: FloatArray | None) -> list[Any]:
        return [None] * (d * k) if array is None else array.T.ravel().tolist()

    return {
        "output": [name for name in explanation.output_names for _ in range(d)],
        "feature": list(explanation.feature_names) * k,
        "value": list(data) * k,
        "phi": column(explanation.values),
        "se": column(explanation.std_err),
        "low": column(explanation.low),
        "high": column(explanation.high),
    }
