"""Inputs at which a little noise moves the model a lot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from blackbox_xai._checks import check_int, check_positive
from blackbox_xai._tables import Table, learn_table
from blackbox_xai.adapters import as_model
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.errors import InputError
from blackbox_xai.ood.base import Detector
from blackbox_xai.protocols import FloatArray

__all__ = ["NoiseDetector"]


@dataclass(frozen=True, eq=False)
class _Shaken:
    """Reads how much each draw of noise moves the model's answer."""

    model: Adapter
    table: Table | None
    steps: FloatArray

    @property
    def n_columns(self) -> int:
        return int(self.steps.shape[1])

    def read(self, X: Any) -> FloatArray:
        """Return squared differences of answers ``(n, draws)``."""
        still = self.model.predict(X)
        if self.table is None:
            array = np.asarray(X, dtype=np.float64)
            flat, shape = array.reshape(len(array), -1), array.shape
        else:
            flat, shape = self.table.encode(X), ()
        moved = []
        for step in self.steps:
            shaken = flat + step
            inputs = shaken.reshape(shape) if self.table is None else self.table.decode(shaken)
            moved.append(((self.model.predict(inputs) - still) ** 2).sum(axis=1))
        return np.stack(moved, axis=1)


class NoiseDetector(Detector):
    """Flags inputs at which noise moves the model more than at the reference rows.

    What dropout is to a network that can be opened: the same few draws of noise are added to
    every row, and the mean squared change of the answer is its score. It measures how steep the
    model is here, not how unlike the data the input is: use ``OODDetector`` for that.

    Parameters
    ----------
    n_draws : int
        Draws of noise; scoring costs ``n_draws + 1`` model rows for each row.
    noise : float
        Standard deviation of the noise, in standard deviations of each column (for images, of
        all pixels). Categories and whole numbers stay as they are.
    alpha, calibration, categorical, random_state
        As for ``OODDetector``.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> X = np.random.default_rng(0).uniform(-1, 1, size=(200, 2))
    >>> model = lambda X: np.tanh(np.maximum(X[:, 0] - 2, 0) * 50)
    >>> bx.NoiseDetector().fit(model, X).flag([[0.0, 0.0], [2.0, 0.0]])
    array([False,  True])
    """

    features = None

    def __init__(
        self,
        *,
        n_draws: int = 16,
        noise: float = 0.1,
        alpha: float = 0.05,
        calibration: str = "cross",
        categorical: Any = None,
        random_state: int = 0,
    ) -> None:
        self.n_draws = n_draws
        self.noise = noise
        self.alpha = alpha
        self.calibration = calibration
        self.categorical = categorical
        self.random_state = random_state

    def fit(self, model: Any, X: Any) -> NoiseDetector:
        """Learn how much noise moves ``model`` on rows like ``X``.

        Raises
        ------
        InputError
            For settings or rows that cannot be used.
        """
        check_int("n_draws", self.n_draws, minimum=1)
        check_positive("noise", self.noise)
        self._check_shared()
        rng = np.random.default_rng(self.random_state)
        table, size = _sizes(X, self.categorical)
        if not size.any():
            raise InputError("X must have a column of fractional numbers that varies, got none.")
        steps = self.noise * size * rng.standard_normal((self.n_draws, len(size)))
        reader = _Shaken(as_model(model), table, steps)
        self._calibrate(reader, reader.read(X))
        return self

    def _member_names(self) -> tuple[str, ...]:
        return ("noise",)

    def _fit_members(
        self,
        features: FloatArray,  # noqa: ARG002
        rng: np.random.Generator,  # noqa: ARG002
        targets: FloatArray | None,  # noqa: ARG002
    ) -> None:
        return None

    def _score_members(self, members: None, features: FloatArray) -> FloatArray:  # noqa: ARG002
        return np.asarray(features.mean(axis=1, keepdims=True))


def _sizes(X: Any, categorical: Any) -> tuple[Table | None, FloatArray]:
    """Return the table, None for images, and the unit of noise of each column."""
    shape = getattr(X, "shape", ())
    if len(shape) > 2:
        array = np.asarray(X, dtype=np.float64)
        return None, np.full(int(np.prod(shape[1:])), float(array.std()))
    table, codes = learn_table(X, categorical)
    moving = ~(table.categorical | table.integer)
    return table, codes.std(axis=0) * moving
