"""What every adapter shares: batches, the check of the answer, the count of queries."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from blackbox_xai._checks import check_int, shown
from blackbox_xai._inputs import as_rows, n_rows, row_bytes, take_rows
from blackbox_xai.errors import AnswerError, BlackboxError, InputError, PredictError
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray, Parallel, Scale

__all__ = ["Adapter", "check_scores"]

_BATCH_BYTES = 4 << 20
_BATCH_ROWS = 4096


class Adapter(ABC):
    """Base of all adapters; a subclass gives ``_predict_batch`` alone.

    Parameters
    ----------
    output_names : sequence of str, optional
        Names of the ``k`` outputs.
    scale : {"probability", "score", "value"}, optional
        Unit of the scores.
    batch_size : int, optional
        Rows sent to the model at a time. None: as many as fill 4 MiB, at most 4096; that is a
        rule of sizes, not of timings, so that two runs send the same batches.
    """

    parallel: Parallel = "threads"

    def __init__(
        self,
        *,
        output_names: Any = None,
        scale: Scale | None = None,
        batch_size: int | None = None,
    ) -> None:
        self.output_names = None if output_names is None else tuple(str(n) for n in output_names)
        self.scale: Scale = scale or "score"
        self.batch_size = (
            None if batch_size is None else check_int("batch_size", batch_size, minimum=1)
        )

    @abstractmethod
    def _predict_batch(self, batch: Any) -> Any:
        """Return the scores of one batch as the model gives them."""

    def predict(self, inputs: Any) -> FloatArray:
        """Return scores of shape ``(n, k)``, float64 and finite."""
        return self.predict_counted(inputs)[0]

    def predict_counted(self, inputs: Any) -> tuple[FloatArray, Ledger]:
        """Return the scores and what they cost."""
        inputs = as_rows(inputs)
        n = n_rows(inputs)
        if n == 0:
            raise InputError("inputs must have at least one row, got 0.")
        size = self.rows_per_batch(row_bytes(inputs))
        began = time.perf_counter()
        parts = [
            self._scores(take_rows(inputs, a, min(a + size, n)), a) for a in range(0, n, size)
        ]
        scores = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return scores, Ledger(calls=len(parts), rows=n, seconds=time.perf_counter() - began)

    def _scores(self, batch: Any, start: int) -> FloatArray:
        """Return checked scores of one batch whose first row is row ``start`` of the inputs."""
        n = n_rows(batch)
        try:
            answer = self._predict_batch(batch)
        except BlackboxError:
            raise
        except Exception as error:
            rows = range(start, start + n)
            raise PredictError(
                f"The model failed on rows {start} to {start + n - 1}: "
                f"{type(error).__name__}: {shown(str(error), 200)}",
                rows,
            ) from error
        return check_scores(answer, n, start, self.output_names)

    def rows_per_batch(self, row_bytes: int) -> int:
        """Return how many rows of ``row_bytes`` bytes each go to the model in one call."""
        if self.batch_size is not None:
            return self.batch_size
        return int(np.clip(_BATCH_BYTES // max(row_bytes, 1), 1, _BATCH_ROWS))

    def name_outputs(self, k: int) -> tuple[str, ...]:
        """Return ``k`` names: those given, or made up."""
        if self.output_names is not None:
            return self.output_names
        return ("output",) if k == 1 else tuple(f"output {i}" for i in range(k))


def check_scores(
    answer: Any, n: int, start: int, output_names: tuple[str, ...] | None
) -> FloatArray:
    """Return ``answer`` as an owned ``(n, k)`` float64 matrix, or say what is wrong with it.

    Raises
    ------
    AnswerError
        For labels, a wrong number of rows or outputs, or a score that is not finite.
    """
    raw = np.asarray(answer)
    if raw.dtype.kind not in "fiub":
        raise AnswerError(
            f"The model returned {shown(raw.ravel()[:3].tolist())} of type {raw.dtype}, not scores. "
            "Pass its predict_proba or decision function instead of predict."
        )
    if raw.ndim == 1:
        raw = raw[:, None]
    if raw.ndim != 2 or raw.shape[0] != n or raw.shape[1] == 0:
        raise AnswerError(
            f"The model returned scores of shape {np.shape(answer)} for {n} rows; "
            f"expected ({n},) or ({n}, k).",
            range(start, start + n),
        )
    if output_names is not None and raw.shape[1] != len(output_names):
        raise AnswerError(
            f"The model returned scores of shape {raw.shape}; expected ({n}, {len(output_names)}) "
            f"from output_names {shown(output_names)}.",
            range(start, start + n),
        )
    scores = np.array(raw, dtype=np.float64, order="C")
    bad = np.argwhere(~np.isfinite(scores))
    if len(bad):
        row, output = bad[0]
        raise AnswerError(
            f"The model returned {scores[row, output]} for row {start + row}, output {output}; "
            "scores must be finite.",
            [start + row],
        )
    return scores
