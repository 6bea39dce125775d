"""The errors this library raises on purpose.

::

    BlackboxError
    |-- InputError (ValueError)        an argument or the data; nothing was sent to the model
    |-- BudgetError                    the next step would cost more than allowed; nothing was sent
    |-- LogError                       the prediction log cannot be read or written
    `-- ModelError (RuntimeError)
        |-- LoadError                  the model cannot be opened or reached
        |-- PredictError               the model failed on some rows
        `-- AnswerError                the model answered something that is not a score matrix
    Interrupted (KeyboardInterrupt)    Ctrl-C; what was finished is in ``partial``
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from blackbox_xai.ledger import Ledger

__all__ = [
    "AnswerError",
    "BlackboxError",
    "BudgetError",
    "InputError",
    "Interrupted",
    "LoadError",
    "LogError",
    "ModelError",
    "PredictError",
]


class BlackboxError(Exception):
    """Base of every error of this library.

    Attributes
    ----------
    partial : list
        What was finished before the error, in the order of the inputs, ``None`` where nothing
        was; empty when the failing call produces a single result.
    input : int or None
        Which of several inputs could not be explained, counted from 0; the message begins with
        it. None where it is not one of several.
    cost : Ledger
        What was spent in vain, and is in no result.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.partial: list[Any] = []
        self.input: int | None = None
        self.cost = Ledger()

    def __str__(self) -> str:
        """Return one sentence for the user."""
        sentence = super().__str__()
        return sentence if self.input is None else f"Input {self.input}: {sentence}"


class InputError(BlackboxError, ValueError):
    """An argument or the data cannot be used; the message says which and what to do."""


class BudgetError(BlackboxError):
    """The next step needs more model rows than the budget leaves; it was not sent."""


class LogError(BlackboxError, OSError):
    """The prediction log cannot be opened, read or written."""


class ModelError(BlackboxError, RuntimeError):
    """The model cannot be used as it is."""


class LoadError(ModelError):
    """The model cannot be opened or reached."""


class PredictError(ModelError):
    """The model failed while scoring.

    Parameters
    ----------
    message : str
        One sentence for the user.
    rows : sequence of int, optional
        Positions, in the inputs of the failing call, of the rows that could not be scored.
    cost : Ledger, optional
        What the failing call cost, the search for the failing row included.
    """

    def __init__(self, message: str, rows: Sequence[int] = (), cost: Ledger | None = None) -> None:
        super().__init__(message)
        self.rows = tuple(int(row) for row in rows)
        self.cost = cost or Ledger()

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep ``rows`` and ``cost`` when the error travels back from a worker process."""
        return (type(self), (self.args[0], self.rows, self.cost), {"input": self.input})


class AnswerError(PredictError):
    """The model's answer is not a finite score matrix of the expected shape."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a long call.

    Attributes
    ----------
    partial : list
        Finished results in the order of the inputs, ``None`` where unfinished.
    """

    def __init__(self, message: str = "Interrupted.") -> None:
        super().__init__(message)
        self.partial: list[Any] = []
