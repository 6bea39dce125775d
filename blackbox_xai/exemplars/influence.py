"""What groups of training rows do, by refitting without them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from blackbox_xai._checks import check_int, shown
from blackbox_xai._parallel import pmap
from blackbox_xai.errors import InputError
from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["GroupInfluence", "group_influence"]


@dataclass(frozen=True, eq=False)
class GroupInfluence:
    """What a measure would be without each group of training rows.

    Parameters
    ----------
    names : tuple of str
        The groups.
    effects : ndarray of shape (g,)
        Measure with all rows minus measure without the group, in the measure's unit.
    std_err : ndarray of shape (g,)
        Standard error of each effect from repeated refits; an effect below twice of it cannot be
        told from the noise of training.
    noise : float
        Standard deviation of the measure over refits on all rows.
    base : float
        Mean of the measure with all rows.
    """

    names: tuple[str, ...]
    effects: FloatArray
    std_err: FloatArray
    noise: float
    base: float


def group_influence(
    refit: Callable[[IntArray, int], float],
    groups: Mapping[str, Any],
    *,
    n_rows: int,
    n_repeats: int = 3,
    n_jobs: int = 1,
    random_state: int = 0,
) -> GroupInfluence:
    """Refit without groups of rows and see what changes.

    Parameters
    ----------
    refit : callable
        ``refit(rows, seed)`` trains on these rows of the training data with this seed and returns
        the measure that matters: a score on trusted data, or the prediction for one input.
    groups : mapping of name to row indices
        Groups to leave out. Groups, not rows: what one row does drowns in the noise of training.
    n_rows : int
        Rows of the training data.
    n_repeats : int
        Refits of each, at least 2, for the noise.
    n_jobs : int
        Workers; the numbers do not depend on it.
    random_state : int
        Seeds are ``random_state``, ``random_state + 1``, ...

    Returns
    -------
    GroupInfluence

    Raises
    ------
    InputError
        When a group is empty, or has rows that do not exist.

    References
    ----------
    R. D. Cook (1977), "Detection of influential observation in linear regression": deletion.

    Examples
    --------
    >>> y = np.array([0.0, 0.0, 9.0])
    >>> found = group_influence(lambda rows, seed: y[rows].mean(), {"odd": [2]}, n_rows=3)
    >>> found.base, found.effects.tolist(), found.std_err.tolist()
    (3.0, [3.0], [0.0])
    """
    repeats = check_int("n_repeats", n_repeats, minimum=2)
    every = np.arange(check_int("n_rows", n_rows, minimum=1))
    kept = [every, *(_without(name, rows, every) for name, rows in groups.items())]
    seed = check_int("random_state", random_state, minimum=0)
    tasks = [(rows, seed + repeat) for rows in kept for repeat in range(repeats)]
    measures = np.empty(len(tasks))
    for i, measure in pmap(_refit, refit, tasks, n_jobs=n_jobs):
        measures[i] = measure
    table = measures.reshape(len(kept), repeats)
    differences = table[0] - table[1:]
    return GroupInfluence(
        names=tuple(str(name) for name in groups),
        effects=differences.mean(axis=1),
        std_err=differences.std(axis=1, ddof=1) / np.sqrt(repeats),
        noise=float(table[0].std(ddof=1)),
        base=float(table[0].mean()),
    )


def _refit(refit: Callable[[IntArray, int], float], task: tuple[IntArray, int]) -> float:
    rows, seed = task
    return float(refit(rows, seed))


def _without(name: Any, rows: Any, every: IntArray) -> IntArray:
    wanted = np.asarray(rows)
    if wanted.ndim != 1 or not len(wanted) or wanted.dtype.kind not in "iu":
        raise InputError(f"groups: {shown(name)} must list row indices, got {shown(rows)}.")
    if wanted.min() < 0 or wanted.max() >= len(every):
        raise InputError(f"groups: {shown(name)} has rows outside 0 to {len(every) - 1}.")
    kept = np.delete(every, wanted)
    if not len(kept):
        raise InputError(f"groups: {shown(name)} holds every row; nothing is left to train on.")
    return kept
