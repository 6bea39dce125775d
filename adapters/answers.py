"""What a model may answer: a finite matrix of scores."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import shown
from blackbox_xai.errors import AnswerError, BlackboxError, InputError, Interrupted
from blackbox_xai.protocols import FloatArray

__all__ = [
    "as_array",
    "by_row",
    "check_names",
    "check_range",
    "check_scores",
    "is_numeric",
    "one_line",
    "with_partial",
]


def one_line(error: BaseException, limit: int) -> str:
    """Return what an error of the model says, on one line of at most ``limit`` characters."""
    return shown(_Plain(error), limit)


class _Plain:
    """Shown as a text without quotes."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def __repr__(self) -> str:
        return " ".join(str(self._error).split())


def check_names(names: Any) -> tuple[str, ...] | None:
    """Return output names as distinct texts."""
    if names is None:
        return None
    if isinstance(names, str | bytes):
        raise InputError(f"output_names must be a sequence of names, got one text {shown(names)}.")
    checked = tuple(str(name) for name in names)
    if not checked or len(set(checked)) < len(checked):
        raise InputError(f"output_names must be distinct and at least one, got {shown(checked)}.")
    return checked


def by_row(n: int, parts: list[tuple[int, FloatArray]]) -> list[FloatArray | None]:
    """Return the scores ``(k,)`` of ``n`` rows one by one, None where no part has them."""
    rows: list[FloatArray | None] = [None] * n
    for start, scores in parts:
        rows[start : start + len(scores)] = list(scores)
    return rows


def with_partial(
    error: BlackboxError | KeyboardInterrupt, partial: list[FloatArray | None]
) -> BlackboxError | Interrupted:
    """Return the error with what was answered before it; Ctrl-C becomes ``Interrupted``."""
    if isinstance(error, BlackboxError | Interrupted):
        kept = error
    else:
        kept = Interrupted()
        kept.__cause__ = error
    if not kept.partial:
        kept.partial = partial
    return kept


def check_range(scores: FloatArray, start: int) -> None:
    """Say so when scores ``(n, k)`` that should be probabilities leave [0, 1].

    Raises
    ------
    AnswerError
        Naming the first such row and output; ``start`` is the number of the first row.
    """
    low, high = -_SLACK, 1 + _SLACK
    if low <= scores.min() and scores.max() <= high:
        return
    row, output = np.argwhere((scores < low) | (scores > high))[0]
    raise AnswerError(
        f"The model returned {scores[row, output]:.6g} for row {start + row}, output {output}, "
        "which is no probability. Pass scale='score' if it is a score.",
        [start + row],
    )


_SLACK = 1e-6  # a float32 softmax may end a few units in the last place above 1


def check_scores(
    answer: Any, n: int, start: int, output_names: tuple[str, ...] | None
) -> FloatArray:
    """Return ``answer`` as an owned ``(n, k)`` float64 matrix, or say what is wrong with it.

    Raises
    ------
    AnswerError
        For labels, a wrong number of rows or outputs, or a score that is not finite.
    """
    given = _numbers(answer, start)
    raw = given[:, None] if given.ndim == 1 else given
    rows = range(start, start + n)
    if raw.ndim != 2 or raw.shape[0] != n or raw.shape[1] == 0:
        raise AnswerError(
            f"The model returned scores of shape {given.shape} for {n} rows; "
            f"expected ({n},) or ({n}, k).",
            rows,
        )
    if output_names is not None and raw.shape[1] != len(output_names):
        raise AnswerError(
            f"The model returned scores of shape {raw.shape}; expected ({n}, {len(output_names)}) "
            f"from output_names {shown(output_names)}.",
            rows,
        )
    scores = np.array(raw, dtype=np.float64, order="C")
    if not (math.isfinite(scores.min()) and math.isfinite(scores.max())):
        row, output = np.argwhere(~np.isfinite(scores))[0]
        raise AnswerError(
            f"The model returned {scores[row, output]} for row {start + row}, output {output}; "
            "scores must be finite.",
            [start + row],
        )
    return scores


def as_array(answer: Any) -> NDArray[Any]:
    """Return ``answer`` as an array; masked numbers are NaN, floats held as objects are floats.

    Raises
    ------
    AnswerError
        When its rows are not of equal length.
    """
    try:
        raw = np.asarray(answer.toarray() if hasattr(answer, "tocsr") else _unmasked(answer))
    except (ValueError, TypeError, RuntimeError) as error:
        raise AnswerError(
            f"The model's answer is no score matrix: {one_line(error, 200)}"
        ) from error
    if raw.dtype.kind == "O" and raw.size and all(isinstance(cell, float) for cell in raw.flat):
        return raw.astype(np.float64)
    return raw


def is_numeric(raw: NDArray[Any]) -> bool:
    """Tell whether an answer holds numbers (or truth values) throughout."""
    return raw.dtype.kind in "fiub"


def _numbers(answer: Any, start: int) -> NDArray[Any]:
    """Return ``answer`` as an array of numbers, or say what it holds instead."""
    raw = as_array(answer)
    if is_numeric(raw):
        return raw
    numbers = [isinstance(cell, Real) for cell in raw.ravel()]
    if any(numbers) and not all(numbers):
        at = np.unravel_index(numbers.index(False), raw.shape)
        row = start + int(at[0])
        raise AnswerError(
            f"The model returned {shown(raw[at])} for row {row}, which is no score.", [row]
        )
    raise AnswerError(
        f"The model returned {shown(raw.ravel()[:3].tolist())} of type {raw.dtype}, "
        "not scores. Pass its predict_proba or decision function instead of predict."
    )


def _unmasked(answer: Any) -> Any:
    """Return a masked array as what it says: no value where it is masked."""
    if isinstance(answer, np.ma.MaskedArray) and np.ma.is_masked(answer) and is_numeric(answer):
        return np.ma.filled(answer.astype(np.float64), np.nan)
    return answer
