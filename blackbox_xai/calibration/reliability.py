"""Can the model's confidence be believed? Every figure beside what chance alone would give."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from blackbox_xai._checks import check_int
from blackbox_xai.adapters import as_model
from blackbox_xai.calibration.labels import score_labelled
from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["Bin", "Reliability", "measure_reliability", "reliability"]

_SIMULATIONS = 200
_TINY = 1e-12


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Rows whose confidence lies between ``low`` and ``high``.

    Parameters
    ----------
    low, high : float
    n_rows : int
    confidence, accuracy : float
        Means over the rows of the bin.
    interval : (float, float)
        95 % Wilson interval of ``accuracy``.
    """

    low: float
    high: float
    n_rows: int
    confidence: float
    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True, eq=False, kw_only=True)
class Reliability:
    """How far confidence can be believed.

    Parameters
    ----------
    n_rows : int
    accuracy, confidence : float
        Share of right answers, and the mean probability of the answer given.
    ece, ece_interval : float, (float, float)
        Expected calibration error of the answer given, equally wide bins; 90 % bootstrap interval.
    ece_null, ece_null_95 : float
        Mean and 95th percentile of what a perfectly calibrated model would show on as many rows.
    ece_debiased : float
        Root of the squared calibration error, less what chance adds to it; 0 when chance explains
        it all.
    brier : float
        Mean ``||p - onehot||^2``: 0 to 2.
    nll : float
        Mean negative logarithm of the probability of the right label, in nats.
    decomposition : dict
        ``brier = reliability - resolution + uncertainty + within_bins``.
    bins : tuple of Bin
    """

    n_rows: int
    accuracy: float
    confidence: float
    ece: float
    ece_interval: tuple[float, float]
    ece_null: float
    ece_null_95: float
    ece_debiased: float
    brier: float
    nll: float
    decomposition: dict[str, float]
    bins: tuple[Bin, ...]

    @property
    def miscalibrated(self) -> bool:
        """Whether chance would give so large an error in fewer than 1 of 20 cases."""
        return self.ece > self.ece_null_95

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "miscalibrated": self.miscalibrated}

    def plot(self, ax: Any = None) -> Any:
        """Draw accuracy against confidence.

        Returns
        -------
        Axes
        """
        from blackbox_xai.plotting.reliability import plot_reliability

        filled = [b for b in self.bins if b.n_rows]
        return plot_reliability(
            np.array([b.confidence for b in filled]),
            np.array([b.accuracy for b in filled]),
            np.array([b.interval for b in filled]),
            np.array([b.n_rows for b in filled]),
            ax=ax,
        )

    def __str__(self) -> str:
        """Return a few lines for a terminal."""
        verdict = "more than chance" if self.miscalibrated else "no more than chance"
        low, high = self.ece_interval
        return (
            f"{self.n_rows} rows: accuracy {self.accuracy:.3f}, mean confidence "
            f"{self.confidence:.3f}\n"
            f"ECE {self.ece:.3f} [{low:.3f}, {high:.3f}], {verdict}: a perfectly calibrated model "
            f"would show {self.ece_null:.3f} (up to {self.ece_null_95:.3f}); "
            f"debiased {self.ece_debiased:.3f}\n"
            f"Brier {self.brier:.3f}, NLL {self.nll:.3f}"
        )


def reliability(
    model: Any, X: Any, y: Any, *, labels: Any = None, n_bins: int = 15, random_state: int = 0
) -> Reliability:
    """Compare the model's probabilities with what happened, on rows it was not trained on.

    Parameters
    ----------
    model : object
        Anything ``as_model`` takes; its scores must be probabilities.
    X : array or frame of n rows
    y : sequence of n labels
        Output names, or whole numbers counting the outputs from 0, or members of ``labels``.
    labels : sequence, optional
        The label that each output stands for.
    n_bins : int

    Returns
    -------
    Reliability

    Raises
    ------
    InputError
        When scores are no probabilities or a label belongs to no output.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger (2017), eq. 3; Kumar, Liang, Ma (2019), the debiased estimator;
    Murphy (1973) and Stephenson, Coelho, Jolliffe (2008) for the decomposition.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.uniform(size=(2000, 1))
    >>> y = (rng.uniform(size=2000) < X[:, 0]).astype(int)
    >>> reliability(lambda X: np.hstack([1 - X, X]), X, y).miscalibrated
    False
    >>> reliability(lambda X: np.hstack([1 - X**3, X**3]), X, y).miscalibrated
    True
    """
    check_int("n_bins", n_bins, minimum=2)
    labelled = score_labelled(as_model(model), X, y, labels, minimum=2)
    rng = np.random.default_rng(random_state)
    return measure_reliability(labelled.probabilities, labelled.targets, n_bins=n_bins, rng=rng)


