"""What is audited, what has been found out so far, and what may still be spent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from blackbox_xai._inputs import n_rows
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.errors import BudgetError, PredictError
from blackbox_xai.explainers.base import LocalExplainer
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray, IntArray, Masker
from blackbox_xai.results import Explanation

__all__ = ["Case", "Findings", "Guard", "Halted", "StageProgress"]

StageProgress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False, kw_only=True)
class Case:
    """Everything an audit is given.

    Parameters
    ----------
    model : Adapter
        The black box.
    inputs : array, frame or list
        The ``n`` inputs that are audited.
    y : list or None
        Label or true value of each input.
    background : array, frame, list or None
        Reference inputs.
    masker : Masker
        How features are hidden.
    explainer : LocalExplainer
        Explains rows.
    feature_names : tuple of str, optional
        Names of the columns of an array.
    n_explain : int
        Rows explained.
    n_jobs : int
        Workers.
    seed : int
        Seed of every random choice.
    about : mapping
        What the caller says of model and data.
    progress : callable
        Receives ``(stage, done, total)``.
    """

    model: Adapter
    inputs: Any
    y: list[Any] | None
    background: Any
    masker: Masker
    explainer: LocalExplainer
    feature_names: tuple[str, ...] | None
    n_explain: int
    n_jobs: int
    seed: int
    about: Mapping[str, Any]
    progress: StageProgress

    @property
    def n(self) -> int:
        """Number of inputs."""
        return n_rows(self.inputs)

    def rng(self, stage: int) -> np.random.Generator:
        """Return the generator of one stage: the same whatever the others draw."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(stage,)))


@dataclass(eq=False)
class Findings:
    """What stages leave for those that follow.

    Parameters
    ----------
    scores : ndarray of shape (n, k), optional
        Scores of the inputs.
    true : list of str, optional
        Label or true value of each input, in words.
    wrong : ndarray of int, optional
        Rows with a wrong answer, the most confident first.
    p_values : ndarray of shape (n,), optional
        How usual each input is: low means unlike the reference.
    sampled : ndarray of int
        Explained rows that were drawn at random.
    explanations : dict
        Explanation of each explained row.
    warnings : list of str
        What the reader must know.
    """

    scores: FloatArray | None = None
    output_names: tuple[str, ...] = ()
    true: list[str] | None = None
    wrong: IntArray | None = None
    p_values: FloatArray | None = None
    sampled: IntArray = field(default_factory=lambda: np.empty(0, dtype=np.intp))
    explanations: dict[int, Explanation] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class Halted(Exception):  # not an error of its own: it carries one
    """A stage ended midway: what it had found by then, and why it ended."""

    def __init__(self, section: dict[str, Any] | None, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.section = section
        self.cause = cause


class Guard(Adapter):
    """A model that refuses to be asked beyond a number of rows, or after a point in time.

    With a limit it is asked from threads of one process only, where the count is exact.

    Parameters
    ----------
    model : Adapter
        The model asked.
    max_rows : int, optional
        Rows that may be sent in all.
    max_seconds : float, optional
        Seconds after which nothing more is sent.
    """

    def __init__(
        self, model: Adapter, *, max_rows: int | None = None, max_seconds: float | None = None
    ) -> None:
        super().__init__(
            output_names=model.output_names, scale=model.scale, batch_size=model.batch_size
        )
        self.model = model
        self.max_rows = max_rows
        self.max_seconds = max_seconds
        limited = max_rows is not None or max_seconds is not None
        self.parallel = "threads" if limited else model.parallel
        self.side_by_side = model.side_by_side
        self._spent = Ledger()
        self._promised = 0
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Leave the lock behind: another process counts for itself."""
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()

    def predict_counted(self, inputs: Any) -> tuple[FloatArray, Ledger]:
        """Return scores and their cost, or refuse before anything is sent."""
        n = n_rows(inputs)
        self._promise(n)
        cost = Ledger()
        try:
            scores, cost = self.model.predict_counted(inputs)
        except PredictError as error:
            cost = error.cost
            raise
        finally:
            with self._lock:
                self._promised -= n
                self._spent = self._spent + cost
        self.scale, self.output_names = self.model.scale, self.model.output_names
        return scores, cost

    def _promise(self, n: int) -> None:
        """Set rows aside, so that threads together do not spend more than there is."""
        late = self.max_seconds is not None and time.monotonic() - self._began > self.max_seconds
        with self._lock:
            left = self.rows_left
            if left is not None and n > left:
                raise BudgetError(
                    f"The next step needs {n} model rows, but {left} of the budget of "
                    f"{self.max_rows} are left. Raise budget."
                )
            if late:
                raise BudgetError(
                    f"max_seconds = {self.max_seconds:g} have passed. Raise max_seconds."
                )
            self._promised += n

    @property
    def spent(self) -> Ledger:
        """What was asked through this guard, in this process."""
        return self._spent

    @property
    def rows_left(self) -> int | None:
        """Rows that may still be sent; None without a limit."""
        if self.max_rows is None:
            return None
        return self.max_rows - self._spent.rows - self._promised

    def _predict_batch(self, batch: Any) -> Any:
        return self.predict_counted(batch)[0]

    def rows_per_batch(self, row_bytes: int) -> int:
        """Return what the model itself would say."""
        return self.model.rows_per_batch(row_bytes)

    def name_outputs(self, k: int) -> tuple[str, ...]:
        """Return what the model itself would say."""
        return self.model.name_outputs(k)
