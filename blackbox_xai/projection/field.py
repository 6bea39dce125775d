"""The repulsion of t-SNE as a field on a grid: one convolution serves all points."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.protocols import FloatArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Field", "repulsion", "repulsive_field"]

_CELL = 0.5
_MAX_CELLS, _ROUND = 320, 32
_STEPS = np.stack(np.meshgrid(np.arange(-1, 3), np.arange(-1, 3), indexing="ij"), -1).reshape(16, 2)

Single = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Grid:
    """A square of ``cells * cells`` nodes, ``cell`` apart, from ``origin`` on."""

    origin: FloatArray
    cell: float
    cells: int

    @classmethod
    def around(cls, cloud: FloatArray, margin: float) -> _Grid:
        """Return a grid with room around a cloud of points, as a share of its width."""
        low, high = cloud.min(axis=0), cloud.max(axis=0)
        width = max(float((high - low).max()) * (1 + 2 * margin), 1e-6)
        cell = max(_CELL, width / (_MAX_CELLS - 4))
        cells = -(-(int(np.ceil(width / cell)) + 4) // _ROUND) * _ROUND
        return cls((low + high) / 2 - cell * (cells - 1) / 2, cell, cells)

    def weights(self, places: FloatArray) -> csr_array:
        """Return how the 16 nodes around each place count in it, shape ``(q, cells**2)``.

        The weights of cubic interpolation. A product with them adds up row by row, so that a
        place does not depend on how many others are looked up with it.
        """
        from scipy.sparse import csr_array

        spots = np.clip((places - self.origin) / self.cell, 1, self.cells - 2 - 1e-9)
        first = spots.astype(np.int32)
        t = (spots - first).T
        cubic = np.stack(
            [
                t * (t - 1) * (2 - t) / 6,
                (t + 1) * (t - 1) * (t - 2) / 2,
                (t + 1) * t * (2 - t) / 2,
                (t + 1) * t * (t - 1) / 6,
            ],
            axis=2,
        ).astype(np.float32)
        node = (first[:, 0] * self.cells + first[:, 1])[:, None]
        nodes = node + (_STEPS[:, 0] * self.cells + _STEPS[:, 1]).astype(np.int32)
        both = cubic[0, :, :, None] * cubic[1, :, None, :]
        starts = np.arange(0, nodes.size + 1, 16, dtype=np.int32)
        shape = (len(places), self.cells**2)
        return csr_array((both.ravel(), nodes.ravel(), starts), shape=shape)

    def convolved(self, mass: Single) -> Single:
        """Return the three sums of a Field at the nodes, ``(cells**2, 3)``, for mass on them."""
        from scipy import fft

        spectra = _kernels(self.cells, self.cell)
        size = 2 * spectra.shape[2] - 2
        spectrum = fft.rfft2(mass.reshape(self.cells, self.cells), (size, size))
        # A circular transform of 2 cells - 1 is too short for the whole convolution, but what
        # wraps around falls outside the part that is read: rows first, then columns.
        inside = slice(self.cells - 1, 2 * self.cells - 1)
        rows = fft.ifft(spectra * spectrum, axis=1)[:, inside]
        tables = fft.irfft(rows, size, axis=2)[:, :, inside]
        return np.ascontiguousarray(tables.reshape(3, -1).T)


@dataclass(frozen=True, eq=False)
class Field:
    """Force and mass that a cloud of points exerts, tabulated on a square grid.

    Parameters
    ----------
    grid : _Grid
        Where the nodes are.
    table : ndarray of shape (cells**2, 3)
        Sums over the points of ``(y - y_l) / (1 + |y - y_l|^2)^2`` (two components) and of
        ``1 / (1 + |y - y_l|^2)``.
    """

    grid: _Grid
    table: Single

    def at(self, places: FloatArray) -> FloatArray:
        """Return the three sums at ``places`` of shape ``(q, 2)``, by cubic interpolation."""
        return np.asarray(self.grid.weights(places) @ self.table, dtype=np.float64)


def repulsive_field(cloud: FloatArray, *, margin: float = 0.15) -> Field:
    """Tabulate the field of ``cloud``, shape ``(n, 2)``, for places in and around it.

    Mass is spread over the 16 nodes around each point, convolved with the kernels by a fast
    Fourier transform, and read back by the same weights: linear in the number of points.

    References
    ----------
    G. C. Linderman et al. (2019), "Fast interpolation-based t-SNE for improved visualization of
    single-cell RNA-seq data", section "Methods". The interpolation here is cubic
    Lagrange on one grid, theirs quadratic within boxes.
    """
    return _tabulated(cloud, margin)[0]


def repulsion(cloud: FloatArray) -> FloatArray:
    """Return the repulsion of t-SNE on each point, ``sum_j q_ij^2 (y_i - y_j) / Z``, ``(n, 2)``.

    The field of all points, without what each point sees of itself through the grid.
    """
    field, weights = _tabulated(cloud, margin=0.05)
    sums = np.asarray(weights @ field.table, dtype=np.float64)
    own = _own_mass(weights.data.reshape(-1, 4, 4), field.grid.cell)
    return np.asarray(sums[:, :2] / max(float(sums[:, 2].sum()) - own, 1e-12))


def _tabulated(cloud: FloatArray, margin: float) -> tuple[Field, csr_array]:
    grid = _Grid.around(cloud, margin)
    weights = grid.weights(cloud)
    mass = weights.T @ np.ones(len(cloud), np.float32)
    return Field(grid, grid.convolved(mass)), weights


@lru_cache(maxsize=8)
def _kernels(cells: int, cell: float) -> NDArray[np.complex64]:
    """Return the spectra of the three kernels."""
    from scipy import fft

    size = 2 * fft.next_fast_len(cells, real=True)
    offsets = np.arange(-(cells - 1), cells) * cell
    near = 1 / (1 + offsets[:, None] ** 2 + offsets[None, :] ** 2)
    kernels = np.stack([offsets[:, None] * near**2, offsets[None, :] * near**2, near])
    return np.asarray(fft.rfft2(kernels.astype(np.float32), (size, size)))


def _own_mass(corners: Single, cell: float) -> float:
    """Return what all points see of themselves through weights ``(n, 4, 4)`` of their nodes.

    The weights are a product of two axes, and the kernel depends on how many nodes two are apart.
    """
    along = _apart(_added(np.moveaxis(corners, 2, 0))), _apart(_added(np.moveaxis(corners, 1, 0)))
    gap = (cell * np.arange(4)) ** 2
    # Not a matrix product: threads of BLAS would spin from one of these small ones to the next.
    return float((np.einsum("an,bn->ab", *along) / (1 + gap[:, None] + gap)).sum())


def _added(parts: Single) -> Single:
    """Return the sum of four parts; numpy's own is slow over so short an axis."""
    return np.asarray(parts[0] + parts[1] + parts[2] + parts[3])


def _apart(weights: Single) -> Single:
    """Return products of weights ``(n, 4)`` summed over pairs 0 to 3 nodes apart, ``(4, n)``."""
    first, second, third, fourth = np.ascontiguousarray(weights.T)
    return np.stack(
        [
            first**2 + second**2 + third**2 + fourth**2,
            2 * (first * second + second * third + third * fourth),
            2 * (first * third + second * fourth),
            2 * first * fourth,
        ]
    )
