"""How far explanations move when nothing that matters changes: the seed, or the input a little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from blackbox_xai._checks import check_int, shown
from blackbox_xai._inputs import n_rows, row, take_rows
from blackbox_xai._parallel import Progress
from blackbox_xai.adapters import as_model
from blackbox_xai.errors import InputError
from blackbox_xai.evaluation.agreement import similarity
from blackbox_xai.evaluation.bootstrap import Estimate, mean_interval
from blackbox_xai.evaluation.neighbours import Neighbour, as_batch
from blackbox_xai.evaluation.runs import runs_of
from blackbox_xai.evaluation.tables import Tabled
from blackbox_xai.evaluation.targets import Explainer, target_output
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray, Masker
from blackbox_xai.results import Explanation

__all__ = ["Stability", "stability"]

_MEASURES = ("rank correlation", "top features", "relative change", "change over output change")


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Stability(Tabled):
    """How far explanations move with the seed, and with small changes of the input.

    Parameters
    ----------
    method, output : str
    measures : tuple of str
        Spearman's "rank correlation" and the share of "top features" in common (1 is stable);
        "relative change", the length of the difference over the length of the attributions, and
        the same divided by the relative change of the score (0 is stable).
    reseeded : ndarray of shape (q, n)
        Mean over other seeds; the last measure is NaN, since the score does not change.
    neighbours : ndarray of shape (q, n) or None
        The worst over neighbours; None where none were asked for.
    k : int
        Top features compared.
    cost : Ledger
        Queries spent.
    """

    method: str
    output: str
    measures: tuple[str, ...]
    reseeded: FloatArray
    neighbours: FloatArray | None
    k: int
    cost: Ledger

    def estimate(self, change: str, measure: str) -> Estimate:
        """Return the mean of a measure under "reseeded" or "neighbours", and its interval."""
        tables = {"reseeded": self.reseeded, "neighbours": self.neighbours}
        table = tables.get(change)
        if table is None:
            raise InputError(f"change must be one of {list(tables)} that was measured.")
        if measure not in self.measures:
            raise InputError(f"measure must be one of {self.measures}, got {shown(measure)}.")
        return mean_interval(table[self.measures.index(measure)])

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each change and measure."""
        rows = []
        for change in ("reseeded", "neighbours"):
            if change == "neighbours" and self.neighbours is None:
                continue
            for measure in self.measures:
                found = self.estimate(change, measure)
                if found.n:
                    cells = {"change": change, "measure": measure, "mean": found.mean}
                    cells |= {"low": found.low, "high": found.high, "n": found.n}
                    rows.append({k: None if v != v else v for k, v in cells.items()})
        return rows

    def __repr__(self) -> str:
        """Return the size and the table."""
        n = self.reseeded.shape[1]
        return f"Stability of {self.method} on {n} inputs, {self.cost.rows} rows\n{self}"


def stability(
    explainer: Explainer,
    model: Any,
    inputs: Any,
    masker: Masker,
    *,
    neighbour: Neighbour | None = None,
    n_seeds: int = 2,
    n_neighbours: int = 3,
    output: int | str | None = None,
    n_inputs: int = 10,
    k: int = 5,
    n_jobs: int = 1,
    progress: bool | Progress = False,
) -> Stability:
    """Measure how far explanations move with the seed and with small changes of the input.

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
    neighbour : callable, optional
        ``neighbour(x, rng)`` returns an input close to ``x``, see ``nearby``. None: only seeds
        are changed.
    n_seeds : int
        Other seeds.
    n_neighbours : int
        Neighbours of each input.
    output : int or str, optional
        Output tested. None: the one with the highest mean score.
    n_inputs : int
        The first so many inputs are used.
    k : int
        Top features compared.
    n_jobs : int
        Workers; the numbers do not depend on it.
    progress : bool or callable
        True shows a bar on a terminal; a callable receives ``(done, total)`` runs.

    Returns
    -------
    Stability

    Raises
    ------
    InputError
        When an argument cannot be used.
    ModelError
        When the model fails.

    Notes
    -----
    A method without chance is perfectly stable under seeds even when it is wrong. The change over
    the output change is the measure of Agarwal et al. (2022), with a floor of 1 % under the output
    change, so that it does not divide by nothing.

    References
    ----------
    Yeh et al. (2019), On the (In)fidelity and Sensitivity of Explanations, definition 3.1. Agarwal
    et al. (2022), Rethinking Stability for Attribution-based Explanations.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> X = np.random.default_rng(0).normal(size=(3, 6))
    >>> masker = bx.TabularMasker(np.zeros((1, 6)))
    >>> found = stability(bx.Lime(n_samples=100), lambda X: X @ np.arange(6.0), X, masker)
    >>> found.measures[:2], found.reseeded.shape
    (('rank correlation', 'top features'), (4, 3))
    """
    black_box = as_model(model)
    n = min(check_int("n_inputs", n_inputs, minimum=1), n_rows(inputs))
    check_int("n_seeds", n_seeds, minimum=1)
    check_int("n_neighbours", n_neighbours, minimum=1)
    k = check_int("k", k, minimum=1)
    chosen = take_rows(inputs, 0, n)
    column, name, cost = target_output(black_box, chosen, masker, output)
    n_runs = 1 + n_seeds + (n_neighbours if neighbour is not None else 0)
    moved = None
    with runs_of(explainer, masker, n_jobs=n_jobs, n_runs=n_runs, progress=progress) as runs:
        base = runs.explain(black_box, chosen, [column])
        others = [
            runs.explain(black_box, chosen, [column], seed_offset=i + 1) for i in range(n_seeds)
        ]
        if neighbour is not None:
            rng = np.random.default_rng(explainer.random_state)
            near = [[neighbour(row(chosen, i), rng) for i in range(n)] for _ in range(n_neighbours)]
            beside = [runs.explain(black_box, as_batch(xs), [column]) for xs in near]
            moved = _worst([_compared(base, one, k) for one in beside])
    return Stability(
        method=type(explainer).__name__,
        output=name,
        measures=_MEASURES,
        reseeded=np.mean([_compared(base, one, k) for one in others], axis=0),
        neighbours=moved,
        k=k,
        cost=cost + runs.cost,
    )


def _compared(base: list[Explanation], other: list[Explanation], k: int) -> FloatArray:
    """Return the measures ``(q, n)`` of how far explanations moved."""
    columns = []
    for one, two in zip(base, other, strict=True):
        a, b = one.values[:, 0], two.values[:, 0]
        if len(a) != len(b):
            columns.append([np.nan] * len(_MEASURES))
            continue
        top, _, _, _, correlation, _ = similarity(a, b, k)
        length = float(np.linalg.norm(a))
        change = float(np.linalg.norm(a - b)) / length if length > 0 else np.nan
        score = abs(float(one.scores[0]))
        moved = abs(float(one.scores[0] - two.scores[0])) / max(score, 1e-12)
        ratio = change / max(moved, 0.01) if moved > 0 else np.nan
        columns.append([correlation, top, change, ratio])
    return np.array(columns).T


def _worst(tables: list[FloatArray]) -> FloatArray:
    """Return the least alike, or the largest change, over tables of shape ``(q, n)``."""
    stack = np.stack(tables)
    low = np.where(np.isnan(stack), np.inf, stack).min(axis=0)
    high = np.where(np.isnan(stack), -np.inf, stack).max(axis=0)
    worst = np.concatenate([low[:2], high[2:]])
    return np.where(np.isfinite(worst), worst, np.nan)
