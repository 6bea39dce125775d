"""Links: what a user applies to scores, and the check of what comes back."""

from __future__ import annotations

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai.errors import BlackboxError, InputError
from blackbox_xai.protocols import FloatArray
from blackbox_xai.values.query import Link

__all__ = ["check_linked", "linked"]


def linked(link: Link, scores: FloatArray) -> FloatArray:
    """Return ``link(scores)``, shape ``(n, k)``.

    Raises
    ------
    InputError
        When the link fails or does not return a number for every score.
    """
    try:
        answer: FloatArray = np.asarray(link(scores), dtype=np.float64)
    except BlackboxError:
        raise
    except Exception as error:
        raise InputError(
            f"link failed on scores of shape {scores.shape}: {type(error).__name__}: "
            f"{shown(str(error), 120)}. It gets an array (n, k) and must return one like it."
        ) from error
    if answer.shape != scores.shape:
        raise InputError(
            f"link must return an array like its scores, of shape {scores.shape}, "
            f"got {answer.shape}."
        )
    return answer


def check_linked(answer: FloatArray, scores: FloatArray) -> None:
    """Say so when a link gave something that is not finite.

    Raises
    ------
    InputError
        With the score that it was given.
    """
    bad = np.argwhere(~np.isfinite(answer))
    if len(bad):
        row, output = bad[0]
        raise InputError(
            f"link gave {answer[row, output]} for a score of {scores[row, output]:.6g}; it must "
            "give a finite number for every score. The logit is for probabilities, 0 to 1."
        )
