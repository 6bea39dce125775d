"""Do attributions stand where the reasons are known to be? For planted or annotated reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import shown
from blackbox_xai.errors import InputError
from blackbox_xai.evaluation.bootstrap import Estimate, mean_interval
from blackbox_xai.evaluation.tables import Tabled
from blackbox_xai.layouts import TextLayout
from blackbox_xai.protocols import BoolArray, FloatArray
from blackbox_xai.results import Explanation

__all__ = ["Localisation", "average_precision", "localisation"]

_MEASURES = ("pointing", "mass", "rank", "precision")


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Localisation(Tabled):
    """How much of an explanation stands on the reasons.

    Parameters
    ----------
    methods : tuple of str
    measures : tuple of str
        "pointing": whether the largest attribution is on a reason; "mass": share of the positive
        attributions that is; "rank": share of the reasons among as many largest attributions;
        "precision": average precision of attributions as scores of being a reason.
    values : ndarray of shape (a, q, n)
        NaN where a measure is not defined: no positive attribution, or no reason.
    chance : ndarray of shape (n,)
        Share of the input that is a reason: what a random map gets, of every measure.
    """

    methods: tuple[str, ...]
    measures: tuple[str, ...]
    values: FloatArray
    chance: FloatArray

    def estimate(self, method: str, measure: str) -> Estimate:
        """Return the mean of a measure over inputs and its 95 % interval."""
        if method not in self.methods:
            raise InputError(f"method must be one of {shown(self.methods)}, got {shown(method)}.")
        if measure not in self.measures:
            raise InputError(f"measure must be one of {self.measures}, got {shown(measure)}.")
        return mean_interval(self.values[self.methods.index(method), self.measures.index(measure)])

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each measure and method."""
        rows = []
        for measure in self.measures:
            for method in self.methods:
                found = self.estimate(method, measure)
                row = {"measure": measure, "method": method, "mean": found.mean}
                row |= {"low": found.low, "high": found.high, "chance": float(self.chance.mean())}
                row |= {"n": found.n, "undefined": found.n_undefined}
                rows.append({key: None if v != v else v for key, v in row.items()})
        return rows

    def __repr__(self) -> str:
        """Return the size and the table."""
        return f"Localisation on {len(self.chance)} inputs\n{self}"


def localisation(
    explanations: Sequence[Explanation] | Mapping[str, Sequence[Explanation]],
    reasons: Sequence[Any],
    *,
    output: int | str | None = None,
) -> Localisation:
    """Measure how much of explanations stands on known reasons; asks no model.

    Annotations say what persuades people, which need not be what persuades the model: compare with
    reasons that were planted, or read the result as plausibility, not as faithfulness.

    Parameters
    ----------
    explanations : sequence of Explanation, or mapping of str to such
        One explanation for each input; several methods by name.
    reasons : sequence
        The reasons of each input: for an image a bool mask of shape (height, width), for a text a
        list of character spans ``(start, stop)``, for a table a list of feature names; or a bool
        array with an entry for each feature.
    output : int or str, optional
        Output compared. None: on each input the one with the highest score.

    Returns
    -------
    Localisation

    Raises
    ------
    InputError
        When reasons do not fit their input.

    References
    ----------
    Zhang et al. (2016), Top-down Neural Attention by Excitation Backprop (pointing game). Arras,
    Osman, Samek (2022), CLEVR-XAI, section 4.2 (mass and rank accuracy). DeYoung et al. (2020),
    ERASER, section 4 (average precision).

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> texts = ["a good film", "no good end"]
    >>> model = lambda texts: np.array([float("good" in text) for text in texts])
    >>> whys = bx.Occlusion().explain_many(model, texts, bx.TextMasker())
    >>> localisation(whys, [[(2, 6)], [(3, 7)]]).estimate("Occlusion", "pointing").mean
    1.0
    """
    if not isinstance(explanations, Mapping):
        explanations = {explanations[0].method: explanations} if len(explanations) else {}
    if not explanations or any(len(many) != len(reasons) for many in explanations.values()):
        counts = {name: len(many) for name, many in explanations.items()}
        raise InputError(
            f"explanations must be one for each of {len(reasons)} reasons, got {shown(counts)}."
        )
    found, chance = [], np.empty(len(reasons))
    for many in explanations.values():
        columns = []
        for i, (one, given) in enumerate(zip(many, reasons, strict=True)):
            heat, truth = _laid_out(one, given, one.output_index(output), i)
            columns.append(_measured(heat, truth))
            chance[i] = truth.mean()
        found.append(np.array(columns).T)
    return Localisation(
        methods=tuple(str(name) for name in explanations),
        measures=_MEASURES,
        values=np.array(found),
        chance=chance,
    )


def average_precision(scores: FloatArray, truth: BoolArray) -> float:
    """Return the area under precision and recall; equal scores enter together; NaN without truth.

    Examples
    --------
    >>> average_precision(np.array([3.0, 2.0, 1.0]), np.array([True, False, False]))
    1.0
    """
    if not truth.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(truth[order])
    last = np.append(np.diff(scores[order]) != 0, True)
    recall = np.concatenate([[0.0], hits[last] / hits[-1]])
    precision = hits[last] / (np.flatnonzero(last) + 1)
    return float(np.diff(recall) @ precision)


def _measured(heat: FloatArray, truth: BoolArray) -> list[float]:
    """Return the four measures of one map."""
    if not truth.any():
        return [float("nan")] * len(_MEASURES)
    top = heat == heat.max()
    positive = np.maximum(heat, 0)
    total = float(positive.sum())
    mass = float(positive[truth].sum()) / total if total > 0 else float("nan")
    n = int(truth.sum())
    limit = np.sort(heat)[-n]
    above, level = heat > limit, heat == limit
    share = (n - above.sum()) / level.sum()  # of equal attributions, as many as have room count
    rank = float((truth & above).sum() + share * (truth & level).sum()) / n
    return [float(truth[top].mean()), mass, rank, average_precision(heat, truth)]


def _laid_out(one: Explanation, given: Any, j: int, i: int) -> tuple[FloatArray, BoolArray]:
    """Return attributions and reasons, entry by entry."""
    values, d = one.values[:, j], len(one.values)
    if isinstance(one.layout, TextLayout) and not _is_mask(given):
        truth = np.zeros(len(one.layout.text), dtype=bool)
        for start, stop in given:
            truth[start:stop] = True
        inside = one.layout.paint(np.ones(d)) > 0
        return one.layout.paint(values)[inside], truth[inside]
    if not _is_mask(given):
        unknown = [name for name in given if name not in one.feature_names]
        if unknown:
            raise InputError(f"reasons of input {i} name {unknown[0]!r}, which is no feature.")
        return values, np.isin(one.feature_names, list(given))
    mask: NDArray[Any] = np.asarray(given)
    if mask.shape == (d,):
        return values, mask
    heat = one.layout.paint(values) if one.heatmap is None else one.heatmap[..., j]
    if heat.shape != mask.shape:
        raise InputError(
            f"reasons of input {i} must have shape {heat.shape} or ({d},), got {mask.shape}."
        )
    return heat.ravel(), mask.ravel()


def _is_mask(given: Any) -> bool:
    return isinstance(given, np.ndarray) and given.dtype == np.bool_
