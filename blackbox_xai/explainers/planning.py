"""What an explanation would cost, found by rehearsing it without the model."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from blackbox_xai._inputs import n_rows
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray

__all__ = ["Plan", "Rehearsal"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What explaining would cost at most; nothing was sent.

    Parameters
    ----------
    inputs : int
        Inputs to be explained.
    rows : int
        Model rows. Exact for methods that always ask the same; methods that stop early may ask
        fewer.
    requests : int
        Calls of the model, with batches as they would be sent.
    seconds : float or None
        Wall-clock time, in seconds, when a latency was given.
    cost : float
        Price, in the currency of the model's prices; 0.0 when it has none.
    """

    inputs: int
    rows: int
    requests: int
    seconds: float | None
    cost: float

    def __str__(self) -> str:
        """Return one sentence."""
        time = "" if self.seconds is None else f", about {self.seconds:,.0f} s"
        price = f", cost {self.cost:,.2f}" if self.cost else ""
        return (
            f"{self.inputs:,} inputs: at most {self.rows:,} model rows in {self.requests:,} "
            f"requests{time}{price}. Nothing was sent."
        )


class Rehearsal(Adapter):
    """Stands in for a model: counts what it would be asked, answers noise.

    Noise, so that no stopping rule is ever content and the count is the most that can be asked.
    """

    def __init__(self, model: Adapter) -> None:
        super().__init__(output_names=model.output_names, scale=model.scale)
        self.side_by_side = model.side_by_side
        self._model = model
        self._rng = np.random.default_rng(0)
        self._lock = threading.Lock()
        self.rows = 0
        self.requests = 0

    def rows_per_batch(self, row_bytes: int) -> int:
        """Return how many rows the model would get in one call."""
        return self._model.rows_per_batch(row_bytes)

    def predict_counted(self, inputs: Any) -> tuple[FloatArray, Ledger]:
        """Count, and return noise."""
        n = n_rows(inputs)
        k = len(self.output_names) if self.output_names is not None else 2
        calls = self._model.calls_for(inputs)
        with self._lock:
            self.rows += n
            self.requests += calls
            return self._rng.random((n, k)), Ledger(calls, n)

    def _predict_batch(self, batch: Any) -> Any:
        return self.predict_counted(batch)[0]

    def plan(self, inputs: int, latency: float | None) -> Plan:
        """Return what was counted, in the model's own terms."""
        seconds = None if latency is None else self._model.seconds_for(self.requests, latency)
        return Plan(
            inputs=inputs,
            rows=self.rows,
            requests=self.requests,
            seconds=seconds,
            cost=self._model.price(self.rows, self.requests),
        )
