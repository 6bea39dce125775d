"""How far explanations of the same inputs agree: with each other, with chance, with themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blackbox_xai._checks import check_int, shown
from blackbox_xai.errors import InputError
from blackbox_xai.evaluation.bootstrap import Estimate, mean_interval
from blackbox_xai.evaluation.metrics import pearson
from blackbox_xai.evaluation.tables import Tabled
from blackbox_xai.protocols import FloatArray
from blackbox_xai.results import Explanation

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["MEASURES", "Agreement", "agreement", "similarity", "spearman"]

MEASURES = ("feature", "rank", "sign", "signed rank", "rank correlation", "pairwise")
_N_CHANCE = 200


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Agreement(Tabled):
    """Agreement of methods, input by input.

    Parameters
    ----------
    methods : tuple of str
    measures : tuple of str
        Of the ``k`` largest attributions: the share in common ("feature"), at the same place
        ("rank"), with the same sign ("sign"), with both ("signed rank"). Of all: Spearman's "rank
        correlation", and the share of pairs of features in the same order ("pairwise").
    values : ndarray of shape (q, a, a, n)
        Agreement of each two methods on each input; NaN where it is not defined.
    chance : ndarray of shape (q,)
        Agreement with random attributions, on average.
    ceiling : ndarray of shape (q, a) or None
        Agreement of each method with itself under another seed, on average.
    k : int
        Largest attributions compared.
    """

    methods: tuple[str, ...]
    measures: tuple[str, ...]
    values: FloatArray
    chance: FloatArray
    ceiling: FloatArray | None
    k: int

    def estimate(self, method: str, other: str, measure: str) -> Estimate:
        """Return the mean agreement of two methods and its 95 % interval."""
        names = zip(("method", "other"), (method, other), strict=True)
        for argument, name in names:
            if name not in self.methods:
                raise InputError(
                    f"{argument} must be one of {shown(self.methods)}, got {shown(name)}."
                )
        if measure not in self.measures:
            raise InputError(f"measure must be one of {self.measures}, got {shown(measure)}.")
        q, a = self.measures.index(measure), self.methods.index(method)
        return mean_interval(self.values[q, a, self.methods.index(other)])

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each measure and pair, with chance, ceiling and what they mean."""
        pairs = [(a, b) for i, a in enumerate(self.methods) for b in self.methods[i + 1 :]]
        return [self._row(measure, a, b) for measure in self.measures for a, b in pairs]

    def plot(self, measure: str = "rank correlation", *, ax: Axes | None = None) -> Axes:
        """Draw the matrix of one measure and return the axes."""
        from blackbox_xai.plotting import agreement as draw

        means = [[self.estimate(a, b, measure).mean for b in self.methods] for a in self.methods]
        q = self.measures.index(measure)
        ceiling = None
        if self.ceiling is not None:
            ceiling = np.minimum(self.ceiling[q][:, None], self.ceiling[q])
        return draw(
            np.array(means),
            self.methods,
            chance=float(self.chance[q]),
            ceiling=ceiling,
            measure=measure,
            ax=ax,
        )

    def __repr__(self) -> str:
        """Return the size and the table."""
        return f"Agreement on {self.values.shape[3]} inputs, top {self.k}\n{self}"

    def _row(self, measure: str, a: str, b: str) -> dict[str, Any]:
        found, q = self.estimate(a, b, measure), self.measures.index(measure)
        ceiling = None
        if self.ceiling is not None:
            own = [float(self.ceiling[q, self.methods.index(name)]) for name in (a, b)]
            ceiling = min(own)
        verdict = "above chance" if found.low > self.chance[q] else "not above chance"
        if ceiling is not None and found.high >= ceiling and verdict == "above chance":
            verdict = "no less than the methods' own noise allows"
        cells = {"measure": measure, "method": a, "other": b, "mean": found.mean}
        cells |= {"low": found.low, "high": found.high, "chance": float(self.chance[q])}
        cells |= {"ceiling": ceiling, "verdict": verdict}
        return {key: None if value != value else value for key, value in cells.items()}


