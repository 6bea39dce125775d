"""Columns of a table, hidden by putting background values in their place."""

from __future__ import annotations

from typing import Any

import numpy as np

from blackbox_xai.layouts import TabularLayout

__all__ = ["TabularMasker"]


class TabularMasker:
    def __init__(self, background: Any) -> None:
        self.background = np.asarray(background, dtype=float)

    def bind(self, x: Any) -> Any:
        return _MaskedRow(self.background, np.asarray(x, float).ravel())

    def describe(self) -> dict[str, Any]:
        return {}


class _MaskedRow:
    soft = False

    def __init__(self, background: Any, x: Any) -> None:
        self.background, self.x = background, x
        self.n_fills, d = background.shape
        self.fill_weights = np.full(self.n_fills, 1 / self.n_fills)
        self.varies = background != x
        self.feature_names = tuple(f"x{j}" for j in range(d))
        self.layout = TabularLayout(tuple(x.tolist()))
        self.row_bytes = 8 * d

    def allocate(self, n: int) -> Any:
        return np.empty((n, len(self.x)))

    def write(self, batch: Any, at: int, kept: Any, fills: Any) -> None:
        if fills is not None:
            batch[at : at + len(kept)] = np.where(kept, self.x, self.background[fills])
            return
        m, d = kept.shape
        view = batch[at : at + m * self.n_fills].reshape(m, self.n_fills, d)
        view[:] = self.background
        np.copyto(view, self.x, where=kept[:, None, :])

    def inputs(self, batch: Any, n: int) -> Any:
        return batch[:n]
