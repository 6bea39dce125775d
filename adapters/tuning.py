"""How a model is best run on this machine: rows in a call, threads or processes."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from blackbox_xai._checks import check_positive
from blackbox_xai._inputs import as_rows, n_rows, take_rows
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.adapters.recorded import RecordedModel
from blackbox_xai.errors import InputError
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import Parallel

__all__ = ["Tuning", "tune"]

_SIZES = (1, 8, 64, 512, 4096)
_REPEATS = 3
_NEARLY = 1.1
_SPEED_UP = 1.2


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What was measured, and what follows from it.

    Attributes
    ----------
    batch_size : int
        The smallest measured batch within 10 % of the best time a row.
    parallel : {"threads", "processes"}
        "processes" when two threads were less than 1.2 times as fast as one.
    seconds_per_row : dict of int to float
        Best time a row, in seconds, by batch size.
    thread_speed_up : float
        Calls in a given time with two threads, relative to one.
    cost : Ledger
        What the measurement cost.
    """

    batch_size: int
    parallel: Parallel
    seconds_per_row: dict[int, float]
    thread_speed_up: float
    cost: Ledger

    def apply(self, model: Adapter) -> Adapter:
        """Return a copy of the model that is run so."""
        tuned = copy.copy(model)
        tuned.batch_size = self.batch_size
        tuned.parallel = self.parallel
        return tuned


def tune(model: Adapter, inputs: Any, *, seconds: float = 0.5) -> Tuning:
    """Measure how the model is best run, with real inputs; the rows sent are paid for.

    Nothing is tuned unless this is called, because what it finds depends on the machine and its
    load, and with the batch size the last bits of some models' scores move. Threads or processes
    change no bit, but a model is sent to processes only when somebody says that it may be.

    Parameters
    ----------
    model : Adapter
        The model.
    inputs : array, frame or list
        Typical inputs; batches no larger than these are tried.
    seconds : float
        About how long each of the two measurements may take, in seconds.

    Returns
    -------
    Tuning

    Raises
    ------
    InputError
        When there are no inputs, or the model is recorded: a row that is known costs nothing.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> found = bx.tune(bx.as_model(lambda X: X.sum(axis=1)), np.zeros((64, 3)), seconds=0.05)
    >>> sorted(found.seconds_per_row), found.batch_size in found.seconds_per_row
    ([1, 8, 64], True)
    >>> model = found.apply(bx.as_model(lambda X: X.sum(axis=1)))
    >>> model.batch_size == found.batch_size, model.parallel == found.parallel
    (True, True)
    """
    check_positive("seconds", seconds)
    if isinstance(model, RecordedModel):
        raise InputError("model is recorded and would answer from memory. Tune the model inside.")
    inputs = as_rows(inputs)
    n = n_rows(inputs)
    if n == 0:
        raise InputError("inputs must have at least one row, got 0.")
    costs: list[Ledger] = []
    sizes = [size for size in _SIZES if size <= n]
    per_row: dict[int, float] = {}
    for size in sizes:
        call = _caller(model, take_rows(inputs, 0, size), size, costs)
        call()
        per_row[size] = _best(call, seconds / len(sizes)) / size
    best = min(per_row.values())
    size = next(size for size in sizes if per_row[size] <= _NEARLY * best)
    call = _caller(model, take_rows(inputs, 0, size), size, costs)
    speed_up = _thread_speed_up(call, per_row[size] * size, seconds)
    return Tuning(
        batch_size=size,
        parallel="threads" if speed_up >= _SPEED_UP else "processes",
        seconds_per_row=per_row,
        thread_speed_up=speed_up,
        cost=sum(costs, Ledger()),
    )


def _caller(model: Adapter, rows: Any, size: int, costs: list[Ledger]) -> Callable[[], None]:
    """Return a function that scores ``rows`` in one batch and books the cost."""
    sized = copy.copy(model)
    sized.batch_size = size

    def call() -> None:
        costs.append(sized.predict_counted(rows)[1])

    return call


def _best(call: Callable[[], None], seconds: float) -> float:
    """Return the shortest of at least one and at most three times, in seconds."""
    ends = time.perf_counter() + seconds
    shortest = float("inf")
    for _ in range(_REPEATS):
        began = time.perf_counter()
        call()
        now = time.perf_counter()
        shortest = min(shortest, now - began)
        if now > ends:
            break
    return shortest


def _thread_speed_up(call: Callable[[], None], once: float, seconds: float) -> float:
    """Return how much faster the same calls are done by two threads than by one."""
    calls = 2 * max(1, min(10, int(seconds / 4 / _REPEATS / max(once, 1e-9))))
    times = []
    for workers in (1, 2):
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(lambda _: None, range(workers)))

            def all_calls(pool: ThreadPoolExecutor = pool) -> None:
                for future in [pool.submit(call) for _ in range(calls)]:
                    future.result()

            times.append(_best(all_calls, seconds))
    return times[0] / times[1]