def agreement(
    explanations: Mapping[str, Sequence[Explanation]],
    *,
    reseeded: Mapping[str, Sequence[Explanation]] | None = None,
    output: int | str | None = None,
    k: int = 5,
    random_state: int = 0,
) -> Agreement:
    """Measure how far methods agree, beside chance and beside their own noise.

    Parameters
    ----------
    explanations : mapping of str to sequence of Explanation
        Explanations of the same inputs by two methods or more.
    reseeded : mapping of str to sequence of Explanation, optional
        The same methods under another seed: the ceiling of agreement.
    output : int or str, optional
        Output compared. None: on each input the one with the highest score.
    k : int
        How many of the largest attributions are compared.
    random_state : int
        Seed of the random attributions that give the chance level.

    Returns
    -------
    Agreement

    Raises
    ------
    InputError
        When the explanations do not belong together.

    References
    ----------
    Krishna et al. (2022), The Disagreement Problem in Explainable Machine Learning, section 3.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> X, masker = np.ones((3, 4)), bx.TabularMasker(np.zeros((1, 4)))
    >>> model = lambda X: X @ [4.0, 3.0, -2.0, 1.0]
    >>> a = bx.ExactShapley().explain_many(model, X, masker)
    >>> found = agreement({"a": a, "b": a}, k=2)
    >>> found.estimate("a", "b", "feature").mean
    1.0
    """
    k = check_int("k", k, minimum=1)
    columns = _columns(explanations, output)
    methods = tuple(columns)
    n = len(next(iter(columns.values())))
    values = np.empty((len(MEASURES), len(methods), len(methods), n))
    for i, a in enumerate(methods):
        for j, b in enumerate(methods):
            pairs = zip(columns[a], columns[b], strict=True)
            values[:, i, j] = np.array([similarity(x, y, k) for x, y in pairs]).T
    ceiling = None
    if reseeded is not None:
        again = _columns(reseeded, output)
        if set(again) != set(methods):
            raise InputError(f"reseeded must have the methods {methods}, got {tuple(again)}.")
        ceiling = np.array([_mean_similarity(columns[a], again[a], k) for a in methods]).T
    rng = np.random.default_rng(check_int("random_state", random_state, minimum=0))
    widths = [len(one) for one in columns[methods[0]]]
    drawn = [rng.standard_normal((2, d)) for _ in range(-(-_N_CHANCE // n)) for d in widths]
    chance = _mean_similarity([a for a, _ in drawn], [b for _, b in drawn], k)
    return Agreement(
        methods=methods, measures=MEASURES, values=values, chance=chance, ceiling=ceiling, k=k
    )


def similarity(a: FloatArray, b: FloatArray, k: int) -> FloatArray:
    """Return the six measures of agreement of two attributions of shape ``(d,)``.

    Examples
    --------
    >>> similarity(np.array([3.0, -2.0, 1.0]), np.array([3.0, 2.0, 1.0]), k=2).round(2)
    array([1.  , 1.  , 0.5 , 0.5 , 0.5 , 0.67])
    """
    k = min(k, len(a))
    top_a, top_b = (np.argsort(-np.abs(x), kind="stable")[:k] for x in (a, b))
    common = np.isin(top_a, top_b)
    same_place = top_a == top_b
    same_sign = np.sign(a[top_a]) == np.sign(b[top_a])
    upper = np.triu_indices(len(a), 1)
    order_a, order_b = (np.sign(x[upper[0]] - x[upper[1]]) for x in (a, b))
    pairwise = float((order_a == order_b).mean()) if len(a) > 1 else np.nan
    tops = [common, same_place, common & same_sign, same_place & same_sign]
    return np.array([*(float(one.mean()) for one in tops), spearman(a, b), pairwise])


def spearman(a: FloatArray, b: FloatArray) -> float:
    """Return the rank correlation; ties share their mean rank, a constant gives NaN."""
    return pearson(_mean_ranks(a), _mean_ranks(b)) if len(a) > 1 else float("nan")


def _mean_ranks(values: FloatArray) -> FloatArray:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[place.ravel()], dtype=np.float64)


def _mean_similarity(a: Sequence[FloatArray], b: Sequence[FloatArray], k: int) -> FloatArray:
    """Return the mean of each measure over inputs, NaN left out."""
    found = np.array([similarity(x, y, k) for x, y in zip(a, b, strict=True)])
    defined = ~np.isnan(found)
    total = np.where(defined, found, 0).sum(axis=0)
    return np.where(defined.any(axis=0), total / np.maximum(defined.sum(axis=0), 1), np.nan)


def _columns(explanations: Any, output: int | str | None) -> dict[str, list[FloatArray]]:
    """Return the attributions of each method to the output compared."""
    if not isinstance(explanations, Mapping) or not explanations:
        raise InputError(f"explanations must be a mapping of methods, got {shown(explanations)}.")
    first = next(iter(explanations.values()))
    names = [one.output_names[one.output_index(output)] for one in first]
    columns: dict[str, list[FloatArray]] = {}
    for method, many in explanations.items():
        if len(many) != len(names) or not many:
            raise InputError(
                f"explanations of {method!r} must be one for each of {len(names)} inputs, "
                f"got {len(many)}."
            )
        columns[str(method)] = [
            _column(one, name, other, method)
            for one, name, other in zip(many, names, first, strict=True)
        ]
    return columns


def _column(one: Explanation, output: str, other: Explanation, method: str) -> FloatArray:
    if output not in one.output_names or one.feature_names != other.feature_names:
        raise InputError(
            f"explanations of {method!r} have other outputs or features than those of the first "
            "method."
        )
    values: FloatArray = one.values[:, one.output_names.index(output)]
    return values
