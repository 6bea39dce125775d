"""Do explanations depend on what the model learnt? They must change when it is forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from blackbox_xai._checks import check_int, check_positive, shown
from blackbox_xai._inputs import n_rows, take_rows
from blackbox_xai._parallel import Progress
from blackbox_xai.adapters import as_model
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.errors import InputError
from blackbox_xai.evaluation.agreement import spearman
from blackbox_xai.evaluation.bootstrap import Estimate, mean_interval
from blackbox_xai.evaluation.probes import NoiseModel
from blackbox_xai.evaluation.runs import runs_of
from blackbox_xai.evaluation.tables import Tabled
from blackbox_xai.evaluation.targets import Explainer, target_output
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray, Masker
from blackbox_xai.results import Explanation

__all__ = ["Sanity", "sanity"]

_N_NOISE = 5


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Sanity(Tabled):
    """How much of an explanation is left when the model has forgotten what it learnt.

    Parameters
    ----------
    method, output : str
    models : tuple of str
        The randomised models; "noise" scores by a hash of the input.
    similarity : ndarray of shape (b, n)
        Rank correlation of signed attributions of the model and of each randomised one; the mean
        where there are several of a kind, as for "noise".
    ceiling, floor : ndarray of shape (n,)
        Rank correlation under another seed, and between models that learnt nothing.
    threshold : float
    cost : Ledger
        Queries spent on the model and the randomised ones; noise costs nothing.
    """

    method: str
    output: str
    models: tuple[str, ...]
    similarity: FloatArray
    ceiling: FloatArray
    floor: FloatArray
    threshold: float
    cost: Ledger

    def estimate(self, model: str) -> Estimate:
        """Return what is left, ``(similarity - floor) / (ceiling - floor)``, and its interval.

        Floor and ceiling are means over inputs: by themselves they would divide by noise.
        """
        if model not in self.models:
            raise InputError(f"model must be one of {shown(self.models)}, got {shown(model)}.")
        floor, ceiling = _mean(self.floor), _mean(self.ceiling)
        if not ceiling - floor > 0.1:
            return Estimate(np.nan, np.nan, np.nan, 0, self.similarity.shape[1])
        return mean_interval(
            (self.similarity[self.models.index(model)] - floor) / (ceiling - floor)
        )

    @property
    def passed(self) -> bool:
        """Whether no comparison failed."""
        return all(row["status"] != "fail" for row in self.rows())

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each randomised model.

        "pass" and "fail" say that the whole interval is below or above the threshold; with more
        inputs "undecided" becomes one of them.
        """
        rows = []
        for name, similar in zip(self.models, self.similarity, strict=True):
            left = self.estimate(name)
            status = "not applicable"
            if left.n > 1:
                status = "fail" if left.low > self.threshold else "undecided"
                status = "pass" if left.high < self.threshold else status
            row = {"model": name, "similarity": _mean(similar), "left": left.mean}
            row |= {"low": left.low, "high": left.high, "threshold": self.threshold}
            row |= {"ceiling": _mean(self.ceiling), "floor": _mean(self.floor), "status": status}
            rows.append({key: None if value != value else value for key, value in row.items()})
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain data that JSON can hold."""
        return super().to_dict() | {"passed": self.passed}

    def __repr__(self) -> str:
        """Return the size and the table."""
        n = self.similarity.shape[1]
        return f"Sanity of {self.method} on {n} inputs, {self.cost.rows} rows\n{self}"


def sanity(
    explainer: Explainer,
    model: Any,
    inputs: Any,
    masker: Masker,
    *,
    randomised: Mapping[str, Any] | None = None,
    output: int | str | None = None,
    n_inputs: int = 20,
    threshold: float = 0.2,
    n_jobs: int = 1,
    progress: bool | Progress = False,
) -> Sanity:
    """Compare explanations of a model with those of models that have forgotten what it learnt.

    Parameters
    ----------
    explainer : object
        A local explainer of this library.
    model : object
        Anything ``as_model`` takes.
    inputs : array, frame or list
        Inputs to explain.
    masker : Masker
        How features are hidden.
    randomised : mapping of str to object or list of objects, optional
        Models to compare with, such as those of ``permuted_labels`` and ``permuted_weights``; they
        must have the output tested at the same place. A list holds several of a kind, made with
        other seeds: see Notes. Models that score by a hash of their input are always compared.
    output : int or str, optional
        Output tested. None: the one with the highest mean score.
    n_inputs : int
        The first so many inputs are used; each costs two explanations and one more for each
        randomised model.
    threshold : float
        Share of the explanation that may be left, at the upper end of its 95 % interval.
    n_jobs : int
        Workers; the numbers do not depend on it.
    progress : bool or callable
        True shows a bar on a terminal; a callable receives ``(done, total)`` runs.

    Returns
    -------
    Sanity

    Raises
    ------
    InputError
        When an argument cannot be used.
    ModelError
        When a model fails.

    Notes
    -----
    Attributions are compared with their signs: absolute values stay alike on every model where a
    feature equals its fill, which would fail any honest explainer.

    A single model may have forgotten everything and still be like the first by luck, on all inputs
    alike, which no interval over inputs shows: the rank correlation of two unrelated maps of d
    features has the standard deviation 1 / sqrt(d - 1). Pass several of a kind where d is small.

    References
    ----------
    Adebayo et al. (2018), Sanity Checks for Saliency Maps. Hedstroem et al. (2024), Sanity Checks
    Revisited, for the bias of noise and of the similarity measure.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> X = np.random.default_rng(0).normal(size=(8, 5))
    >>> masker = bx.TabularMasker(np.zeros((1, 5)))
    >>> found = sanity(bx.ExactShapley(), lambda X: X @ [4.0, 3.0, 2.0, 1.0, 0.0], X, masker)
    >>> found.models
    ('noise',)
    """
    black_box = as_model(model)
    n = min(check_int("n_inputs", n_inputs, minimum=2), n_rows(inputs))
    limit = check_positive("threshold", threshold)
    chosen = take_rows(inputs, 0, n)
    column, name, cost = target_output(black_box, chosen, masker, output)
    others = {str(key): _models(given) for key, given in (randomised or {}).items()}
    if "noise" in others:
        raise InputError("randomised must not have the name 'noise', which is always compared.")
    n_runs = 2 + sum(map(len, others.values())) + _N_NOISE
    with runs_of(explainer, masker, n_jobs=n_jobs, n_runs=n_runs, progress=progress) as runs:
        own = _column(runs.explain(black_box, chosen, [column]))
        again = _column(runs.explain(black_box, chosen, [column], seed_offset=1))
        forgotten = [
            [_column(runs.explain(one, chosen, [column])) for one in models]
            for models in others.values()
        ]
        cost += runs.cost
        noise = [_column(runs.explain(NoiseModel(i), chosen, [0])) for i in range(_N_NOISE)]
    kinds = [noise, *forgotten]
    return Sanity(
        method=type(explainer).__name__,
        output=name,
        models=("noise", *others),
        similarity=np.array([_mean_over([_alike(own, one) for one in maps]) for maps in kinds]),
        ceiling=_alike(own, again),
        floor=_mean_over([_alike(a, b) for a, b in combinations(noise, 2)]),
        threshold=limit,
        cost=cost,
    )


def _models(given: Any) -> list[Adapter]:
    """Return the models of one kind."""
    models = list(given) if isinstance(given, list | tuple) else [given]
    if not models:
        raise InputError("randomised must hold one or more models of each kind, got [].")
    return [as_model(model) for model in models]


def _column(explanations: list[Explanation]) -> list[FloatArray]:
    """Return attributions to the only output, one array an input."""
    return [one.values[:, 0] for one in explanations]


def _alike(a: list[FloatArray], b: list[FloatArray]) -> FloatArray:
    """Return the rank correlation on each input."""
    return np.array([spearman(x, y) for x, y in zip(a, b, strict=True)])


def _mean_over(tables: list[FloatArray]) -> FloatArray:
    """Return the mean on each input, NaN where any is."""
    mean: FloatArray = np.mean(tables, axis=0)
    return mean


def _mean(values: FloatArray) -> float:
    return float(values[~np.isnan(values)].mean()) if not np.isnan(values).all() else float("nan")
