"""Which outputs of a model are explained."""

from __future__ import annotations

from typing import Any

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai.errors import InputError
from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["choose_outputs"]

_TOP_OUTPUTS = 5
_ALL_OUTPUTS = 20


def choose_outputs(outputs: Any, scores: FloatArray, names: tuple[str, ...]) -> IntArray:
    """Return the columns to explain."""
    k = len(scores)
    if outputs is None:
        if k <= _ALL_OUTPUTS:
            return np.arange(k)
        return np.argsort(-scores, kind="stable")[:_TOP_OUTPUTS]
    wanted = list(outputs) if np.iterable(outputs) and not isinstance(outputs, str) else [outputs]
    chosen = [_output_place(output, names) for output in wanted]
    if not chosen or len(set(chosen)) < len(chosen):
        raise InputError(f"outputs must list one or more outputs, each once, got {shown(wanted)}.")
    return np.array(chosen, dtype=np.intp)


def _output_place(output: Any, names: tuple[str, ...]) -> int:
    """Return the column of one output, given by name or counted from either end."""
    if isinstance(output, str) and output in names:
        return names.index(output)
    k = len(names)
    if isinstance(output, int | np.integer) and not isinstance(output, bool) and -k <= output < k:
        return int(output) % k
    raise InputError(
        f"outputs must be among {shown(names)} or count them from 0 to {k - 1}, "
        f"got {shown(output)}."
    )
