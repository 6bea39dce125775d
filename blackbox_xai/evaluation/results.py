"""What the measurements of faithfulness found, as frozen results."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai.errors import InputError
from blackbox_xai.evaluation.bootstrap import Estimate, mean_interval
from blackbox_xai.evaluation.tables import Tabled
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray, Scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Faithfulness"]

_LOWER_IS_BETTER = ("sufficiency", "infidelity", "deletion")


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Faithfulness(Tabled):
    """How faithful explanations are, beside reference maps on the same inputs.

    Parameters
    ----------
    methods : tuple of str
        The explained methods, then the reference maps.
    references : tuple of str
        Those of ``methods`` that are reference maps.
    metrics : tuple of str
        ``abpc``, ``comprehensiveness``, ``sufficiency``, ``deletion`` and ``insertion`` are in
        units of the score; ``faithfulness_correlation`` lies between -1 and 1, ``infidelity``
        between 0 and 1.
    scores : ndarray of shape (a, q, n)
        Score of each method on each input; NaN where a metric is not defined.
    share : ndarray of shape (s,)
        Positions of the curves: share of features hidden (deletion) or shown (insertion).
    deletion, insertion : ndarray of shape (a, n, s)
        Scores as features are hidden, or shown, most important first.
    outputs : tuple of str
        The output evaluated on each input.
    scale : {"probability", "score", "value"}
        Unit of the scores.
    same_masker : bool
        Whether features were hidden as they were for the explanations. If not, the scores also
        measure the difference between the two ways of hiding.
    confidence : float
        Coverage of the intervals.
    cost : Ledger
        Queries spent on the evaluation.
    """

    methods: tuple[str, ...]
    references: tuple[str, ...]
    metrics: tuple[str, ...]
    scores: FloatArray
    share: FloatArray
    deletion: FloatArray
    insertion: FloatArray
    outputs: tuple[str, ...]
    scale: Scale
    same_masker: bool
    confidence: float
    cost: Ledger

    def estimate(self, method: str, metric: str) -> Estimate:
        """Return the mean score of a method and its interval."""
        return mean_interval(self._column(method, metric), confidence=self.confidence)

    def difference(self, method: str, other: str, metric: str) -> Estimate:
        """Return the mean difference between two methods on the same inputs, and its interval.

        Positive when ``method`` scores higher, which is worse for ``sufficiency``, ``infidelity``
        and ``deletion``.
        """
        gap = self._column(method, metric) - self._column(other, metric)
        return mean_interval(gap, confidence=self.confidence)

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each method and metric, with what it gains over each reference.

        ``over random`` and the like say "better", "worse" or "unclear" by the paired interval.
        """
        return [self._row(method, metric) for metric in self.metrics for method in self.methods]

    def plot(self, *, ax: Axes | None = None) -> Axes:
        """Draw the mean deletion curves with their intervals, and return the axes."""
        from blackbox_xai.plotting import curves

        bands = [
            [mean_interval(column, confidence=self.confidence) for column in one.T]
            for one in self.deletion
        ]
        means = np.array([[point.mean for point in band] for band in bands])
        low = np.array([[point.low for point in band] for band in bands])
        high = np.array([[point.high for point in band] for band in bands])
        return curves(
            self.share,
            means,
            self.methods,
            low=low,
            high=high,
            unit=self.scale,
            ax=ax,
            title="Score as features are hidden, most important first",
        )

    def __repr__(self) -> str:
        """Return the size and the table."""
        return f"Faithfulness on {self.scores.shape[2]} inputs, {self.cost.rows} rows\n{self}"

    def _column(self, method: str, metric: str) -> FloatArray:
        if method not in self.methods:
            raise InputError(f"method must be one of {shown(self.methods)}, got {shown(method)}.")
        if metric not in self.metrics:
            raise InputError(f"metric must be one of {shown(self.metrics)}, got {shown(metric)}.")
        column: FloatArray = self.scores[self.methods.index(method), self.metrics.index(metric)]
        return column

    def _row(self, method: str, metric: str) -> dict[str, Any]:
        found = self.estimate(method, metric)
        cells: dict[str, Any] = {"metric": metric, "method": method}
        cells |= {"mean": found.mean, "low": found.low, "high": found.high}
        cells |= {"n": found.n, "undefined": found.n_undefined}
        for reference in self.references:
            verdict = None
            if reference != method:
                sign = self.difference(method, reference, metric).sign
                better = -sign if metric in _LOWER_IS_BETTER else sign
                verdict = ("unclear", "better", "worse")[better]
            cells[f"over {reference}"] = verdict
        return {key: None if value != value else value for key, value in cells.items()}
