"""The contracts between models, maskers and explainers, and the array types they speak."""

from __future__ import annotations

from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from blackbox_xai.layouts import Layout

__all__ = [
    "BoolArray",
    "Closeness",
    "FloatArray",
    "IntArray",
    "MaskedInput",
    "Masker",
    "Model",
    "PairWriter",
    "Parallel",
    "PixelInput",
    "Scale",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
BoolArray = NDArray[np.bool_]
Scale = Literal["probability", "score", "value"]
Parallel = Literal["threads", "processes"]


@runtime_checkable
class Model(Protocol):
    """Anything that scores inputs.

    ``predict(inputs)`` returns finite scores ``(n, k)``, in the unit that ``scale`` names;
    ``output_names`` has ``k`` names or is None when they are not known before the first answer.
    """

    @property
    def output_names(self) -> tuple[str, ...] | None:
        """Names of the ``k`` outputs, or None."""

    @property
    def scale(self) -> Scale:
        """Unit of the scores."""

    @property
    def parallel(self) -> Parallel:
        """Whether copies of the model run side by side in threads or need processes."""

    def predict(self, inputs: Any) -> FloatArray:
        """Return scores of shape ``(n, k)``."""


@runtime_checkable
class MaskedInput(Protocol):
    """One input whose ``d`` features can be hidden, each in ``r`` ways (fills).

    A batch is whatever container the masker needs (an array, columns of a frame, a list of
    texts). ``allocate`` makes one, ``write`` fills rows of it, ``inputs`` shows its first rows
    to a model. All inputs bound by one masker share containers, so that coalitions of several
    inputs go to the model in one batch; where they cannot (images of two sizes), an attribute
    ``container`` that differs keeps them apart.
    """

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the ``d`` features."""

    @property
    def n_fills(self) -> int:
        """Number ``r`` of ways in which a hidden feature is filled."""

    @property
    def fill_weights(self) -> FloatArray:
        """Weight of each fill, shape ``(r,)``, summing to 1."""

    @property
    def varies(self) -> BoolArray:
        """Shape ``(r, d)``: False where hiding the feature changes nothing under that fill."""

    @property
    def layout(self) -> Layout:
        """How attributions of the features are laid out on the input."""

    @property
    def soft(self) -> bool:
        """Whether ``kept`` may lie between 0 and 1 (the input is then blended with the fill)."""

    @property
    def row_bytes(self) -> int:
        """Memory of one masked input, in bytes."""

    def allocate(self, n: int) -> Any:
        """Return a batch with room for ``n`` inputs."""

    def write(
        self, batch: Any, at: int, kept: BoolArray | FloatArray, fills: IntArray | None
    ) -> None:
        """Write masked inputs into ``batch`` from row ``at`` on.

        With ``fills`` of shape ``(n,)``, row ``i`` keeps ``kept[i]`` and hides the rest by fill
        ``fills[i]``. With None every coalition is written under every fill: ``m * r`` rows, the
        fill changing fastest.
        """

    def inputs(self, batch: Any, n: int) -> Any:
        """Return the first ``n`` rows of ``batch`` in the form the model takes."""


class Closeness(Protocol):
    """How close the values are that features take in an input and in its fills.

    A masked input may offer one as ``closeness``: what is learnt under one fill then serves those
    with values close to its own.
    """

    def __call__(self, fills: IntArray) -> FloatArray:
        """Return closeness ``(d, 1 + f, 1 + f)``, 0 to 1: of the input, then of ``f`` fills."""


class PairWriter(Protocol):
    """Writes coalitions and their complements at once.

    A masked input may offer one as ``pair_writer``: half of the work is shared by both.
    """

    def __call__(
        self, batch: Any, at: int, kept: BoolArray, fills: IntArray, always: BoolArray
    ) -> None:
        """Write ``2 p f`` rows into ``batch`` from row ``at`` on.

        They are ordered by pair, then coalition ``kept`` of shape ``(p, f, d)`` and complement,
        then fill, of which ``fills`` has ``f``. Features that are ``always`` kept, ``(f, d)``,
        are so in complements too.
        """


@runtime_checkable
class PixelInput(Protocol):
    """A bound image that can also be hidden pixel by pixel, whole or in part."""

    def pixels(self) -> MaskedInput:
        """Return the same image with each pixel a feature, row by row, ``height * width``."""


@runtime_checkable
class Masker(Protocol):
    """Knows how features of a kind of input are hidden; holds settings only."""

    def bind(self, x: Any) -> MaskedInput:
        """Return ``x`` with features that can be hidden."""

    def describe(self) -> dict[str, Any]:
        """Return the settings as plain data, for results and reports."""