def measure_reliability(
    probabilities: FloatArray, targets: IntArray, *, n_bins: int, rng: np.random.Generator
) -> Reliability:
    """Measure ``(n, k)`` probabilities against the positions of the right labels, ``(n,)``."""
    n = len(targets)
    confidence = probabilities.max(axis=1)
    right = (probabilities.argmax(axis=1) == targets).astype(np.float64)
    null = [
        _ece(confidence, (rng.random(n) < confidence) * 1.0, n_bins) for _ in range(_SIMULATIONS)
    ]
    picks = rng.integers(n, size=(_SIMULATIONS, n))
    again = [_ece(confidence[pick], right[pick], n_bins) for pick in picks]
    onehot = np.eye(probabilities.shape[1])[targets]
    true_p = probabilities[np.arange(n), targets]
    low, high = np.quantile(again, [0.05, 0.95])
    return Reliability(
        n_rows=n,
        accuracy=float(right.mean()),
        confidence=float(confidence.mean()),
        ece=_ece(confidence, right, n_bins),
        ece_interval=(float(low), float(high)),
        ece_null=float(np.mean(null)),
        ece_null_95=float(np.quantile(null, 0.95)),
        ece_debiased=debiased(confidence, right, n_bins),
        brier=float(((probabilities - onehot) ** 2).sum(axis=1).mean()),
        nll=float(-np.log(np.maximum(true_p, _TINY)).mean()),
        decomposition=_decomposition(probabilities, onehot, n_bins),
        bins=_bins(confidence, right, n_bins),
    )


def _binned(
    confidence: FloatArray, right: FloatArray, n_bins: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return rows, sum of confidence and sum of right answers of each bin."""
    place = np.minimum((confidence * n_bins).astype(np.intp), n_bins - 1)
    return (
        np.bincount(place, minlength=n_bins).astype(np.float64),
        np.bincount(place, confidence, n_bins).astype(np.float64),
        np.bincount(place, right, n_bins).astype(np.float64),
    )


def _ece(confidence: FloatArray, right: FloatArray, n_bins: int) -> float:
    _, promised, kept = _binned(confidence, right, n_bins)
    return float(np.abs(promised - kept).sum() / len(right))


def debiased(confidence: FloatArray, right: FloatArray, n_bins: int) -> float:
    """Return the root of the squared calibration error less ``a (1 - a) / (n_b - 1)`` a bin."""
    rows, promised, kept = _binned(confidence, right, n_bins)
    used = rows > 0
    rows, a = rows[used], kept[used] / rows[used]
    gap = promised[used] / rows - a
    chance = np.where(rows > 1, a * (1 - a) / np.maximum(rows - 1, 1), gap**2)
    return float(np.sqrt(max(float((rows * (gap**2 - chance)).sum() / rows.sum()), 0.0)))


def wilson(successes: float, n: float, z: float = 1.959964) -> tuple[float, float]:
    """Return the Wilson interval of a share.

    Examples
    --------
    >>> low, high = wilson(10, 10)
    >>> round(low, 3), round(high, 3)
    (0.722, 1.0)
    """
    share = successes / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return float(max(centre - half, 0.0)), float(min(centre + half, 1.0))


def _bins(confidence: FloatArray, right: FloatArray, n_bins: int) -> tuple[Bin, ...]:
    rows, promised, kept = _binned(confidence, right, n_bins)
    nan = float("nan")
    return tuple(
        Bin(
            low=b / n_bins,
            high=(b + 1) / n_bins,
            n_rows=int(rows[b]),
            confidence=float(promised[b] / rows[b]) if rows[b] else nan,
            accuracy=float(kept[b] / rows[b]) if rows[b] else nan,
            interval=wilson(kept[b], rows[b]) if rows[b] else (nan, nan),
        )
        for b in range(n_bins)
    )


def _decomposition(probabilities: FloatArray, onehot: FloatArray, n_bins: int) -> dict[str, float]:
    """Split the Brier score, summed over outputs; the four parts add up to it exactly."""
    n, total = len(onehot), dict.fromkeys(_PARTS, 0.0)
    for p, o in zip(probabilities.T, onehot.T, strict=True):
        rows, promised, kept = _binned(p, o, n_bins)
        filled = np.maximum(rows, 1.0)
        f, a, base = promised / filled, kept / filled, o.mean()
        place = np.minimum((p * n_bins).astype(np.intp), n_bins - 1)
        spread, together = p - f[place], (p - f[place]) * (o - a[place])
        total["reliability"] += float((rows * (f - a) ** 2).sum() / n)
        total["resolution"] += float((rows * (a - base) ** 2).sum() / n)
        total["uncertainty"] += float(base * (1 - base))
        total["within_bins"] += float((spread**2 - 2 * together).mean())
    return total


_PARTS = ("reliability", "resolution", "uncertainty", "within_bins")
