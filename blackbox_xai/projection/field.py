"""The repulsion of t-SNE as a field on a grid: one convolution serves all points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["Field", "repulsion"]

_CELL = 0.5
_MAX_CELLS, _ROUND = 320, 32
_STEPS = np.stack(np.meshgrid(np.arange(-1, 3), np.arange(-1, 3), indexing="ij"), -1).reshape(16, 2)


@dataclass(frozen=True, eq=False)
class Field:
    """Force and mass that a cloud of points exerts, tabulated on a square grid.

    Parameters
    ----------
    origin : ndarray of shape (2,)
        Place of the first node.
    cell : float
        Distance between nodes.
    tables : ndarray of shape (3, cells, cells)
        Sums over the points of ``(y - y_l) / (1 + |y - y_l|^2)^2`` (two components) and of
        ``1 / (1 + |y - y_l|^2)``.
    """

    origin: FloatArray
    cell: float
    tables: NDArray[np.float32]

    def at(self, places: FloatArray) -> FloatArray:
        """Return the three sums at ``places`` of shape ``(q, 2)``, by cubic interpolation."""
        cells = self.tables.shape[1]
        nodes, weights = _corners(places, self.origin, self.cell, cells)
        flat = self.tables.reshape(3, -1)
        # Added one after the other: the order in which numpy sums depends on the shape, and a
        # place must not depend on how many others are looked up with it.
        sums = np.zeros((3, len(places)))
        for node, weight in zip(nodes, weights, strict=True):
            sums += flat[:, node] * weight
        return sums


def repulsion(cloud: FloatArray, *, margin: float = 0.05) -> tuple[Field, FloatArray]:
    """Tabulate the field of ``cloud``.

    Mass is spread over the 16 nodes around each point, convolved with the kernels by a fast
    Fourier transform, and read back by the same weights: linear in the number of points.

    Parameters
    ----------
    cloud : ndarray of shape (n, 2)
    margin : float
        Room around the cloud, as a share of its width.

    Returns
    -------
    field : Field
    self_mass : ndarray of shape (n,)
        What a point contributes to the mass at its own place (1 up to the grid's error).

    References
    ----------
    G. C. Linderman et al. (2019), "Fast interpolation-based t-SNE for improved visualization of
    single-cell RNA-seq data", section "Methods". The interpolation here is cubic
    Lagrange on one grid, theirs quadratic within boxes.
    """
    from scipy import fft

    low, high = cloud.min(axis=0), cloud.max(axis=0)
    width = max(float((high - low).max()) * (1 + 2 * margin), 1e-6)
    cell = max(_CELL, width / (_MAX_CELLS - 4))
    needed = int(np.ceil(width / cell)) + 4
    cells = -(-needed // _ROUND) * _ROUND
    origin = (low + high) / 2 - cell * (cells - 1) / 2
    nodes, weights = _corners(cloud, origin, cell, cells)
    mass = np.bincount(nodes.ravel(), weights.ravel(), minlength=cells * cells)
    spectra, near = _kernels(cells, cell)
    size = 2 * spectra.shape[2] - 2
    spectrum = fft.rfft2(mass.reshape(cells, cells).astype(np.float32), (size, size))
    # A circular transform of 2 cells - 1 is too short for the whole convolution, but what wraps
    # around falls outside the part that is read.
    inside = slice(cells - 1, 2 * cells - 1)
    tables = fft.irfft2(spectra * spectrum, (size, size))[:, inside, inside]
    return Field(origin, cell, np.ascontiguousarray(tables)), _self_mass(weights, near)


@lru_cache(maxsize=8)
def _kernels(cells: int, cell: float) -> tuple[NDArray[np.complex64], FloatArray]:
    """Return the spectra of the three kernels, and 1 / (1 + |a - b|^2) between 16 nodes."""
    from scipy import fft

    size = 2 * fft.next_fast_len(cells, real=True)
    offsets = np.arange(-(cells - 1), cells) * cell
    near = 1 / (1 + offsets[:, None] ** 2 + offsets[None, :] ** 2)
    kernels = np.stack([offsets[:, None] * near**2, offsets[None, :] * near**2, near])
    gap = cell * (_STEPS[:, None] - _STEPS[None])
    return fft.rfft2(kernels.astype(np.float32), (size, size)), 1 / (1 + (gap**2).sum(axis=2))


def _corners(
    places: FloatArray, origin: FloatArray, cell: float, cells: int
) -> tuple[IntArray, FloatArray]:
    """Return the 16 nodes around each place and their cubic weights, shape ``(16, q)``."""
    spots = np.clip((places - origin) / cell, 1, cells - 2 - 1e-9)
    first = spots.astype(np.intp)
    t = (spots - first).T
    weights = np.stack(
        [
            t * (t - 1) * (2 - t) / 6,
            (t + 1) * (t - 1) * (t - 2) / 2,
            (t + 1) * t * (2 - t) / 2,
            (t + 1) * t * (t - 1) / 6,
        ]
    )
    node = first[:, 0] * cells + first[:, 1]
    nodes = node + (_STEPS[:, 0] * cells + _STEPS[:, 1])[:, None]
    return nodes, (weights[:, None, 0] * weights[None, :, 1]).reshape(16, -1)


def _self_mass(weights: FloatArray, near: FloatArray) -> FloatArray:
    """Return the mass that each point sees of itself through the grid."""
    mass: FloatArray = ((near @ weights) * weights).sum(axis=0)
    return mass
