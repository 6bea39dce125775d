"""A model behind a server."""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Mapping, Sequence
from typing import Any

from blackbox_xai._checks import check_int
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.adapters.http.canary import Canary
from blackbox_xai.adapters.http.client import Client
from blackbox_xai.adapters.http.codecs import Codec
from blackbox_xai.adapters.http.connect import (
    BATCH_ROWS,
    Door,
    arranged,
    as_secret,
    check_protocol,
    fit_batch,
)
from blackbox_xai.adapters.http.endpoint import parse_url
from blackbox_xai.adapters.http.limits import Budget, Limits, Meter
from blackbox_xai.adapters.http.preflight import Preflight
from blackbox_xai.adapters.http.rows import Rows, as_rows
from blackbox_xai.adapters.http.run import Run
from blackbox_xai.adapters.http.secrets import Auth, Secret, authorise
from blackbox_xai.adapters.http.validate import Checker
from blackbox_xai.errors import PredictError
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray, Scale

__all__ = ["HttpModel"]


class HttpModel(Adapter):
    """A model behind an HTTP server.

    Nothing is sent before the first prediction. Then the protocol, the names, shapes and limits
    are asked of the server where it tells them, and a few rows are sent to see that the model
    is deterministic, keeps its rows apart and in order, and answers scores rather than labels.
    After that the rows of a call are spread over threads; failures are repeated, batches split,
    and answers checked, until every row is scored or named in an error.

    Parameters
    ----------
    url : str
        Where the model is: ``http://host/v2/models/name``, ``.../v1/models/name``,
        ``.../invocations``, ``.../predictions/name``, or any address together with ``protocol``.
        User-info and query are sent but never shown.
    protocol : str or Codec, optional
        How to speak to it: "v2", "v1", "mlflow", "torchserve", "huggingface", "tei", "litserve",
        "bentoml", or a codec with settings of its own such as ``CustomJson``. None: found out.
    output : str, optional
        Which of several outputs holds the scores; for MLServer's scikit-learn runtime
        ``"predict_proba"``.
    output_names, scale, batch_size
        As for every adapter. ``scale="probability"`` has the answers checked to be
        distributions. ``batch_size`` is the largest batch; default: what the server tells, at
        most 64 rows and about 1 MB.
    columns : sequence of str, optional
        The model's columns in order. Data frames are then arranged to it; without it they are
        refused by protocols that send positions.
    logits : bool
        The model answers logits: turn them into probabilities.
    allow_missing : bool
        The model takes missing values; NaN and None are then sent (as null in JSON).
    auth : str, Secret or callable, optional
        Name of an environment variable that holds a token, the token as a ``Secret``, or a
        callable ``(method, url, headers, body) -> headers`` that signs each request.
    headers : mapping, optional
        Further headers; values are texts or secrets, and none is ever shown.
    limits : Limits, optional
        Requests in flight and a second, timeouts, repeats, sizes.
    budget : Budget, optional
        Rows, requests, seconds and money that this object may spend.
    preflight : bool
        Whether to spend up to eight rows on the checks above.
    canary_every : int
        Every so many rows a row with a known answer is sent along, to find a model that changes
        midway. 0: never.
    verify : bool or str
        Verify TLS certificates; a path names a file of trusted ones.
    proxy : str, optional
        URL of a proxy; proxies of the environment are not used.

    Examples
    --------
    >>> model = HttpModel("http://user:secret@localhost:8080/v2/models/credit?key=1")
    >>> model
    HttpModel('http://localhost:8080/v2/models/credit')
    """

    side_by_side = 64  # many requests in flight, few moments in which all wait for the last

    def __init__(
        self,
        url: str,
        *,
        protocol: str | Codec | None = None,
        output: str | None = None,
        output_names: Any = None,
        scale: Scale | None = None,
        batch_size: int | None = None,
        columns: Sequence[str] | None = None,
        logits: bool = False,
        allow_missing: bool = False,
        auth: Auth = None,
        headers: Mapping[str, str | Secret] | None = None,
        limits: Limits | None = None,
        budget: Budget | None = None,
        preflight: bool = True,
        canary_every: int = 1000,
        verify: bool | str = True,
        proxy: str | None = None,
    ) -> None:
        said: Scale | None = "probability" if logits and scale is None else scale
        super().__init__(output_names=output_names, scale=said, batch_size=batch_size)
        self.columns = None if columns is None else tuple(str(name) for name in columns)
        self.limits = limits or Limits()
        self._door = Door(
            endpoint=parse_url(url),
            protocol=check_protocol(protocol),
            output=output,
            auth=authorise(auth),
            headers={name: as_secret(name, value) for name, value in (headers or {}).items()},
            limits=self.limits,
            verify=verify,
            proxy=None if proxy is None else Secret(proxy),
        )
        self._checker = Checker(self.output_names, said, logits)
        self._allow_missing = allow_missing
        self._canary_every = check_int("canary_every", canary_every, minimum=0)
        self._canary: Canary | None = None
        self._meter = Meter(budget)
        self._preflight = Preflight() if preflight else None
        self._facts: dict[str, Any] = {}
        self._width: int | None = None
        self._client: Client | None = None
        self._pid = 0
        self._lock = threading.RLock()
        self._door.warn()

    @property
    def spent(self) -> dict[str, float]:
        """Requests, rows, money and rows perhaps paid twice, over the life of this object."""
        return self._meter.to_dict()

    def stream(self, inputs: Any) -> Generator[tuple[int, FloatArray], None, Ledger]:
        """Yield ``(first row, scores)`` batch by batch as they are answered; return the cost.

        Raises
        ------
        InputError
            When the inputs cannot be sent; nothing was.
        BudgetError
            When the inputs would exceed the budget, or the server's quota is used up.
        ModelError
            When rows cannot be scored, after everything that was answered.
        Interrupted
            On Ctrl-C, likewise.
        """
        return (yield from self._stream(inputs, kept=True))

    def _steps(self, inputs: Any) -> Generator[tuple[int, FloatArray], None, Ledger]:
        return self._stream(inputs, kept=False)

    def _stream(
        self, inputs: Any, *, kept: bool
    ) -> Generator[tuple[int, FloatArray], None, Ledger]:
        rows = as_rows(inputs, allow_missing=self._allow_missing)
        client = self._connected()
        rows = arranged(rows, client.codec, self.columns, self._width)
        fit_batch(client, rows)
        client.meter.check(-(-rows.n // client.size.most), rows.n)
        before = self._fly(client, rows)
        run = Run(client, rows, self._canary, kept=kept)
        try:
            yield from run.answers()
        except PredictError as error:
            error.cost = error.cost + run.ledger + before
            raise
        self._learn(client, rows)
        return run.ledger + before

    def price(self, rows: int, requests: int) -> float:
        """Return what so many rows in so many requests would cost at the budget's prices."""
        return self._meter.budget.price(requests, rows)

    def seconds_for(self, requests: int, latency: float) -> float:
        """Return how long so many requests would take with as many in flight as allowed."""
        return -(-requests // self.limits.max_parallel) * latency

    def rows_per_batch(self, row_bytes: int) -> int:  # noqa: ARG002  # bytes count once encoded
        """Return the largest batch that is sent, in rows."""
        return self.batch_size or BATCH_ROWS

    def fingerprint(self) -> str | None:
        """Return a text of address and protocol; keys in the query are left out.

        It does not know the version of the model: give ``RecordedModel`` a fingerprint of your
        own where the model behind an address changes.
        """
        return self._door.fingerprint(self.columns, logits=self._checker.logits)

    def probe(self) -> dict[str, Any]:
        """Return what the server tells about itself, as plain data; no rows are sent.

        Raises
        ------
        LoadError
            When the server cannot be reached.
        InputError
            When the protocol cannot be found out.
        """
        client = self._connected()
        return {"url": client.where, **self._facts, "batch_size": client.size.most}

    def _predict_batch(self, batch: Any) -> FloatArray:
        return self.predict_counted(batch)[0]

    def _connected(self) -> Client:
        """Return the client of this process: a fork gets one of its own."""
        with self._lock:
            if self._client is None or self._pid != os.getpid():
                self._client, found = self._door.open(self._checker, self._meter, self.batch_size)
                self._facts = found.facts
                self._pid = os.getpid()
            return self._client

    def _fly(self, client: Client, rows: Rows) -> Ledger:
        """Do what is left of the preflight, and return its cost."""
        flight = self._preflight
        if flight is None or flight.done:
            return Ledger()
        with self._lock:
            cost = flight.fly(client, rows)
            self.deterministic = flight.deterministic
            if flight.deterministic and self._canary_every and self._canary is None:
                self._canary = flight.canary(self._canary_every)
        return cost

    def _learn(self, client: Client, rows: Rows) -> None:
        """Keep what the first answers told."""
        self._width = rows.width
        self.n_outputs = client.checker.k
        if self.output_names is None:
            self.output_names = client.checker.names

    def __getstate__(self) -> dict[str, Any]:
        """Leave the connection behind; secrets leave their values behind themselves."""
        return {**self.__dict__, "_client": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"HttpModel({self._door.endpoint.shown!r})"
