"""What became of the inputs of one call: explanations in their places, errors that say at which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from blackbox_xai.errors import BlackboxError, Interrupted, ModelError
from blackbox_xai.ledger import Ledger

__all__ = ["file_outcomes", "lost_on", "unfinished", "with_finished"]


def file_outcomes(
    finished: list[Any], inputs: Sequence[tuple[int, Any]], outcomes: Sequence[Any]
) -> list[BaseException]:
    """Put what was explained in its place; return the errors of the rest.

    An error says at which input, unless it is all the same: there is one, or the model is out of
    order.
    """
    errors: list[BaseException] = []
    everywhere = len(finished) == 1 or all(isinstance(e, ModelError) for e in outcomes)
    for (i, _), outcome in zip(inputs, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            if isinstance(outcome, BlackboxError) and outcome.input is None and not everywhere:
                outcome.input = i
            errors.append(outcome)
        else:
            finished[i] = outcome
    return errors


def lost_on(errors: Sequence[BaseException]) -> Ledger:
    """Return what was spent on inputs that failed; several may share an error."""
    each = {id(error): error.cost for error in errors if isinstance(error, BlackboxError)}
    return sum(each.values(), Ledger())


def unfinished(finished: list[Any], error: BaseException) -> str:
    """Say how many inputs were explained, and what stopped the rest."""
    done = sum(e is not None for e in finished)
    ctrl_c = str(Interrupted()) if isinstance(error, KeyboardInterrupt) else type(error).__name__
    why = str(error) or ctrl_c
    return f"{done} of {len(finished)} inputs were explained; the rest are None. Stopped by: {why}"


def with_finished(error: BaseException, finished: list[Any]) -> BaseException:
    """Return the error to raise, holding what was finished."""
    if isinstance(error, BlackboxError):
        error.partial = finished
        return error
    interrupted = Interrupted(unfinished(finished, error))
    interrupted.partial = finished
    return interrupted
