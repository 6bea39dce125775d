"""Inputs that an autoencoder cannot rebuild."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from blackbox_xai._checks import check_int
from blackbox_xai._rowwise import by_blocks
from blackbox_xai.ood.base import Detector
from blackbox_xai.protocols import FloatArray

__all__ = ["AutoencoderDetector"]


@dataclass(frozen=True, eq=False)
class _Network:
    """A fitted autoencoder and how its residuals spread on the rows it was fitted to."""

    centre: FloatArray
    spread: FloatArray
    network: Any
    residual_mean: FloatArray
    whiten: FloatArray

    def residuals(self, features: FloatArray) -> FloatArray:
        z = (features - self.centre) / self.spread
        return z - self.network.predict(z).reshape(z.shape)


class AutoencoderDetector(OutlierMixin, Detector):  # type: ignore[misc]  # untyped base
    """Flags inputs whose reconstruction error is unlike that of the reference rows.

    A small autoencoder (a multilayer perceptron with a bottleneck) is fitted to scaled columns;
    the score of a row is the Mahalanobis length of its residual.

    Parameters
    ----------
    bottleneck : int, optional
        Units in the middle; None: a quarter of the columns, at most 32.
    width : int, optional
        Units beside the middle; None: as many as columns, from 8 to 128.
    max_iter : int
        Passes over the rows at most.
    alpha : float
        False-alarm rate of ``predict``.
    calibration : {"split", "cross"}
    features : callable or transformer, optional
        Features of a batch; None: columns of tables, pixels of images.
    categorical : sequence of str or int, optional
    random_state : int

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> t = np.random.default_rng(0).normal(size=(300, 1))
    >>> X = np.hstack([t, 2 * t, -t]) + 0.01
    >>> detector = bx.AutoencoderDetector().fit(X)
    >>> detector.predict([[1.0, 2.0, -1.0], [1.0, -2.0, 1.0]])
    array([ 1, -1])
    """

    def __init__(
        self,
        *,
        bottleneck: int | None = None,
        width: int | None = None,
        max_iter: int = 200,
        alpha: float = 0.05,
        calibration: str = "split",
        features: Any = None,
        categorical: Any = None,
        random_state: int = 0,
    ) -> None:
        self.bottleneck = bottleneck
        self.width = width
        self.max_iter = max_iter
        self.alpha = alpha
        self.calibration = calibration
        self.features = features
        self.categorical = categorical
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> AutoencoderDetector:
        """Learn what inputs like ``X`` look like; ``y`` is ignored, as scikit-learn has it.

        Raises
        ------
        InputError
            For settings or rows that cannot be used.
        """
        check_int("max_iter", self.max_iter, minimum=1)
        for name in ("bottleneck", "width"):
            if getattr(self, name) is not None:
                check_int(name, getattr(self, name), minimum=1)
        self._learn(X)
        return self

    def _member_names(self) -> tuple[str, ...]:
        return ("reconstruction",)

    def _fit_members(
        self, features: FloatArray, rng: np.random.Generator, targets: FloatArray | None
    ) -> _Network:
        d = features.shape[1]
        centre, spread = features.mean(axis=0), features.std(axis=0)
        positive = spread[spread > 0]
        floor = 0.05 * float(np.median(positive)) if len(positive) else 1.0
        spread = np.maximum(spread, floor)
        width = self.width or int(np.clip(d, 8, 128))
        middle = self.bottleneck or max(1, min(32, d // 4))
        network = MLPRegressor(
            hidden_layer_sizes=(width, middle, width),
            activation="tanh",
            max_iter=self.max_iter,
            random_state=int(rng.integers(1 << 31)),
            learning_rate_init=0.003,
            batch_size=min(64, len(features)),
        )
        z = (features - centre) / spread
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # max_iter is a budget
            network.fit(z, z if d > 1 else z.ravel())
        residual = z - network.predict(z).reshape(z.shape)
        return _Network(centre, spread, network, *_whitening(residual))

    def _score_members(self, members: _Network, features: FloatArray) -> FloatArray:
        def score(block: FloatArray) -> FloatArray:
            white = (members.residuals(block) - members.residual_mean) @ members.whiten
            return (white**2).sum(axis=1, keepdims=True)

        return by_blocks(score, features)


def _whitening(residual: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean of residuals and a matrix that whitens them (Ledoit-Wolf shrinkage)."""
    from sklearn.covariance import ledoit_wolf

    mean = residual.mean(axis=0)
    covariance = np.atleast_2d(ledoit_wolf(residual - mean, assume_centered=True)[0])
    values, vectors = np.linalg.eigh(covariance)
    return mean, vectors / np.sqrt(np.maximum(values, 1e-9 * max(values.max(), 1e-12)))
