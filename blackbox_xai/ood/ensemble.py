"""Inputs on which students of the model disagree."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from blackbox_xai._checks import check_int
from blackbox_xai._parallel import child_rng, pmap
from blackbox_xai._rowwise import by_blocks
from blackbox_xai.adapters import as_model
from blackbox_xai.ood.base import Detector
from blackbox_xai.ood.features import learn_reader
from blackbox_xai.protocols import FloatArray

__all__ = ["EnsembleDetector"]


@dataclass(frozen=True, eq=False)
class _Students:
    centre: FloatArray
    spread: FloatArray
    networks: list[Any]


class EnsembleDetector(Detector):
    """Flags inputs on which small networks that imitate the model disagree with each other.

    Where students that all agree with the model on the reference rows part ways, the model's
    answer rests on no reference row.

    Parameters
    ----------
    n_students : int
    width : int
        Hidden units of each student.
    max_iter : int
        Passes over the rows at most.
    n_jobs : int
        Students fitted side by side; the numbers do not depend on it.
    alpha, calibration, features, categorical, random_state
        As for ``AutoencoderDetector``.

    Attributes
    ----------
    cost_ : Ledger
        Model rows spent: one for each reference row.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> X = np.random.default_rng(0).uniform(-1, 1, size=(200, 2))
    >>> detector = bx.EnsembleDetector().fit(lambda X: np.sin(3 * X[:, 0]), X)
    >>> detector.flag([[0.0, 0.0], [9.0, 9.0]])
    array([False,  True])
    """

    def __init__(
        self,
        *,
        n_students: int = 8,
        width: int = 32,
        max_iter: int = 100,
        n_jobs: int = 1,
        alpha: float = 0.05,
        calibration: str = "split",
        features: Any = None,
        categorical: Any = None,
        random_state: int = 0,
    ) -> None:
        self.n_students = n_students
        self.width = width
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.alpha = alpha
        self.calibration = calibration
        self.features = features
        self.categorical = categorical
        self.random_state = random_state

    def fit(self, model: Any, X: Any) -> EnsembleDetector:
        """Let students imitate ``model`` on ``X``.

        Raises
        ------
        InputError
            For settings or rows that cannot be used.
        """
        check_int("n_students", self.n_students, minimum=2)
        check_int("width", self.width, minimum=1)
        check_int("max_iter", self.max_iter, minimum=1)
        self._check_shared()
        reader, features = learn_reader(X, self.features, self.categorical)
        scores, self.cost_ = as_model(model).predict_counted(X)
        spread = scores.std(axis=0)
        targets = (scores - scores.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
        self._calibrate(reader, features, targets)
        return self

    def _member_names(self) -> tuple[str, ...]:
        return ("disagreement",)

    def _fit_members(
        self, features: FloatArray, rng: np.random.Generator, targets: FloatArray | None
    ) -> _Students:
        centre, spread = features.mean(axis=0), features.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        z = (features - centre) / spread
        seed = int(rng.integers(1 << 31))
        tasks = list(range(self.n_students))
        shared = (z, targets, seed, self.width, self.max_iter)
        networks: list[Any] = [None] * self.n_students
        for i, network in pmap(_fit_student, shared, tasks, n_jobs=self.n_jobs):
            networks[i] = network
        return _Students(centre, spread, networks)

    def _score_members(self, members: _Students, features: FloatArray) -> FloatArray:
        def score(block: FloatArray) -> FloatArray:
            z = (block - members.centre) / members.spread
            said = np.stack(
                [network.predict(z).reshape(len(z), -1) for network in members.networks]
            )
            return np.asarray(said.var(axis=0).sum(axis=1, keepdims=True))

        return by_blocks(score, features)


def _fit_student(shared: Any, i: int) -> Any:
    z, targets, seed, width, max_iter = shared
    rng = child_rng(seed, i)
    rows = rng.integers(len(z), size=len(z))
    network = MLPRegressor(
        hidden_layer_sizes=(width,),
        max_iter=max_iter,
        random_state=int(rng.integers(1 << 31)),
        learning_rate_init=0.01,
        batch_size=min(64, len(z)),
    )
    target = targets[rows]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # max_iter is a budget
        return network.fit(z[rows], target if target.shape[1] > 1 else target.ravel())
