"""What results of this package share: rows that become a frame, JSON or a printed table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from blackbox_xai._export import frame
from blackbox_xai._plain import plain

__all__ = ["Tabled", "print_rows"]


@dataclass(frozen=True, eq=False, repr=False)
class Tabled(ABC):
    """Base of results that are tables; a subclass gives ``rows``."""

    @abstractmethod
    def rows(self) -> list[dict[str, Any]]:
        """Return the table as one dictionary a row, plain data."""

    def to_frame(self, backend: str = "pandas") -> Any:
        """Return the table as a frame.

        Parameters
        ----------
        backend : {"pandas", "polars"}

        Raises
        ------
        InputError
            When the library is not installed.
        """
        rows = self.rows()
        names = list(rows[0]) if rows else []
        return frame({name: [row[name] for row in rows] for name in names}, backend)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data that JSON can hold."""
        stored = {f.name: _listed(getattr(self, f.name)) for f in fields(self)}
        return {"kind": type(self).__name__, "rows": self.rows(), **stored}

    def __str__(self) -> str:
        """Return the table as text."""
        return print_rows(self.rows())


def print_rows(rows: Sequence[dict[str, Any]]) -> str:
    """Return rows as aligned text.

    Examples
    --------
    >>> print(print_rows([{"gate": "dummy", "value": 0.25}]))
    gate   value
    dummy  0.25
    """
    if not rows:
        return ""
    lines = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[j]) for line in lines) for j in range(len(lines[0]))]
    padded = (
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _listed(value: Any) -> Any:
    """Return plain data; long arrays as lists too, which ``plain`` would only describe."""
    return plain(value.tolist() if hasattr(value, "tolist") else value)
