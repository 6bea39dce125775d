"""What every bound input offers beside the protocol: a look at what the model will see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from blackbox_xai.errors import InputError
from blackbox_xai.layouts import Layout
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray, MaskedInput

__all__ = ["Around", "Bound", "Written"]


class Bound:
    """Base of inputs bound by the maskers of this library."""

    def apply(
        self: MaskedInput, kept: BoolArray | FloatArray, fills: IntArray | None = None
    ) -> Any:
        """Return masked inputs as the model receives them.

        Parameters
        ----------
        kept : ndarray of shape (m, d) or (d,)
            True where a feature keeps its value.
        fills : ndarray of shape (m,), optional
            Fill of each row. None: every coalition under every fill.

        Returns
        -------
        array, frame or list
            ``m * r`` inputs, or ``m`` when ``fills`` is given.

        Raises
        ------
        InputError
            When ``kept`` has another number of features, or ``fills`` another number of rows.
        """
        d = len(self.feature_names)
        coalitions: BoolArray | FloatArray = np.atleast_2d(kept)  # type: ignore[assignment]  # numpy widens
        if coalitions.ndim != 2 or coalitions.shape[1] != d:
            raise InputError(f"kept must have shape (m, {d}), got {np.shape(kept)}.")
        if coalitions.dtype != np.bool_ and not self.soft:
            raise InputError(f"kept must be bool for this masker, got {coalitions.dtype}.")
        if fills is not None and np.shape(fills) != (len(coalitions),):
            raise InputError(f"fills must have shape ({len(coalitions)},), got {np.shape(fills)}.")
        n = len(coalitions) * (self.n_fills if fills is None else 1)
        batch = self.allocate(n)
        self.write(batch, 0, coalitions, fills)
        return self.inputs(batch, n)


@dataclass(frozen=True, eq=False)
class Around(Bound):
    """Base of inputs that go to the model as those of another bound input do.

    Parameters
    ----------
    inner : MaskedInput
        Its features, layout and containers are taken.
    """

    inner: MaskedInput

    @property
    def feature_names(self) -> tuple[str, ...]:
        """As of the inner input."""
        return self.inner.feature_names

    @property
    def layout(self) -> Layout:
        """As of the inner input."""
        return self.inner.layout

    @property
    def row_bytes(self) -> int:
        """Memory of one input, in bytes."""
        return self.inner.row_bytes

    def allocate(self, n: int) -> Any:
        """Return buffers for ``n`` inputs."""
        return self.inner.allocate(n)

    def inputs(self, batch: Any, n: int) -> Any:
        """Return the first ``n`` inputs as the model takes them."""
        return self.inner.inputs(batch, n)


class Written(Around):
    """Base of inputs whose features are written in one way: ``kept`` says what they become."""

    soft = True
    n_fills = 1

    @property
    def fill_weights(self) -> FloatArray:
        """One way to write."""
        return np.ones(1)

    @property
    def varies(self) -> BoolArray:
        """Every feature may change, shape ``(1, d)``."""
        return np.ones((1, len(self.feature_names)), dtype=bool)
