"""How far a map can be believed: neighbours kept, distances kept, point by point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from blackbox_xai._checks import check_int
from blackbox_xai.errors import InputError
from blackbox_xai.points.neighbours import blocks, squared_distances
from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["MapQuality", "map_quality"]

_FOLDS = 10


@dataclass(frozen=True, eq=False)
class MapQuality:
    """Quality of a map; each number with its standard error over the rows that were checked.

    Parameters
    ----------
    trustworthiness, continuity : tuple of float
        Value and standard error. Trustworthiness falls when the map shows neighbours that are
        none in the data, continuity when neighbours in the data are torn apart; 1 is best.
    knn_recall : tuple of float
        Mean share of the k nearest neighbours that are kept, 0 to 1.
    shepard : tuple of float
        Rank correlation of distances in the data and in the map: low means that distances on
        the map must not be read.
    stress : tuple of float
        Stress-1 at the best scale, 0 is best.
    point_trust : ndarray of shape (q,)
        Trustworthiness of each checked row.
    rows : ndarray of shape (q,)
        Which rows were checked.
    n_neighbors : int
        The k above.
    """

    trustworthiness: tuple[float, float]
    continuity: tuple[float, float]
    knn_recall: tuple[float, float]
    shepard: tuple[float, float]
    stress: tuple[float, float]
    point_trust: FloatArray
    rows: IntArray
    n_neighbors: int

    def to_dict(self) -> dict[str, Any]:
        """Return the five numbers as ``{name: {"value", "se"}}``, and how they were taken."""
        names = ("trustworthiness", "continuity", "knn_recall", "shepard", "stress")
        numbers = {name: getattr(self, name) for name in names}
        facts: dict[str, Any] = {
            name: {"value": value, "se": error} for name, (value, error) in numbers.items()
        }
        return {**facts, "n_neighbors": self.n_neighbors, "rows_checked": len(self.rows)}

    def __str__(self) -> str:
        """Return one line to print beside the map."""
        return ", ".join(
            f"{name.replace('_', ' ')} {fact['value']:.3f} \N{PLUS-MINUS SIGN} {fact['se']:.3f}"
            for name, fact in self.to_dict().items()
            if isinstance(fact, dict)
        )


def map_quality(
    points: FloatArray,
    embedding: FloatArray,
    *,
    n_neighbors: int = 15,
    max_rows: int = 1000,
    random_state: int = 0,
) -> MapQuality:
    """Compare a map with the data it shows.

    Parameters
    ----------
    points : ndarray of shape (n, dims)
        Rows of the data, scaled as they were for the map.
    embedding : ndarray of shape (n, 2)
        Their places on the map.
    n_neighbors : int
        Size k of the neighbourhoods; cut to ``(n - 1) // 2`` for few rows.
    max_rows : int
        Rows that are checked, each against all others; drawn at random when there are more.
    random_state : int
        Seed of that draw.

    Returns
    -------
    MapQuality

    Raises
    ------
    InputError
        For fewer than 4 rows, or when the two do not have the same rows.

    References
    ----------
    J. Venna and S. Kaski (2001), "Neighborhood preservation in nonlinear projection methods",
    equations 1 and 2 (trustworthiness, continuity). J. B. Kruskal (1964), "Multidimensional
    scaling by optimizing goodness of fit" (stress-1).

    Examples
    --------
    >>> points = np.random.default_rng(0).normal(size=(50, 2))
    >>> quality = map_quality(points, 3 * points)
    >>> quality.trustworthiness[0], quality.knn_recall[0], round(quality.stress[0], 6)
    (1.0, 1.0, 0.0)
    """
    n = len(points)
    if n < 4:
        raise InputError(f"points must have at least 4 rows to judge a map, got {n}.")
    if len(embedding) != n:
        raise InputError(f"embedding must have {n} rows, one for each point, got {len(embedding)}.")
    k = min(check_int("n_neighbors", n_neighbors, minimum=1), (n - 1) // 2)
    check_int("max_rows", max_rows, minimum=4)
    rng = np.random.default_rng(random_state)
    rows = np.arange(n) if n <= max_rows else np.sort(rng.choice(n, max_rows, replace=False))
    trust, continuity, recall = np.empty((3, len(rows)))
    sums, pairs = np.empty((3, len(rows))), []
    per_row = max(200_000 // len(rows), 2)
    for block in blocks(len(rows), 3 * n):
        chosen = rows[block]
        data = squared_distances(points[chosen], points)
        shown = squared_distances(embedding[chosen], embedding)
        trust[block], continuity[block], recall[block] = _neighbourhoods(data, shown, chosen, k)
        data, shown = np.sqrt(data), np.sqrt(shown)
        sums[:, block] = (data * shown).sum(1), (data**2).sum(1), (shown**2).sum(1)
        others = rng.integers(0, n - 1, size=(len(chosen), per_row))
        others += others >= chosen[:, None]
        pairs.append(np.stack([np.take_along_axis(side, others, 1) for side in (data, shown)]))
    return MapQuality(
        trustworthiness=_mean(trust),
        continuity=_mean(continuity),
        knn_recall=_mean(recall),
        shepard=_shepard(np.concatenate(pairs, axis=1)),
        stress=_stress(sums),
        point_trust=trust,
        rows=rows,
        n_neighbors=k,
    )


def _neighbourhoods(
    data: FloatArray, shown: FloatArray, rows: IntArray, k: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return trustworthiness, continuity and recall of each row."""
    n = data.shape[1]
    itself = np.arange(len(rows)), rows
    data[itself] = shown[itself] = -1.0
    ranks_data, near_data = _ranks(data, k)
    ranks_shown, near_shown = _ranks(shown, k)
    data[itself] = shown[itself] = 0.0
    scale = 2 / (k * (2 * n - 3 * k - 1))
    strangers = np.maximum(np.take_along_axis(ranks_data, near_shown, 1) - k, 0)
    lost = np.maximum(np.take_along_axis(ranks_shown, near_data, 1) - k, 0)
    recall = (strangers == 0).mean(axis=1)
    return 1 - scale * strangers.sum(1), 1 - scale * lost.sum(1), recall


