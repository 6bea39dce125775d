"""What may be asked of a server, and what may be spent."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from blackbox_xai._checks import check_int, check_positive
from blackbox_xai.errors import BudgetError, InputError

__all__ = ["Budget", "Limits", "Meter"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What may be asked of a server, and how patiently.

    Parameters
    ----------
    max_parallel : int
        Most requests in flight; fewer while the server says that it is busy.
    max_per_second, max_rows_per_second : float, optional
        Most requests, and rows, a second.
    timeout : float
        Seconds for one request: connecting, sending and reading together.
    patience : float
        Seconds for one batch with all its repeats and waits.
    startup : float
        Seconds to wait for a server that says it is still loading.
    retries : int
        Repeats of one batch.
    body_bytes : int
        Largest request body aimed at.
    answer_bytes : int
        Largest answer taken, after decompression.
    """

    max_parallel: int = 8
    max_per_second: float | None = None
    max_rows_per_second: float | None = None
    timeout: float = 30.0
    patience: float = 300.0
    startup: float = 60.0
    retries: int = 4
    body_bytes: int = 1 << 20
    answer_bytes: int = 32 << 20

    def __post_init__(self) -> None:
        check_int("max_parallel", self.max_parallel, minimum=1)
        check_int("retries", self.retries, minimum=0)
        for name in ("timeout", "patience", "startup", "body_bytes", "answer_bytes"):
            check_positive(name, getattr(self, name))
        for name in ("max_per_second", "max_rows_per_second"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What one model object may spend in its life; checked before a request is sent.

    Parameters
    ----------
    rows, requests : int, optional
        Most rows and requests sent, repeats included.
    seconds : float, optional
        Most seconds from the first request on.
    money : float, optional
        Most money; needs a price.
    per_row, per_request : float
        Prices.
    """

    rows: int | None = None
    requests: int | None = None
    seconds: float | None = None
    money: float | None = None
    per_row: float = 0.0
    per_request: float = 0.0

    def __post_init__(self) -> None:
        for name in ("rows", "requests"):
            if getattr(self, name) is not None:
                check_int(name, getattr(self, name), minimum=1)
        for name in ("seconds", "money"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))
        if self.money is not None and not (self.per_row or self.per_request):
            raise InputError("money needs a price: give per_row or per_request.")

    def price(self, requests: int, rows: int) -> float:
        """Return what so many requests and rows cost."""
        return requests * self.per_request + rows * self.per_row


class Meter:
    """Counts what was sent against a budget."""

    def __init__(self, budget: Budget | None) -> None:
        self.budget = budget or Budget()
        self.requests = 0
        self.rows = 0
        self.twice = 0
        self._lock = threading.Lock()
        self._began: float | None = None

    def charge(self, rows: int) -> None:
        """Book one request of ``rows`` rows before it is sent.

        Raises
        ------
        BudgetError
            When it would exceed the budget; nothing is booked.
        """
        with self._lock:
            self._check(self.requests + 1, self.rows + rows)
            self.requests += 1
            self.rows += rows

    def failed(self, rows: int, *, sent: bool) -> None:
        """Note that a request of ``rows`` rows failed.

        Rows that were sent may be charged by the server although their answer is lost, and will
        be charged again; the others are given back.
        """
        with self._lock:
            if sent:
                self.twice += rows
            else:
                self.rows -= rows

    def to_dict(self) -> dict[str, float]:
        """Return what was spent as plain data."""
        return {
            "requests": self.requests,
            "rows": self.rows,
            "cost": self.budget.price(self.requests, self.rows),
            "paid_twice_at_most": self.twice,
        }

    def __getstate__(self) -> dict[str, Any]:
        """Return everything but the lock."""
        return {**self.__dict__, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def check(self, requests: int, rows: int) -> None:
        """Raise BudgetError when so much more is sure to exceed the budget."""
        with self._lock:
            self._check(self.requests + requests, self.rows + rows)

    def _check(self, requests: int, rows: int) -> None:
        budget = self.budget
        now = time.monotonic()
        self._began = now if self._began is None else self._began
        money = budget.price(requests, rows)
        for name, would, most in (
            ("rows", rows, budget.rows),
            ("requests", requests, budget.requests),
            ("seconds", now - self._began, budget.seconds),
            ("money", money, budget.money),
        ):
            if most is not None and would > most:
                raise BudgetError(
                    f"The next step would bring {name} to {would:.6g}, but the budget allows "
                    f"{most:.6g}; it was not sent. {self.requests} requests and {self.rows} rows "
                    "were sent so far."
                )
