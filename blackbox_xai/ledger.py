"""What was asked of a model, and what it cost."""

from __future__ import annotations

from dataclasses import dataclass, fields

__all__ = ["Ledger"]


@dataclass(frozen=True)
class Ledger:
    """Queries spent on one result. Ledgers add up: ``sum(ledgers, Ledger())``.

    Parameters
    ----------
    calls : int
        Times the model was invoked (one for each batch).
    rows : int
        Rows the model scored; the unit that budgets count.
    cache_hits : int
        Rows answered without asking the model again.
    retries, failures : int
        Repeated calls, and calls that ended without an answer.
    seconds : float
        Wall-clock time spent waiting for the model, in seconds.
    cost : float
        Price in the user's currency; 0.0 unless the adapter knows a price.

    Examples
    --------
    >>> total = Ledger(calls=1, rows=8) + Ledger(calls=2, rows=16)
    >>> total.calls, total.rows
    (3, 24)
    >>> total.since(Ledger(calls=1, rows=8)).rows
    16
    """

    calls: int = 0
    rows: int = 0
    cache_hits: int = 0
    retries: int = 0
    failures: int = 0
    seconds: float = 0.0
    cost: float = 0.0

    def __add__(self, other: Ledger) -> Ledger:
        """Return the sum, field by field."""
        return Ledger(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def since(self, earlier: Ledger) -> Ledger:
        """Return what was spent after the state ``earlier`` of the same books."""
        return Ledger(*(getattr(self, f.name) - getattr(earlier, f.name) for f in fields(self)))

    def to_dict(self) -> dict[str, float]:
        """Return the fields as a plain dictionary."""
        return {f.name: getattr(self, f.name) for f in fields(self)}
