"""What explainers ask, and what they are: generators of queries."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from blackbox_xai.protocols import BoolArray, FloatArray, IntArray, MaskedInput

__all__ = ["Link", "Query", "Rows", "Steps"]

Result = TypeVar("Result")
Link = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, eq=False)
class Query:
    """Coalitions to be scored.

    Parameters
    ----------
    kept : ndarray of shape (m, d)
        True (or 1.0) where a feature keeps its value.
    fills : ndarray of shape (m,), optional
        The fill of each coalition, one model row each. None: the weighted mean over all fills,
        ``r`` model rows for each coalition that has not been scored before.
    view : MaskedInput, optional
        The same input through other features, in the same containers: pixels of an image, drawn
        rows of a table, shifts. Its ``kept`` are the view's own; they are scored one row each, by
        fill 0 where no fills are given, and never remembered.
    """

    kept: BoolArray | FloatArray
    fills: IntArray | None = None
    view: MaskedInput | None = None


class Rows(Protocol):
    """Coalitions that are made when they are written, one model row each; never remembered."""

    def __len__(self) -> int:
        """Return how many model rows there are."""

    def write(self, masked: MaskedInput, batch: Any, at: int, start: int, stop: int) -> None:
        """Write rows ``start`` to ``stop`` into ``batch`` from row ``at`` on."""


Steps = Generator[Query | Rows, FloatArray, Result]
