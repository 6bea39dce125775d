"""What all calls of one model share in one process: connection, gate, meter, what was learnt."""

from __future__ import annotations

import hashlib
import threading
import time

from blackbox_xai.adapters.http.asker import Asker
from blackbox_xai.adapters.http.codecs.base import Codec
from blackbox_xai.adapters.http.faults import Answer, Fault, Reply, Verdict
from blackbox_xai.adapters.http.gate import Gate
from blackbox_xai.adapters.http.limits import Limits, Meter
from blackbox_xai.adapters.http.retry import RetryBudget, classify
from blackbox_xai.adapters.http.rows import Rows
from blackbox_xai.adapters.http.secrets import holds
from blackbox_xai.adapters.http.sizes import BatchSize
from blackbox_xai.adapters.http.validate import Checker
from blackbox_xai.errors import BudgetError
from blackbox_xai.protocols import FloatArray

__all__ = ["Client"]


class Client:
    """One server as seen from one process; shared by threads."""

    def __init__(
        self,
        asker: Asker,
        codec: Codec,
        checker: Checker,
        limits: Limits,
        meter: Meter,
        batch_rows: int,
    ) -> None:
        self.asker = asker
        self.codec = codec
        self.checker = checker
        self.limits = limits
        self.meter = meter
        self.gate = Gate(limits)
        self.size = BatchSize(batch_rows, limits.max_parallel)
        self.size_lock = threading.Lock()
        self.sized = False
        self.retries = RetryBudget(allowance=12.0 + limits.max_parallel)
        self.answered = 0
        self.path = codec.path(asker.transport.endpoint.path)

    @property
    def where(self) -> str:
        """The address as it may be shown."""
        return self.asker.transport.endpoint.at(self.path).shown

    def score(self, rows: Rows, tag: str, stopped: threading.Event) -> FloatArray | None:
        """Send one request, named ``tag``, and return its checked scores; None when stopped.

        Raises
        ------
        Fault
            When it fails; the fault says what to do.
        """
        payload = self.codec.encode(rows, tag)
        key = hashlib.blake2b(payload.body, digest_size=16).hexdigest()
        headers = {
            **payload.headers,
            "Accept": "application/json, application/octet-stream",
            "Accept-Encoding": "identity",
            "Idempotency-Key": key,
        }
        if not self.gate.enter(rows.n, stopped):
            return None
        began = time.monotonic()
        try:
            self._charge(rows.n)
            reply = self.asker.send(
                "POST",
                self.path,
                body=payload.body,
                headers=headers,
                seconds=self.limits.timeout,
                cap=self.limits.answer_bytes,
            )
            scores = self._read(reply, rows.n, tag)
        except Fault as fault:
            if fault.throttled or fault.slow:
                self.gate.busy(began, turned_away=fault.throttled and fault.wait is None)
            raise
        finally:
            self.gate.leave()
        self.gate.good()
        self.retries.earn()
        self.answered += 1
        return scores

    def _ready(self) -> bool:
        """Tell whether the server says that it is ready, where there is a place to ask."""
        place = self.codec.ready(self.path)
        try:
            reply = None if place is None else self.asker.get(place)
        except Fault:
            return False
        return reply is not None and reply.status == 200

    def _charge(self, rows: int) -> None:
        try:
            self.meter.charge(rows)
        except BudgetError as error:
            raise Fault(Verdict.STOP, str(error), error=BudgetError) from None

    def _read(self, reply: Reply, n: int, tag: str) -> FloatArray:
        """Return the checked scores of an answer; what it says is shown only without secrets.

        A secret may be cut short where a message is, so that no search would find it there.
        """
        try:
            return self.checker.check(self._decode(reply, n, tag))
        except Fault as fault:
            if holds(reply, self.asker.secrets()):
                fault.reason = (
                    f"{self.where} answered {reply.status} with a text that is not shown, "
                    "because it repeats credentials"
                )
            raise

    def _decode(self, reply: Reply, n: int, tag: str) -> Answer:
        if reply.status == 200:
            return self.codec.decode(reply, n, tag)
        fault = classify(reply, self.where, self.asker.secrets)
        fault.loading = reply.status == 503 and not self.answered and not self._ready()
        fault.once = reply.status == 401 and self.asker.credentials.renewable
        raise fault
