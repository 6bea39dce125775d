"""Inputs that an autoencoder cannot rebuild."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.covariance import ledoit_wolf
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from blackbox_xai._checks import check_int
from blackbox_xai._rowwise import Scaling, by_blocks
from blackbox_xai.adapters import as_model
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.errors import InputError
from blackbox_xai.ood.base import Detector
from blackbox_xai.ood.features import Reader, learn_reader
from blackbox_xai.protocols import FloatArray

__all__ = ["AutoencoderDetector"]

_MANY = 1000


@dataclass(frozen=True, eq=False)
class _Network:
    """A fitted autoencoder and how its residuals spread on the rows it was fitted to."""

    scaling: Scaling
    network: Any
    residual_mean: FloatArray
    whiten: FloatArray

    def residuals(self, features: FloatArray) -> FloatArray:
        z = self.scaling(features)
        return np.asarray(z - self.network.predict(z).reshape(z.shape))


@dataclass(frozen=True, eq=False)
class _Given:
    """Whitening for a ready autoencoder, whose reconstruction stands beside the input."""

    residual_mean: FloatArray
    whiten: FloatArray

    def residuals(self, features: FloatArray) -> FloatArray:
        d = features.shape[1] // 2
        return features[:, :d] - features[:, d:]


class _Flat(Adapter):
    """An autoencoder whose answers, of any shape, become one row of numbers for each input."""

    def __init__(self, model: Adapter) -> None:
        super().__init__(scale="value", batch_size=model.batch_size)
        self.parallel = model.parallel
        self._model = model

    def _predict_batch(self, batch: Any) -> Any:
        answer = np.asarray(self._model._predict_batch(batch))
        return answer.reshape(len(answer), -1)


@dataclass(frozen=True, eq=False)
class _Beside:
    """Reads an input and, beside it, what the autoencoder makes of it."""

    reader: Reader
    autoencoder: Adapter

    @property
    def n_columns(self) -> int:
        return self.reader.n_columns

    def read(self, X: Any) -> FloatArray:
        raw = self.reader.read(X)
        rebuilt = self.autoencoder.predict(X)
        if rebuilt.shape != raw.shape:
            raise InputError(
                f"autoencoder must give back {raw.shape[1]} numbers for each input, as many as "
                f"it gets, got {rebuilt.shape[1]}."
            )
        return np.hstack([raw, rebuilt])


class AutoencoderDetector(OutlierMixin, Detector):  # type: ignore[misc]  # untyped base
    """Flags inputs whose reconstruction error is unlike that of the reference rows.

    A small autoencoder (a multilayer perceptron with a bottleneck) is fitted to scaled columns;
    the score of a row is the Mahalanobis length of its residual.

    Parameters
    ----------
    autoencoder : object, optional
        A ready autoencoder: an ONNX file, a callable, anything ``as_model`` takes, giving back as
        many numbers as it gets, in their units. None: one is fitted.
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

    Attributes
    ----------
    n_iter_ : int
        Passes over the rows, the most of all fits; not there for a ready autoencoder.

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
        autoencoder: Any = None,
        bottleneck: int | None = None,
        width: int | None = None,
        max_iter: int = 200,
        alpha: float = 0.05,
        calibration: str = "split",
        features: Any = None,
        categorical: Any = None,
        random_state: int = 0,
    ) -> None:
        self.autoencoder = autoencoder
        self.bottleneck = bottleneck
        self.width = width
        self.max_iter = max_iter
        self.alpha = alpha
        self.calibration = calibration
        self.features = features
        self.categorical = categorical
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> AutoencoderDetector:  # noqa: ARG002
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
        if self.autoencoder is None:
            self._learn(X)
            self.n_iter_ = max(members.network.n_iter_ for members in self.members_)
            return self
        self._check_shared()
        reader, _ = learn_reader(X, None, self.categorical)
        beside = _Beside(reader, _Flat(as_model(self.autoencoder)))
        self._calibrate(beside, beside.read(X))
        return self

    def _member_names(self) -> tuple[str, ...]:
        return ("reconstruction",)

    def _fit_members(
        self,
        features: FloatArray,
        rng: np.random.Generator,
        targets: FloatArray | None,  # noqa: ARG002
    ) -> _Network | _Given:
        if self.autoencoder is not None:
            raw = features.shape[1] // 2
            return _Given(*_whitening(features[:, :raw] - features[:, raw:]))
        d = features.shape[1]
        scaling = Scaling.learn(features)
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
        z = scaling(features)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # max_iter is a budget
            network.fit(z, z if d > 1 else z.ravel())
        residual = z - network.predict(z).reshape(z.shape)
        return _Network(scaling, network, *_whitening(residual))

    def _score_members(self, members: _Network | _Given, features: FloatArray) -> FloatArray:
        def score(block: FloatArray) -> FloatArray:
            centred = members.residuals(block) - members.residual_mean
            one_by_one = len(members.whiten) == 1
            white = centred * members.whiten if one_by_one else centred @ members.whiten
            return np.asarray((white**2).sum(axis=1, keepdims=True))

        return by_blocks(score, features)


def _whitening(residual: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean of residuals and a matrix that whitens them (Ledoit-Wolf shrinkage).

    Inputs of many numbers are whitened one by one; the matrix is then a row.
    """
    mean = residual.mean(axis=0)
    if residual.shape[1] > _MANY:
        spread = residual.std(axis=0)
        floor = max(0.05 * float(np.median(spread)), 1e-12)
        return mean, 1.0 / np.maximum(spread, floor)[None, :]
    covariance = np.atleast_2d(ledoit_wolf(residual - mean, assume_centered=True)[0])
    values, vectors = np.linalg.eigh(covariance)
    return mean, vectors / np.sqrt(np.maximum(values, 1e-9 * max(values.max(), 1e-12)))
