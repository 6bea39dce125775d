"""Smooth random masks of an image: coarse random grids, enlarged and shifted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["SoftGrid", "interpolation_matrix"]


def interpolation_matrix(n_nodes: int, n_pixels: int) -> NDArray[np.float32]:
    """Weights ``(n_pixels, n_nodes)`` that enlarge a line linearly, pixel centres aligned.

    Examples
    --------
    >>> interpolation_matrix(2, 4).tolist()
    [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    place = (np.arange(n_pixels) + 0.5) * n_nodes / n_pixels - 0.5
    place = np.clip(place, 0, n_nodes - 1)
    left = np.minimum(place.astype(np.intp), max(n_nodes - 2, 0))
    share = place - left
    weights = np.zeros((n_pixels, n_nodes), dtype=np.float32)
    rows = np.arange(n_pixels)
    weights[rows, left] = 1 - share
    weights[rows, np.minimum(left + 1, n_nodes - 1)] += share
    return weights


@dataclass(frozen=True, eq=False)
class SoftGrid:
    """Grids of one more node than cells along each side, enlarged over the image and shifted.

    A mask is ``down[shift] @ grid @ across[shift].T``: two small products, as linear
    interpolation acts on rows and columns by themselves.

    Parameters
    ----------
    height, width : int
        Size of the image, in pixels.
    cells : int
        Cells along each side; at most one for each pixel.

    References
    ----------
    Petsiuk, Das, Saenko (2018), RISE, section 3.3 (mask generation).
    """

    height: int
    width: int
    cells: int

    def draw(
        self, n: int, p_keep: float, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], IntArray]:
        """Draw ``n`` grids and shifts."""
        grids = rng.random((n, self._nodes(self.height), self._nodes(self.width))) < p_keep
        steps = [self._step(self.height), self._step(self.width)]
        return grids.astype(np.float32), rng.integers(steps, size=(n, 2))

    def masks(self, grids: NDArray[np.float32], shifts: IntArray) -> NDArray[Any]:
        """Return masks ``(n, height, width)`` of float32, between 0 and 1."""
        down, across = self._line(self.height), self._line(self.width)
        masks = np.empty((len(grids), self.height, self.width), dtype=np.float32)
        for mask, grid, (dy, dx) in zip(masks, grids, shifts, strict=True):
            rows = down[dy : dy + self.height] @ grid
            np.matmul(rows, across[dx : dx + self.width].T, out=mask)
        return masks

    def averages(
        self, grids: NDArray[np.float32], shifts: IntArray, rows: int, columns: int
    ) -> FloatArray:
        """Return the means of the masks over ``rows`` times ``columns`` rectangles."""
        masks = np.empty((len(grids), rows, columns), dtype=np.float32)
        down, across = self._line(self.height), self._line(self.width)
        pool_down = _pooling(self.height, rows)
        pool_across = _pooling(self.width, columns)
        for mask, grid, (dy, dx) in zip(masks, grids, shifts, strict=True):
            left = pool_down @ down[dy : dy + self.height]
            right = pool_across @ across[dx : dx + self.width]
            mask[...] = left @ grid @ right.T
        return masks.reshape(len(grids), -1).astype(np.float64)

    def _nodes(self, side: int) -> int:
        return min(self.cells, side) + 1

    def _step(self, side: int) -> int:
        """Return how many pixels one cell covers."""
        return -(-side // min(self.cells, side))

    def _line(self, side: int) -> NDArray[np.float32]:
        nodes = self._nodes(side)
        return interpolation_matrix(nodes, nodes * self._step(side))


def _pooling(n_pixels: int, n_cells: int) -> NDArray[np.float32]:
    """Return weights ``(n_cells, n_pixels)`` that average neighbouring pixels."""
    cell = np.arange(n_pixels) * n_cells // n_pixels
    weights = (cell == np.arange(n_cells)[:, None]).astype(np.float32)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)
