"""Models and inputs with known answers. Importable, so that worker processes find them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from blackbox_xai.layouts import TabularLayout
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray

THREE_PLAYERS = {
    (): 0,
    (0,): 400,
    (1,): 560,
    (2,): 720,
    (0, 1): 740,
    (0, 2): 780,
    (1, 2): 980,
    (0, 1, 2): 1000,
}
"""A cost game whose Shapley values are 180, 360, 460."""


def three_players(inputs: FloatArray) -> FloatArray:
    """Score rows of zeros and ones as coalitions of the three-player game."""
    return np.array([THREE_PLAYERS[tuple(np.flatnonzero(row))] for row in inputs], dtype=float)


class Linear:
    """``inputs @ weights``: Shapley values are ``weights * (x - mean)``."""

    def __init__(self, weights: Any) -> None:
        self.weights = np.asarray(weights, dtype=float)

    def __call__(self, inputs: FloatArray) -> FloatArray:
        """Return scores, one column for each column of the weights."""
        return (np.asarray(inputs)[:, :, None] * self.weights.reshape(len(self.weights), -1)).sum(1)


class Deadly(Linear):
    """Ends the process it runs in, as a lack of memory would, on rows that hold ``poison``.

    With ``once``, a path, only until that file is there.
    """

    def __init__(self, weights: Any, poison: float, once: Path | None = None) -> None:
        super().__init__(weights)
        self.poison = poison
        self.once = once
        self.home = os.getpid()

    def __call__(self, inputs: FloatArray) -> FloatArray:
        """Return scores, or nothing ever again."""
        spared = self.once is not None and self.once.exists()
        if (inputs == self.poison).any() and not spared and os.getpid() != self.home:
            if self.once is not None:
                self.once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(inputs)


class Spy:
    """Counts the calls and rows that a function receives; safe for threads."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function
        self.calls = 0
        self.rows = 0
        self._lock = threading.Lock()

    def __call__(self, inputs: Any) -> Any:
        """Count, then score."""
        with self._lock:
            self.calls += 1
            self.rows += len(inputs)
        return self.function(inputs)


class Game:
    """A bound input without a masker: feature ``j`` is ``x[j]`` or ``fills[i, j]``."""

    soft = False

    def __init__(self, x: Any, fills: Any, weights: Any = None) -> None:
        self.x = np.asarray(x, dtype=float)
        self.fills = np.atleast_2d(np.asarray(fills, dtype=float))
        self.n_fills, d = self.fills.shape
        self.fill_weights = (
            np.full(self.n_fills, 1 / self.n_fills) if weights is None else np.asarray(weights)
        )
        self.varies = self.fills != self.x
        self.feature_names = tuple(f"x{j}" for j in range(d))
        self.layout = TabularLayout(tuple(self.x.tolist()))
        self.row_bytes = 8 * d

    def allocate(self, n: int) -> FloatArray:
        """Return room for ``n`` rows."""
        return np.full((n, len(self.x)), np.nan)

    def write(
        self, batch: FloatArray, at: int, kept: BoolArray | FloatArray, fills: IntArray | None
    ) -> None:
        """Write masked rows."""
        if fills is None:
            fills = np.tile(np.arange(self.n_fills), len(kept))
            kept = np.repeat(kept, self.n_fills, axis=0)
        batch[at : at + len(kept)] = np.where(kept, self.x, self.fills[fills])

    def inputs(self, batch: FloatArray, n: int) -> FloatArray:
        """Return the first ``n`` rows."""
        return batch[:n]


def block_mean(k: int, first: bool) -> Callable[[Any], Any]:
    """Score images of 32 x 32 pixels by the mean of block ``k`` of the sixteen."""
    a, b = divmod(k, 4)

    def model(images: Any) -> Any:
        pixels = images if first else np.moveaxis(images, -1, 1)
        return pixels[:, :, 8 * a : 8 * a + 8, 8 * b : 8 * b + 8].mean(axis=(1, 2, 3))

    return model
