"""What every adapter shares: batches, the check of the answer, the count of queries."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Generator
from typing import Any

import numpy as np

from blackbox_xai._checks import check_choice, check_int
from blackbox_xai._inputs import RowError, as_rows, blemish, n_rows, row_bytes, take_rows
from blackbox_xai.adapters.answers import (
    by_row,
    check_names,
    check_range,
    check_scores,
    one_line,
    with_partial,
)
from blackbox_xai.adapters.blame import first_failing
from blackbox_xai.errors import AnswerError, BlackboxError, InputError, PredictError
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray, Parallel, Scale

__all__ = ["Adapter", "check_scores"]

_BATCH_BYTES = 4 << 20
_BATCH_ROWS = 4096
_SCALES = ("probability", "score", "value")


class Adapter(ABC):
    """Base of all adapters; a subclass gives ``_predict_batch`` alone.

    Parameters
    ----------
    output_names : sequence of str, optional
        Names of the ``k`` outputs.
    scale : {"probability", "score", "value"}, optional
        Unit of the scores. None means "score".
    batch_size : int, optional
        Rows sent to the model at a time. None: as many as fill 4 MiB, at most 4096; that is a
        rule of sizes, not of timings, so that two runs send the same batches.

    Attributes
    ----------
    deterministic : bool or None
        Whether a row scored the same twice; None when that is not known.
    n_outputs : int or None
        Number ``k`` of outputs; None until it is known from names or the first answer.

    Raises
    ------
    InputError
        When a setting cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> from blackbox_xai.adapters import Adapter
    >>> class Doubled(Adapter):
    ...     def _predict_batch(self, batch):
    ...         return 2.0 * batch
    >>> scores, cost = Doubled(batch_size=2).predict_counted(np.ones((5, 1)))
    >>> scores.ravel(), cost.calls, cost.rows
    (array([2., 2., 2., 2., 2.]), 3, 5)
    """

    parallel: Parallel = "threads"
    # Inputs explained side by side, so that their coalitions share batches: a property of the
    # kind of model, never of n_jobs, so that the batches and the last bits do not depend on it.
    side_by_side: int = 10
    deterministic: bool | None = None

    def __init__(
        self,
        *,
        output_names: Any = None,
        scale: Scale | None = None,
        batch_size: int | None = None,
    ) -> None:
        self.output_names = check_names(output_names)
        self.scale: Scale = scale or "score"
        check_choice("scale", self.scale, _SCALES)
        self.batch_size = (
            None if batch_size is None else check_int("batch_size", batch_size, minimum=1)
        )
        self.n_outputs = None if self.output_names is None else len(self.output_names)

    @abstractmethod
    def _predict_batch(self, batch: Any) -> Any:
        """Return the scores of one batch as the model gives them; leave the batch as it is."""

    def predict(self, inputs: Any) -> FloatArray:
        """Return the scores of the inputs.

        Parameters
        ----------
        inputs : array, frame, sparse matrix or list of length n
            One row for each input.

        Returns
        -------
        ndarray of shape (n, k)
            Finite scores in the unit that ``scale`` names, owned by the caller.

        Raises
        ------
        InputError
            When the inputs cannot be sent.
        PredictError
            When the model fails; ``rows`` names the row when a single one makes it fail.
        AnswerError
            When the model answers something that is not a finite score matrix.
        Interrupted
            On Ctrl-C. This error and the others hold in ``partial`` the scores of every row that
            was answered before, and None for the rest.
        """
        return self.predict_counted(inputs)[0]

    def predict_counted(self, inputs: Any) -> tuple[FloatArray, Ledger]:
        """Return the scores, shape ``(n, k)``, and what they cost."""
        n = n_rows(inputs)
        if n == 0:
            return self._no_rows(), Ledger()
        steps = self._steps(inputs)
        parts = []
        try:
            while True:
                parts.append(next(steps))
        except StopIteration as stop:
            cost: Ledger = stop.value
        except (BlackboxError, KeyboardInterrupt) as error:
            raise with_partial(error, by_row(n, parts)) from error.__cause__
        if len(parts) == 1:
            return parts[0][1], cost
        scores = np.empty((n, parts[0][1].shape[1]))
        for start, part in parts:
            scores[start : start + len(part)] = part
        return scores, cost

    def stream(self, inputs: Any) -> Generator[tuple[int, FloatArray], None, Ledger]:
        """Yield ``(first row, scores)`` of each batch as it is answered; return the cost.

        Parameters
        ----------
        inputs : array, frame, sparse matrix or list of length n
            At least one row.
        """
        inputs = as_rows(inputs)
        n = n_rows(inputs)
        size = self.rows_per_batch(row_bytes(inputs))
        seconds, calls = 0.0, 0
        for start in range(0, n, size):
            stop = min(start + size, n)
            batch = inputs if stop - start == n else take_rows(inputs, start, stop)
            began = time.perf_counter()
            try:
                scores = self._scores(batch, stop - start, start)
            except PredictError as error:
                seconds += time.perf_counter() - began
                error.cost = error.cost + Ledger(calls, start, seconds=seconds)
                raise
            seconds, calls = seconds + time.perf_counter() - began, calls + 1
            yield start, scores
        return Ledger(calls, n, seconds=seconds)

    def _steps(self, inputs: Any) -> Generator[tuple[int, FloatArray], None, Ledger]:
        """Stream for a caller who needs nothing before the end."""
        return self.stream(inputs)

    def _scores(self, batch: Any, n: int, start: int) -> FloatArray:
        """Return checked scores of one batch whose first row is row ``start`` of the inputs."""
        try:
            answer = self._predict_batch(batch)
        except RowError as error:
            raise RowError(error.sentence, start + error.row) from None
        except BlackboxError:
            raise
        except (Exception, SystemExit) as error:
            raise self._failure(batch, n, start, error) from error
        try:
            scores = check_scores(answer, n, start, self.output_names)
            self._check_kind(scores, start)
        except AnswerError as error:
            error.cost = Ledger(calls=1, rows=n, failures=1)
            raise
        return scores

    def _check_kind(self, scores: FloatArray, start: int) -> None:
        """Check the number of outputs against earlier answers, and probabilities for range."""
        k = scores.shape[1]
        if self.n_outputs is None:
            self.n_outputs = k
        elif k != self.n_outputs:
            raise AnswerError(
                f"The model returned {k} scores a row for rows {start} to "
                f"{start + len(scores) - 1}, but {self.n_outputs} before.",
                range(start, start + len(scores)),
            )
        if self.scale == "probability":
            check_range(scores, start)

    def _failure(self, batch: Any, n: int, start: int, error: BaseException) -> PredictError:
        """Return the error that names the row at which the model fails, if it is one row."""
        cost = [Ledger(calls=1, rows=n, failures=1)]

        def fails(first: int, last: int) -> bool:
            try:
                self._predict_batch(take_rows(batch, first, last))
            except (Exception, SystemExit):  # noqa: BLE001  # whatever it is, the row fails
                cost.append(Ledger(calls=1, rows=last - first, failures=1))
                return True
            cost.append(Ledger(calls=1, rows=last - first))
            return False

        culprit = first_failing(fails, n)
        rows: Any = [start + culprit] if culprit is not None else range(start, start + n)
        odd = blemish(batch, culprit or 0)
        where = f"row {rows[0]}" if len(rows) == 1 else f"rows {rows[0]} to {rows[-1]}"
        text = one_line(error, 300)
        return PredictError(
            f"The model failed on {where}{f' ({odd})' if odd else ''}: "
            f"{type(error).__name__}: {text}",
            rows,
            sum(cost, Ledger()),
        )

    def _no_rows(self) -> FloatArray:
        if self.n_outputs is None:
            raise InputError(
                "inputs must have at least one row, got 0. None are allowed once output_names tell "
                "how many scores a row has."
            )
        return np.empty((0, self.n_outputs))

    def fingerprint(self) -> str | None:
        """Return a text that changes when the model could answer otherwise; None: not known."""
        return None

    def rows_per_batch(self, row_bytes: int) -> int:
        """Return how many rows of ``row_bytes`` bytes each go to the model in one call."""
        if self.batch_size is not None:
            return self.batch_size
        return min(max(_BATCH_BYTES // max(row_bytes, 1), 1), _BATCH_ROWS)

    def calls_for(self, inputs: Any) -> int:
        """Return how many calls of the model ``inputs`` would take."""
        return -(-n_rows(inputs) // self.rows_per_batch(row_bytes(inputs)))

    def price(self, rows: int, requests: int) -> float:  # noqa: ARG002  # nothing is charged here
        """Return what so many rows in so many requests would cost, in the user's currency."""
        return 0.0

    def seconds_for(self, requests: int, latency: float) -> float:
        """Return how long so many requests of ``latency`` seconds each would take."""
        return requests * latency

    def name_outputs(self, k: int) -> tuple[str, ...]:
        """Return ``k`` names: those given, or made up."""
        if self.output_names is not None:
            return self.output_names
        return ("output",) if k == 1 else tuple(f"output {i}" for i in range(k))
