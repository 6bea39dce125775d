"""Rows that show what a model does: prototypes, and the criticisms they leave out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from blackbox_xai._checks import check_fraction, check_int
from blackbox_xai._inputs import n_rows
from blackbox_xai.adapters import as_model
from blackbox_xai.errors import InputError
from blackbox_xai.exemplars.selection import (
    criticisms,
    k_medoids,
    mean_discrepancy,
    refine_for_outputs,
)
from blackbox_xai.ledger import Ledger
from blackbox_xai.points import fit_space, squared_distances
from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["Prototypes", "joint_points", "prototypes"]

Select = Callable[[FloatArray, int], tuple[IntArray, FloatArray]]

_MAX_ROWS = 4000
_RANDOM_CHOICES = 20


@dataclass(frozen=True, eq=False)
class Prototypes:
    """Rows that stand for the others, and how well they do.

    Parameters
    ----------
    indices : ndarray of shape (m,)
        Rows of the data, the most telling first.
    weights : ndarray of shape (m,)
        Share of the data that each stands for; they sum to 1.
    scores : ndarray of shape (m, k)
        The model's scores of the prototypes.
    criticisms : ndarray of shape (c,)
        Rows that the prototypes misrepresent most.
    fidelity : tuple of float
        Value and standard error on rows that had no part in the choice: the share whose model
        label is that of the nearest prototype; for one output, R2 of the nearest prototype's
        score.
    random_fidelity, majority_fidelity : float
        The same for as many rows drawn at random (mean of 20 draws), and for the commonest label
        (0 for one output).
    mmd2 : float
        Squared maximum mean discrepancy of the weighted prototypes to the data.
    class_coverage : float
        Share of the labels that the model gives on the data that a prototype has too; NaN for one
        output.
    cost : Ledger
        Queries spent.
    """

    indices: IntArray
    weights: FloatArray
    scores: FloatArray
    criticisms: IntArray
    fidelity: tuple[float, float]
    random_fidelity: float
    majority_fidelity: float
    mmd2: float
    class_coverage: float
    cost: Ledger


def joint_points(points: FloatArray, scores: FloatArray, output_weight: float) -> FloatArray:
    """Return inputs and outputs side by side, each scaled to unit total variance."""

    def scaled(part: FloatArray) -> FloatArray:
        spread = float(np.sqrt(part.var(axis=0).sum()))
        centred: FloatArray = (part - part.mean(axis=0)) / (spread if spread > 1e-12 else 1.0)
        return centred

    return np.concatenate([scaled(points), output_weight * scaled(scores)], axis=1)


def prototypes(
    model: Any,
    X: Any,
    *,
    n_prototypes: int = 10,
    n_criticisms: int = 5,
    select: Select = k_medoids,
    output_weight: float = 1.5,
    refine: bool = True,
    holdout: float = 0.3,
    features: Callable[[Any], Any] | None = None,
    random_state: int = 0,
) -> Prototypes:
    """Choose rows that show what the model does.

    Parameters
    ----------
    model : object
        Anything ``as_model`` takes; asked once for each row of ``X``.
    X : array or frame of n rows
        Data to choose from. Of more than 4,000 rows, 4,000 drawn at random are used.
    n_prototypes, n_criticisms : int
        How many to choose.
    select : callable
        ``k_medoids`` (explains the model best), ``protodash`` or ``mmd_critic`` (cover the data).
    output_weight : float
        Weight of the model's outputs against the inputs in the distance; 0 ignores the model.
    refine : bool
        Exchange prototypes afterwards as long as the nearest one predicts the model's scores
        better on the rows that they are chosen from.
    holdout : float
        Share of the rows kept aside to measure the fidelity.
    features : callable, optional
        Turns inputs into rows of numbers; None uses the inputs.
    random_state : int
        Seed of the split.

    Returns
    -------
    Prototypes

    Raises
    ------
    InputError
        When there are too few rows, or values are missing or not finite.

    References
    ----------
    K. Gurumoorthy et al. (2019) (ProtoDash); B. Kim et al. (2016) (MMD-critic, criticisms);
    L. Kaufman and P. J. Rousseeuw (1990) (k-medoids). Medoids of inputs and outputs
    together imitate a model better than any of them on inputs alone.

    Examples
    --------
    >>> X = np.repeat([[0.0], [1.0], [5.0]], 20, axis=0)
    >>> found = prototypes(lambda X: np.hstack([X < 2, X >= 2]) * 1.0, X, n_prototypes=2)
    >>> found.fidelity[0], found.class_coverage
    (1.0, 1.0)
    """
    m = check_int("n_prototypes", n_prototypes, minimum=1)
    c = check_int("n_criticisms", n_criticisms, minimum=0)
    check_fraction("holdout", holdout)
    rng = np.random.default_rng(check_int("random_state", random_state, minimum=0))
    _, points = fit_space(X, features=features, standardize=True)
    rows = np.sort(rng.permutation(n_rows(X))[:_MAX_ROWS])
    shuffled = rng.permutation(len(rows))
    n_fit = len(rows) - max(round(holdout * len(rows)), 1)
    if n_fit < m + c or len(rows) < 3:
        raise InputError(
            f"X has {n_rows(X)} rows, of which {max(n_fit, 0)} can be chosen from; "
            f"{m} prototypes and {c} criticisms need at least {m + c}. Ask for fewer."
        )
    scores, cost = as_model(model).predict_counted(X)
    fit, held = rows[np.sort(shuffled[:n_fit])], rows[np.sort(shuffled[n_fit:])]
    joint = joint_points(points[fit], scores[fit], output_weight)
    chosen, weights = select(joint, m)
    if refine:
        chosen = refine_for_outputs(points[fit], scores[fit], chosen)
        owner = squared_distances(points[fit], points[fit[chosen]]).argmin(axis=1)
        weights = np.bincount(owner, minlength=m) / len(fit)
    judge = _Judge(points, scores, held)
    draws = [rng.choice(fit, m, replace=False) for _ in range(_RANDOM_CHOICES)]
    labels, shown = np.unique(scores[rows].argmax(1)), np.unique(scores[fit[chosen]].argmax(1))
    return Prototypes(
        indices=fit[chosen],
        weights=weights,
        scores=scores[fit[chosen]],
        criticisms=fit[criticisms(joint, chosen, weights, c)],
        fidelity=judge.fidelity(fit[chosen]),
        random_fidelity=float(np.mean([judge.fidelity(draw)[0] for draw in draws])),
        majority_fidelity=judge.majority(),
        mmd2=mean_discrepancy(points[fit], chosen, weights),
        class_coverage=len(shown) / len(labels) if scores.shape[1] > 1 else float("nan"),
        cost=cost,
    )


@dataclass(frozen=True, eq=False)
class _Judge:
    """Measures how well the nearest of some rows predicts the model on held-out rows."""

    points: FloatArray
    scores: FloatArray
    held: IntArray

    def fidelity(self, chosen: IntArray) -> tuple[float, float]:
        """Return the fidelity of ``chosen`` rows and its standard error."""
        distances = squared_distances(self.points[self.held], self.points[chosen])
        nearest = chosen[distances.argmin(axis=1)]
        truth, guess = self.scores[self.held], self.scores[nearest]
        if truth.shape[1] > 1:
            hits = truth.argmax(1) == guess.argmax(1)
            return float(hits.mean()), float(np.sqrt(hits.var() / len(hits)))
        spread = ((truth - truth.mean()) ** 2).sum()
        if spread == 0:
            return float("nan"), float("nan")
        errors = ((truth - guess) ** 2)[:, 0]
        r2 = 1 - errors.sum() / spread
        return float(r2), float(np.sqrt(len(errors) * errors.var()) / spread)

    def majority(self) -> float:
        """Return the fidelity of always giving the commonest label."""
        if self.scores.shape[1] == 1:
            return 0.0
        labels = self.scores[self.held].argmax(1)
        return float(np.bincount(labels).max() / len(labels))
