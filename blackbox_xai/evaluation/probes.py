"""Models and players with known answers, made from the ones given.

A probe of the model answers several functions of one output at once, so that one run of an
explainer tests several laws. A probe of the players changes which features there are, not what the
model receives: so it works for tables, images and texts alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from blackbox_xai._inputs import is_frame, is_pandas
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.layouts import TabularLayout
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray, MaskedInput, Masker

__all__ = ["NoiseModel", "Players", "ProbedMasker", "ProbedModel", "cloned", "reordered", "unused"]


class ProbedModel(Adapter):
    """Functions of one output of a model, as outputs of their own.

    ========  ==========================================================
    original  the output
    half      half of it
    mirrored  one minus it for a probability, else its negative
    constant  the same number for every input
    squared   its square
    averaged  the mean of original and squared
    ========  ==========================================================
    """

    NAMES = ("original", "half", "mirrored", "constant", "squared", "averaged")

    def __init__(self, model: Adapter, output: int) -> None:
        super().__init__(output_names=self.NAMES, scale=model.scale, batch_size=model.batch_size)
        self.parallel = model.parallel
        self._model = model
        self._output = output

    def rows_per_batch(self, row_bytes: int) -> int:
        """Return the batch size of the model."""
        return self._model.rows_per_batch(row_bytes)

    def _predict_batch(self, batch: Any) -> FloatArray:
        f = self._model.predict(batch)[:, self._output]
        mirrored = 1 - f if self.scale == "probability" else -f
        return np.column_stack([f, f / 2, mirrored, np.full_like(f, 0.5), f * f, (f + f * f) / 2])


class NoiseModel(Adapter):
    """A model that learnt nothing: scores between 0 and 1 from a hash of each input.

    Parameters
    ----------
    seed : int
        Another seed is another model.
    """

    def __init__(self, seed: int = 0) -> None:
        super().__init__(output_names=["noise"], scale="score")
        self._seed = seed

    def _predict_batch(self, batch: Any) -> FloatArray:
        key = self._seed.to_bytes(8, "little")
        return np.array([_hashed(row, key) for row in _rows(batch)])


def _rows(batch: Any) -> Any:
    """Return the rows of a batch as bytes."""
    if is_frame(batch):
        lines = batch.itertuples(index=False, name=None) if is_pandas(batch) else batch.iter_rows()
        return (repr(line).encode() for line in lines)
    if isinstance(batch, np.ndarray) and batch.dtype != object:
        return (np.ascontiguousarray(row).tobytes() for row in batch)
    return (repr(row).encode("utf-8", "surrogatepass") for row in batch)


def _hashed(row: bytes, key: bytes) -> float:
    digest = hashlib.blake2b(row, digest_size=8, key=key).digest()
    return int.from_bytes(digest, "little") / 2**64


@dataclass(frozen=True, eq=False)
class Players:
    """A bound input with other features: each stands for a rule on the original ones.

    Parameters
    ----------
    inner : MaskedInput
    feature_names : tuple of str
    varies : ndarray of shape (r, d)
    translate : callable
        Turns coalitions of these features into coalitions of the original ones.
    """

    inner: MaskedInput
    feature_names: tuple[str, ...]
    varies: BoolArray
    translate: Callable[[BoolArray], BoolArray]
    soft = False

    @property
    def n_fills(self) -> int:
        """Number of fills of the original input."""
        return self.inner.n_fills

    @property
    def fill_weights(self) -> FloatArray:
        """Weights of its fills."""
        return self.inner.fill_weights

    @property
    def layout(self) -> TabularLayout:
        """One cell for each feature, holding its name."""
        return TabularLayout(self.feature_names)

    @property
    def row_bytes(self) -> int:
        """Memory of one masked input."""
        return self.inner.row_bytes

    def allocate(self, n: int) -> Any:
        """Return a batch of the original input."""
        return self.inner.allocate(n)

    def write(
        self, batch: Any, at: int, kept: BoolArray | FloatArray, fills: IntArray | None
    ) -> None:
        """Write masked inputs."""
        self.inner.write(batch, at, self.translate(np.asarray(kept, dtype=bool)), fills)

    def inputs(self, batch: Any, n: int) -> Any:
        """Return what the model takes."""
        return self.inner.inputs(batch, n)


@dataclass(frozen=True, eq=False)
class ProbedMasker:
    """A masker whose bound inputs are turned into players by ``change``."""

    masker: Masker
    change: Callable[[MaskedInput], Players]

    def bind(self, x: Any) -> Players:
        """Return the players of ``x``."""
        return self.change(self.masker.bind(x))

    def describe(self) -> dict[str, Any]:
        """Return the settings of the masker."""
        return self.masker.describe()


def unused(masked: MaskedInput) -> Players:
    """Return the features and one more that changes nothing, last."""
    varies = np.column_stack([masked.varies, np.ones(masked.n_fills, dtype=bool)])
    names = (*masked.feature_names, "unused")
    return Players(masked, names, varies, lambda kept: kept[:, :-1])


def cloned(feature: int) -> Callable[[MaskedInput], Players]:
    """Return a change that adds a copy of a feature, last; it is kept when both are kept."""

    def change(masked: MaskedInput) -> Players:
        def translate(kept: BoolArray) -> BoolArray:
            inner = kept[:, :-1].copy()
            inner[:, feature] &= kept[:, -1]
            return inner

        varies = np.column_stack([masked.varies, masked.varies[:, feature]])
        return Players(masked, (*masked.feature_names, "copy"), varies, translate)

    return change


def reordered(masked: MaskedInput, order: IntArray) -> Players:
    """Return the features in another order; ``order`` may be the present one."""
    back = np.argsort(order)
    names = tuple(masked.feature_names[j] for j in order)
    return Players(masked, names, masked.varies[:, order], lambda kept: kept[:, back])
