"""Rounds, and explanations of one input, taken together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from blackbox_xai.explainers.shapley.rounds import Round
from blackbox_xai.results import Explanation

__all__ = ["mean_round", "merged"]


def mean_round(found: Sequence[tuple[int, Round]]) -> Round:
    """Return the mean of rounds, each with its rows, weighted by these."""
    rows = np.array([n for n, _ in found], dtype=np.float64)
    part = rows / rows.sum()
    rounds = [done for _, done in found]
    if (exact := [done for done in rounds if not done.variance.any()]) and len(rounds) > 1:
        return exact[-1]
    return Round(
        sum((w * done.values for w, done in zip(part, rounds, strict=True)), np.zeros(())),
        sum((w**2 * done.variance for w, done in zip(part, rounds, strict=True)), np.zeros(())),
        sum((w * done.base for w, done in zip(part, rounds, strict=True)), np.zeros(())),
    )


def merged(first: Explanation, second: Explanation) -> Explanation:
    """Return two explanations of one input as one, weighted by their rows."""
    both = [int(found.diagnostics.get("rows", found.cost.rows)) for found in (first, second)]
    a, b = (rows / max(sum(both), 1) for rows in both)
    note = dict(second.diagnostics)
    note["rows"] = sum(both)
    note["rounds"] = int(first.diagnostics["rounds"]) + int(note["rounds"])
    std_err = None
    if first.std_err is not None and second.std_err is not None:
        std_err = np.hypot(a * first.std_err, b * second.std_err)
    return replace(
        first,
        values=a * first.values + b * second.values,
        std_err=std_err,
        base=a * first.base + b * second.base,
        cost=first.cost + second.cost,
        diagnostics=note,
    )
