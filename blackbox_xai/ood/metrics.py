"""How well scores tell inputs like the reference (ID) from others (OOD)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from blackbox_xai.errors import InputError
from blackbox_xai.protocols import FloatArray

__all__ = ["OODMetrics", "ood_metrics"]


@dataclass(frozen=True, kw_only=True)
class OODMetrics:
    """Quality of OOD scores; two figures go by the name FPR95 elsewhere, here each has its own.

    Parameters
    ----------
    auroc : float
        Chance that an ID row scores higher than an OOD row.
    fpr_at_95_id_recall : float
        Share of OOD rows accepted when 95 % of the ID rows are accepted.
    fpr_at_95_ood_recall : float
        Share of ID rows rejected when 95 % of the OOD rows are rejected.
    aupr_id, aupr_ood : float
        Average precision with ID, and with OOD, as the positive class.
    n_id, n_ood : int
    """

    auroc: float
    fpr_at_95_id_recall: float
    fpr_at_95_ood_recall: float
    aupr_id: float
    aupr_ood: float
    n_id: int
    n_ood: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def ood_metrics(id_scores: Any, ood_scores: Any) -> OODMetrics:
    """Measure scores, higher = more like the reference, as ``score_samples`` gives them.

    Parameters
    ----------
    id_scores, ood_scores : ndarray of shape (n,)

    Returns
    -------
    OODMetrics

    Raises
    ------
    InputError
        For empty or not finite scores.

    Examples
    --------
    >>> found = ood_metrics([3.0, 2.0, 1.0], [0.5, 0.2])
    >>> found.auroc, found.fpr_at_95_id_recall, found.fpr_at_95_ood_recall
    (1.0, 0.0, 0.0)
    """
    inside = _scores("id_scores", id_scores)
    outside = _scores("ood_scores", ood_scores)
    truth = np.repeat([1, 0], [len(inside), len(outside)])
    scores = np.concatenate([inside, outside])
    return OODMetrics(
        auroc=float(roc_auc_score(truth, scores)),
        fpr_at_95_id_recall=_accepted(inside, outside),
        fpr_at_95_ood_recall=_accepted(-outside, -inside),
        aupr_id=float(average_precision_score(truth, scores)),
        aupr_ood=float(average_precision_score(1 - truth, -scores)),
        n_id=len(inside),
        n_ood=len(outside),
    )


def _scores(name: str, values: Any) -> FloatArray:
    scores = np.asarray(values, dtype=np.float64).ravel()
    if not len(scores) or not np.isfinite(scores).all():
        raise InputError(f"{name} must be finite numbers, at least one, got {scores[:3]}.")
    return scores


def _accepted(positive: FloatArray, negative: FloatArray) -> float:
    """Return the share of ``negative`` at or above the score that 95 % of ``positive`` reach."""
    at = int(np.ceil(0.95 * len(positive))) - 1
    return float((negative >= np.sort(positive)[::-1][at]).mean())
