"""Columns of a table, hidden by values that go with what is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from blackbox_xai._checks import check_int, check_positive, shown
from blackbox_xai.errors import InputError
from blackbox_xai.maskers.base import Around
from blackbox_xai.maskers.columns import RawBlock
from blackbox_xai.maskers.tabular import MaskedRow, TabularMasker
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray

__all__ = ["ConditionalMasker"]

_UNIT = 2.0**16
_FAR = 2.0**20
_BLOCK = 256


class ConditionalMasker:
    """Hides columns by the values of background rows that resemble ``x`` in the kept columns.

    Filling from any background row makes inputs that the data never show, such as a man who is
    pregnant. Here each coalition has donors of its own: background rows drawn with weights that
    fall with their distance to ``x`` in the kept features. The scores then estimate the
    conditional expectation, and correlated features share their effect.

    Parameters
    ----------
    masker : TabularMasker
        Background, names, groups and categories.
    n_draws : int
        Donors for each coalition: model rows each coalition costs.
    bandwidth : float
        Width of the weights in standard deviations, per kept feature: the smaller, the more a
        donor must resemble ``x``.

    Raises
    ------
    InputError
        When a setting cannot be used.

    Notes
    -----
    Donors are the quantiles of the weighted background, not a random draw: a coalition always has
    the same donors, and hiding all features takes rows spread over the whole background.

    References
    ----------
    K. Aas, M. Jullum, A. Løland (2021), "Explaining individual predictions when features are
    dependent: more accurate approximations to Shapley values", section 3.3 (empirical conditional
    distribution). The distance here is scaled column by column.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> first = np.random.default_rng(0).normal(size=(500, 1))
    >>> masker = ConditionalMasker(bx.TabularMasker(np.hstack([first, first])))
    >>> hidden = masker.bind([2.0, 2.0]).apply([True, False])
    >>> bool(np.abs(hidden[:, 1] - 2).mean() < 0.5)
    True
    """

    def __init__(self, masker: TabularMasker, *, n_draws: int = 20, bandwidth: float = 0.3) -> None:
        if not isinstance(masker, TabularMasker):
            raise InputError(f"masker must be a TabularMasker(background), got {shown(masker)}.")
        self.masker = masker
        self.n_draws = check_int("n_draws", n_draws, minimum=1)
        self.bandwidth = check_positive("bandwidth", bandwidth)

    def bind(self, x: Any) -> ConditionalRow:
        """Return one row with columns that can be hidden.

        Parameters
        ----------
        x : array, list, frame of one row, pandas Series or mapping

        Returns
        -------
        ConditionalRow

        Raises
        ------
        InputError
            When ``x`` is not one row of the background's table; the message names the column.
        """
        row = self.masker.bind(x)
        return ConditionalRow(row, _square_gaps(row), self.n_draws, self.bandwidth)

    def describe(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        own = {"kind": "ConditionalMasker", "n_draws": self.n_draws, "bandwidth": self.bandwidth}
        return {**self.masker.describe(), **own}


@dataclass(frozen=True, eq=False)
class ConditionalRow(Around):
    """One row whose hidden features go with the kept ones; made by ``ConditionalMasker.bind``."""

    inner: MaskedRow
    square_gaps: FloatArray
    n_fills: int
    bandwidth: float
    soft = False

    @property
    def fill_weights(self) -> FloatArray:
        """All draws count alike, shape ``(r,)``."""
        return np.full(self.n_fills, 1 / self.n_fills)

    @property
    def varies(self) -> BoolArray:
        """False where no background row differs from ``x``, shape ``(r, d)``."""
        return np.tile(self.inner.varies.any(axis=0), (self.n_fills, 1))

    def write(
        self, batch: list[Any], at: int, kept: BoolArray | FloatArray, fills: IntArray | None
    ) -> None:
        """Write masked rows into ``batch`` from row ``at`` on."""
        whole = np.asarray(kept, dtype=bool)
        for start in range(0, len(whole), _BLOCK):
            block = whole[start : start + _BLOCK]
            donors = self.donors(block)
            if fills is None:
                rows, chosen = np.repeat(block, self.n_fills, axis=0), donors.ravel()
            else:
                draws = fills[start : start + _BLOCK]
                rows, chosen = block, donors[np.arange(len(block)), draws]
            self.inner.write(batch, at, rows, chosen)
            at += len(rows)

    def donors(self, kept: BoolArray) -> IntArray:
        """Return the background rows that fill each coalition, shape ``(m, r)``."""
        # Whole numbers below 2**53: the product is exact, so that donors do not depend on how
        # many coalitions are written together.
        far = kept.astype(np.float64) @ self.square_gaps / _UNIT
        per_feature = far / np.maximum(kept.sum(axis=1), 1)[:, None]
        per_feature -= per_feature.min(axis=1, keepdims=True)
        weights = np.exp(-per_feature / (2 * self.bandwidth**2)) * self.inner.fill_weights
        ladder = np.cumsum(weights, axis=1)
        steps = (np.arange(self.n_fills) + 0.5) / self.n_fills * ladder[:, -1:]
        numbers = np.arange(len(kept))[:, None]
        line = (ladder / ladder[:, -1:] + 2 * numbers).ravel()
        found = np.searchsorted(line, (steps / ladder[:, -1:] + 2 * numbers).ravel())
        n = ladder.shape[1]
        donors: IntArray = np.minimum(found.reshape(len(kept), -1) - numbers * n, n - 1)
        return donors


def _square_gaps(row: MaskedRow) -> FloatArray:
    """Return squared distances ``(d, r)`` of ``x`` to the background, in units of 2**-16.

    Numbers count in standard deviations; all else, and missing numbers, as equal or not.
    """
    gaps = np.empty((len(row.table.names), row.n_fills))
    for block, cells in zip(row.table.blocks, row.cells, strict=True):
        gaps[block.columns] = block.varies(cells).T
        if not isinstance(block, RawBlock) or block.fill.dtype.kind not in "fiu":
            continue
        numbers, value = block.fill.astype(np.float64), np.asarray(cells, dtype=np.float64)
        spread = numbers.std(axis=0)
        plain = np.isfinite(numbers).all(axis=0) & np.isfinite(value) & (spread > 0)
        plain &= [row.table.names[j] not in row.table.categorical for j in block.columns]
        scaled = ((numbers - value)[:, plain] / spread[plain]) ** 2
        gaps[np.asarray(block.columns)[plain]] = scaled.T
    if row.features is not None:
        owner = np.arange(len(row.feature_names))[:, None] == row.features
        gaps = owner.astype(np.float64) @ gaps
    return np.round(np.minimum(gaps, _FAR) * _UNIT)
