"""What the gates found, as frozen results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from blackbox_xai.evaluation.tables import Tabled
from blackbox_xai.ledger import Ledger

__all__ = ["Checks", "Gate"]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One law and how far the explainer is from it.

    Parameters
    ----------
    name, law : str
    value : float or None
        Largest departure on an input relative to its largest attribution; the median over inputs.
    worst : float or None
        The largest over inputs.
    tolerance : float or None
        1e-6; where coalitions differ, 0.02 or three times the difference that another seed makes.
    status : {"pass", "fail", "not applicable"}
    reason : str
        Why a law is not applicable.
    """

    name: str
    law: str
    value: float | None = None
    worst: float | None = None
    tolerance: float | None = None
    status: str = "not applicable"
    reason: str = ""


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Checks(Tabled):
    """The gates of one explainer on one model.

    Parameters
    ----------
    method : str
    output : str
        The output explained.
    gates : tuple of Gate
    reseed_error : float
        Largest difference that another seed makes, relative to the largest attribution; median
        over inputs.
    n : int
        Inputs explained.
    cost : Ledger
        Queries spent.
    """

    method: str
    output: str
    gates: tuple[Gate, ...]
    reseed_error: float
    n: int
    cost: Ledger

    @property
    def passed(self) -> bool:
        """Whether no gate failed. Necessary for a good explanation, not sufficient."""
        return all(gate.status != "fail" for gate in self.gates)

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each gate."""
        return [dict(vars(gate)) for gate in self.gates]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data that JSON can hold."""
        return super().to_dict() | {"gates": self.rows(), "passed": self.passed}

    def __repr__(self) -> str:
        """Return the size and the table."""
        return f"Checks of {self.method} on {self.n} inputs, {self.cost.rows} rows\n{self}"