def _ranks(distances: FloatArray, k: int) -> tuple[IntArray, IntArray]:
    """Return every point's rank as seen from each row (itself 0), and its k nearest."""
    order = np.argsort(distances, axis=1, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(distances.shape[1])[None], axis=1)
    return ranks, order[:, 1 : k + 1]


def _mean(numbers: FloatArray) -> tuple[float, float]:
    return float(numbers.mean()), float(numbers.std(ddof=1) / np.sqrt(len(numbers)))


def _jackknife(whole: float, parts: FloatArray) -> tuple[float, float]:
    """Return a statistic and its standard error from its values with one part left out."""
    g = len(parts)
    return whole, float(np.sqrt((g - 1) / g * ((parts - parts.mean()) ** 2).sum()))


def _stress(sums: FloatArray) -> tuple[float, float]:
    """Stress-1 from the row sums of d d', d^2 and d'^2: at the best scale a it is closed."""

    def stress(cross: Any, data: Any, shown: Any) -> Any:
        shown = np.where(shown > 0, shown, 1.0)
        return np.sqrt(np.maximum(1 - cross**2 / np.where(data > 0, data, 1.0) / shown, 0))

    total = sums.sum(axis=1, keepdims=True)
    return _jackknife(float(stress(*total)[0]), stress(*(total - sums)))


def _shepard(pairs: FloatArray) -> tuple[float, float]:
    """Rank correlation over sampled pairs ``(2, rows, pairs)``; folds of rows are left out."""
    from scipy.stats import rankdata

    def correlation(part: FloatArray) -> float:
        ranks = np.stack([rankdata(side) for side in part.reshape(2, -1)])
        ranks -= ranks.mean(axis=1, keepdims=True)
        norm = float(np.sqrt((ranks**2).sum(1).prod()))
        return float((ranks[0] * ranks[1]).sum() / norm) if norm else float("nan")

    folds = np.arange(pairs.shape[1]) % min(_FOLDS, pairs.shape[1])
    parts = [correlation(pairs[:, folds != fold]) for fold in range(folds.max() + 1)]
    return _jackknife(correlation(pairs), np.array(parts))
