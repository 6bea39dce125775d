"""A model that is never asked the same row twice."""

from __future__ import annotations

import json
import warnings
from collections.abc import Generator, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from blackbox_xai._checks import check_int
from blackbox_xai._inputs import RowError, as_rows, n_rows, pick_rows
from blackbox_xai.adapters.answers import with_partial
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.adapters.recorded.keys import row_keys
from blackbox_xai.adapters.recorded.log import PredictionLog
from blackbox_xai.adapters.recorded.memory import Memory, Pairs
from blackbox_xai.errors import BlackboxError, InputError, LogError, PredictError
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray

__all__ = ["RecordedModel"]


class RecordedModel(Adapter):
    """Any model, asked once for each distinct row; with a path, once and for all runs.

    Scores are kept by the content of the row. With ``path`` they are written to a file batch by
    batch, before the next result is used: a run that was killed pays again only for the batches
    that were in flight, and gets the same bits. Neither inputs nor addresses are stored.

    The first row that is paid for is asked a second time. A model that then answers otherwise
    is not deterministic: a warning says so, and from then on every row is passed on to it.

    Parameters
    ----------
    model : Adapter
        The model.
    path : path, optional
        The prediction log; None keeps scores in memory only.
    fingerprint : str, optional
        Tells this model from others and from its own other versions. None: what the model tells;
        a function cannot, so with ``path`` it needs one.
    probe : bool
        Whether to spend one row on the question whether the model is deterministic. A model that
        knows it (``deterministic``) is not asked again.
    memory_rows : int
        Rows kept in memory; beyond them the oldest are forgotten there.

    Raises
    ------
    InputError
        When the model has no fingerprint.
    LogError
        When the log cannot be used or belongs to another model.

    Examples
    --------
    >>> import numpy as np
    >>> from blackbox_xai.adapters import CallableModel, RecordedModel
    >>> model = RecordedModel(CallableModel(lambda X: X.sum(axis=1)), probe=False)
    >>> scores, cost = model.predict_counted(np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 5.0]]))
    >>> scores.ravel(), cost.rows, cost.cache_hits
    (array([3., 3., 5.]), 2, 1)
    >>> model.predict_counted(np.array([[1.0, 2.0]]))[1].rows
    0
    """

    def __init__(
        self,
        model: Adapter,
        path: Any = None,
        *,
        fingerprint: str | None = None,
        probe: bool = True,
        memory_rows: int = 1_000_000,
    ) -> None:
        if not isinstance(model, Adapter):
            raise InputError(
                f"model must be an adapter, got {type(model).__name__}. Pass as_model(...) of it."
            )
        super().__init__(output_names=model.output_names, scale=model.scale)
        self.parallel = model.parallel
        self.side_by_side = model.side_by_side
        self.deterministic = model.deterministic
        self._model = model
        self._fingerprint = fingerprint or model.fingerprint()
        self._probe = probe
        self._memory_rows = check_int("memory_rows", memory_rows, minimum=1)
        self._log = None if path is None else PredictionLog(path, self._told_fingerprint())
        self._memory = Memory(self._memory_rows)
        self._noted: str | None = None
        if self._log is not None:
            self._recall(self._log)
        if self.deterministic is False:
            warnings.warn(_NOT_DETERMINISTIC, stacklevel=2)

    def _told_fingerprint(self) -> str:
        if self._fingerprint is None:
            raise InputError(
                f"fingerprint must be given: a {type(self._model).__name__} cannot tell one "
                "version of the model from another. Name it, for example fingerprint='credit-v3'."
            )
        return self._fingerprint

    def fingerprint(self) -> str | None:
        """Return the text that tells this model from others, or None."""
        return self._fingerprint

    def rows_per_batch(self, row_bytes: int) -> int:
        """Return how many rows go to the model in one call."""
        return self._model.rows_per_batch(row_bytes)

    def price(self, rows: int, requests: int) -> float:
        """Return what the model would charge, if none of the rows is known."""
        return self._model.price(rows, requests)

    def seconds_for(self, requests: int, latency: float) -> float:
        """Return how long the model would take, if none of the rows is known."""
        return self._model.seconds_for(requests, latency)

    def close(self) -> None:
        """Close the log; it is opened again when it is needed."""
        if self._log is not None:
            self._log.close()

    def _predict_batch(self, batch: Any) -> FloatArray:
        return self.predict_counted(batch)[0]

    def stream(self, inputs: Any) -> Generator[tuple[int, FloatArray], None, Ledger]:
        """Yield the scores of all rows, at once; return the cost."""
        inputs = as_rows(inputs)
        n = n_rows(inputs)
        if self.deterministic is False:
            return (yield from self._model.stream(inputs))
        keys = row_keys(inputs)
        known: Pairs = {}
        try:
            cost, sent = self._answer(inputs, keys, known)
        except (BlackboxError, KeyboardInterrupt) as error:
            answered_before = [_vector(known.get(key)) for key in keys]
            kept = with_partial(error, answered_before)
            kept.partial = answered_before  # by the rows of these inputs, not of those sent
            raise kept from error.__cause__
        answered = b"".join([known[key] for key in keys])
        yield 0, np.frombuffer(answered).reshape(n, -1).copy()
        return replace(cost, cache_hits=cost.cache_hits + n - sent)

    def _answer(self, inputs: Any, keys: list[bytes], known: Pairs) -> tuple[Ledger, int]:
        """Fill ``known`` with the scores of all keys; ask the model for those nobody has.

        Returns what it cost and how many rows the model was asked for.
        """
        places: dict[bytes, int] = {}
        for i, key in enumerate(keys):
            places.setdefault(key, i)
        find = None if self._log is None else self._log.find
        waiting: Iterable[bytes] = places
        cost, sent = Ledger(), 0
        while waiting:
            mine, waiting = self._memory.claim(waiting, known, find)
            try:
                if mine:
                    cost += self._pay(inputs, keys, [places[key] for key in mine], known)
            finally:
                self._memory.release(mine)
            sent += len(mine)
            if waiting:
                self._memory.wait(waiting)
        return cost, sent

    def _pay(self, inputs: Any, keys: list[bytes], places: list[int], known: Pairs) -> Ledger:
        """Ask the model for the rows at ``places``; keep every batch as soon as it is there."""
        everything = len(places) == len(keys)
        steps = self._model.stream(inputs if everything else pick_rows(inputs, places))
        extra = Ledger()
        try:
            while True:
                start, scores = next(steps)
                wide = scores.shape[1] * 8
                raw = scores.tobytes()
                batch = {
                    keys[places[start + i]]: raw[i * wide : (i + 1) * wide]
                    for i in range(len(scores))
                }
                known.update(batch)
                extra += self._verify(inputs, places[start], scores[0])
                self._keep(batch)
        except StopIteration as stop:
            paid: Ledger = stop.value
            return paid + extra
        except RowError as error:
            raise RowError(error.sentence, places[error.row]) from None
        except PredictError as error:
            _renumber(error, keys, places)
            error.cost = error.cost + extra
            raise

    def _verify(self, inputs: Any, place: int, scores: FloatArray) -> Ledger:
        """Ask the first paid row again, once, and see whether the model repeats itself."""
        model, cost = self._model, Ledger()
        self.output_names, self.scale = model.output_names, model.scale
        self.n_outputs = model.n_outputs
        if self.deterministic is None:
            self.deterministic = model.deterministic
            if self.deterministic is None and self._probe:
                again, cost = model.predict_counted(pick_rows(inputs, [place]))
                # A batch may round otherwise than a single row: the last bits do not count.
                self.deterministic = bool(np.allclose(again[0], scores, rtol=1e-4, atol=1e-6))
            if self.deterministic is False:
                warnings.warn(_NOT_DETERMINISTIC, stacklevel=2)
        return cost

    def _note(self) -> None:
        """Write down what is known of the model, for runs that need not ask it."""
        notes = json.dumps([self.output_names, self.scale, self.deterministic])
        if self._log is not None and notes != self._noted:
            self._log.set_note("model", notes)
            self._noted = notes

    def _recall(self, log: PredictionLog) -> None:
        """Take over what an earlier run wrote down."""
        self._noted = log.note("model")
        if self._noted is None:
            return
        try:
            names, scale, repeats = json.loads(self._noted)
        except ValueError as error:
            raise LogError(f"{log.name} is damaged: its notes cannot be read.") from error
        self.scale = scale
        if self.output_names is None and names is not None:
            self.output_names = tuple(names)
        if self.deterministic is None:
            self.deterministic = repeats

    def _keep(self, batch: Pairs) -> None:
        if self.deterministic is not False:
            self._memory.remember(batch)
        self._note()
        if self._log is not None and self.deterministic is not False:
            self._log.add(batch.items())

    def __getstate__(self) -> dict[str, Any]:
        """Leave behind what is in memory."""
        return {name: value for name, value in vars(self).items() if name != "_memory"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Start with an empty memory."""
        vars(self).update(state)
        self._memory = Memory(self._memory_rows)


_NOT_DETERMINISTIC = (
    "The model answered the same row in two ways, so its scores are not recorded and every row is "
    "paid for. Pass the model itself instead of a RecordedModel, or make it deterministic."
)


def _vector(scores: bytes | None) -> FloatArray | None:
    return None if scores is None else np.frombuffer(scores).copy()


def _renumber(error: PredictError, keys: list[bytes], places: list[int]) -> None:
    """Let an error about the rows that were sent name the rows of the inputs."""
    if len(places) == len(keys):
        return
    bad = {keys[places[row]]: row for row in error.rows if row < len(places)}
    rows = [i for i, key in enumerate(keys) if key in bad]
    if rows and len(bad) < len(places):
        text = f"Row {rows[0]} of the inputs (row {bad[keys[rows[0]]]} of those sent): {error}"
        error.args = (text,)
    error.rows = tuple(rows)
