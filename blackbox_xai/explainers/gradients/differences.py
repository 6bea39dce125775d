"""Central differences over blocks, and how long their steps should be."""

from __future__ import annotations

import numpy as np

from blackbox_xai.errors import BudgetError
from blackbox_xai.maskers.shifts import Shifted
from blackbox_xai.protocols import FloatArray
from blackbox_xai.values import Query, Steps

__all__ = ["block_differences", "choose_step", "refuse_beyond"]

_DIRECTIONS = 2
_HALVINGS = 5


def refuse_beyond(rows: int, budget: int, d: int) -> None:
    """Refuse a plan that needs more rows than the budget, and say what else would cost.

    Raises
    ------
    BudgetError
        With the arithmetic, also of random directions (Stein's estimator).
    """
    if rows <= budget:
        return
    directions = max(budget // 2, 1)
    stein = (
        f"Random directions are no way out: {directions} pairs give a cosine of at most "
        f"sqrt({directions} / ({directions} + {d})) = {np.sqrt(directions / (directions + d)):.2f} "
        "with the true gradient. "
        if d > directions
        else ""
    )
    features, larger = "1 feature", ""
    if d > 1:
        features = f"{d} features"
        larger = "fewer, larger features, such as ImageMasker(Grid(rows=7, columns=7)) for images, "
    raise BudgetError(
        f"Differences over {features} need {rows} model rows, but budget is {budget}. {stein}Use "
        f"{larger}fewer points, or fewer background rows or fills, or raise budget."
    )


def choose_step(view: Shifted, rng: np.random.Generator) -> Steps[float]:
    """Find a share of ``view.unit`` at which slopes no longer change with the step.

    Slopes along random directions are taken with steps that are halved again and again; the one
    whose slopes agree best with those of half of it is chosen. Longer steps bend, shorter ones
    drown in the rounding of the model.

    Returns
    -------
    float
        Costs 20 model rows.
    """
    d = len(view.feature_names)
    signs = rng.choice([-1.0, 1.0], size=(_DIRECTIONS, d)) * view.unit
    shares = 0.5 ** np.arange(_HALVINGS)
    ahead = (shares[:, None, None] * signs).reshape(-1, d)
    scores = yield Query(np.concatenate([ahead, -ahead]), view=view)
    up, down = scores[: len(ahead)], scores[len(ahead) :]
    slopes = (up - down).reshape(_HALVINGS, -1) / shares[:, None]
    change = np.abs(np.diff(slopes, axis=0)).sum(axis=1)
    return float(shares[1 + int(np.argmin(change))])


def block_differences(view: Shifted, origins: FloatArray, steps: FloatArray) -> Steps[FloatArray]:
    """Slopes along each feature at several shifted inputs.

    Parameters
    ----------
    view : Shifted
    origins : ndarray of shape (n, d)
        Shifts of the points at which slopes are taken.
    steps : ndarray of shape (d,)
        Step of each feature; those with step 0 have slope 0 and are not asked for.

    Returns
    -------
    ndarray of shape (n, d, k)
        Central differences, ``2 * n`` model rows for each feature that moves.
    """
    moving = np.flatnonzero(steps > 0)
    parts = []
    for origin in origins:
        moves = np.zeros((len(moving), len(steps)))
        moves[np.arange(len(moving)), moving] = steps[moving]
        scores = yield Query(np.concatenate([origin + moves, origin - moves]), view=view)
        up, down = scores[: len(moving)], scores[len(moving) :]
        slopes = np.zeros((len(steps), scores.shape[1]))
        slopes[moving] = (up - down) / (2 * steps[moving, None])
        parts.append(slopes)
    return np.stack(parts)
