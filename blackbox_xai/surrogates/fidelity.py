"""How well a surrogate stands in for its model, on rows it has not seen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from blackbox_xai.protocols import FloatArray, IntArray, Scale

__all__ = ["Curve", "Fidelity", "LeafFidelity", "agreement", "explained", "measure"]

_BOOTSTRAPS = 500
_LEVEL = 0.9


def explained(scores: FloatArray, said: FloatArray) -> float:
    """Return ``1 - sum ||f - g||^2 / sum ||f - mean f||^2``; nan where the model is constant.

    Examples
    --------
    >>> import numpy as np
    >>> explained(np.array([[0.0], [1.0]]), np.array([[0.5], [0.5]]))
    0.0
    >>> explained(np.ones((2, 1)), np.zeros((2, 1)))
    nan
    """
    total = float(((scores - scores.mean(axis=0)) ** 2).sum())
    if _is_constant(scores, total):
        return float("nan")
    return 1.0 - float(((scores - said) ** 2).sum()) / total


def _is_constant(scores: FloatArray, total: float) -> bool:
    scale = float((scores**2).mean())
    return total / max(len(scores), 1) <= 1e-12 * max(scale, np.finfo(float).tiny)


def labels_of(scores: FloatArray, scale: Scale) -> IntArray | None:
    """Return the label of each row: the largest of several outputs, or one probability > 1/2."""
    if scores.shape[1] > 1:
        return np.asarray(scores.argmax(axis=1), dtype=np.intp)
    if scale == "probability":
        return np.asarray(scores[:, 0] > 0.5, dtype=np.intp)
    return None


def agreement(labels: IntArray | None, said: IntArray | None) -> tuple[float, float, float]:
    """Return the share of equal labels, the majority's share, and kappa between the two.

    kappa = (agreement - majority) / (1 - majority); nan when the model has one label only, and
    all three nan for a model without labels.
    """
    if labels is None or said is None or not len(labels):
        return (float("nan"),) * 3
    same = float((labels == said).mean())
    base = float(np.bincount(labels).max() / len(labels))
    return same, base, (same - base) / (1 - base) if base < 1 else float("nan")


@dataclass(frozen=True, kw_only=True)
class LeafFidelity:
    """Fidelity inside one leaf.

    Parameters
    ----------
    leaf : int
        Number of the leaf, from 0, as in the rules.
    n_rows : int
    share : float
        Share of the rows that end here.
    value : tuple of float
        Mean output of the model on these rows, or of the surrogate when there are none.
    error : float
        Mean absolute difference between model and surrogate, over rows and outputs.
    error_interval : (float, float)
        90 % bootstrap interval of ``error``.
    agreement, r2 : float
        Inside the leaf; nan where they do not exist.
    flagged : bool
        More than 5 % of the rows, and they are mimicked badly: agreement below 0.8, or, for
        models without labels, a root mean square error above half of the model's deviation.
    """

    leaf: int
    n_rows: int
    share: float
    value: tuple[float, ...]
    error: float
    error_interval: tuple[float, float]
    agreement: float
    r2: float
    flagged: bool


@dataclass(frozen=True, eq=False, kw_only=True)
class Curve:
    """Held-out R2 against the number of leaves.

    Parameters
    ----------
    n_leaves : tuple of int
    r2, std_err : tuple of float
        Pooled R2 over the folds and the standard error of its mean.
    best : int
        Leaves with the highest R2.
    one_se : int
        The fewest leaves whose R2 is within one standard error of the highest.
    """

    n_leaves: tuple[int, ...]
    r2: tuple[float, ...]
    std_err: tuple[float, ...]
    best: int
    one_se: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Fidelity:
    """How well a surrogate stands in for the model.

    Parameters
    ----------
    r2, r2_interval : float, (float, float)
        Pooled over outputs, with a 90 % bootstrap interval over rows; nan for a constant model.
    r2_by_output : tuple of float
        The same for each output.
    agreement, agreement_interval : float, (float, float)
        Share of rows with the same label; nan for models without labels.
    majority : float
        Share of the model's commonest label: what a surrogate without any split would reach.
    kappa : float
        (agreement - majority) / (1 - majority).
    train_r2 : float
        On the rows the surrogate was fitted to; nan when not known.
    n_rows : int
        Rows measured on.
    how : str
        "held-out rows" or "cross-fitted": every row is judged by surrogates that saw neither it
        nor a synthetic row made from it.
    leaves : tuple of LeafFidelity
    message : str
        Says what could not be measured, or is empty.
    """

    r2: float
    r2_interval: tuple[float, float]
    r2_by_output: tuple[float, ...]
    agreement: float
    agreement_interval: tuple[float, float]
    majority: float
    kappa: float
    train_r2: float
    n_rows: int
    output_names: tuple[str, ...]
    how: str
    leaves: tuple[LeafFidelity, ...] = ()
    message: str = ""

    @property
    def gap(self) -> float:
        """Train R2 minus held-out R2."""
        return self.train_r2 - self.r2

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "gap": self.gap}

    def __str__(self) -> str:
        """Return a few lines for a terminal."""
        lines = [f"fidelity on {self.n_rows} rows ({self.how})"]
        if self.message:
            lines.append(self.message)
        lines.append(
            f"R2 {_span(self.r2, self.r2_interval)}, on its training rows {self.train_r2:.3f}"
        )
        if len(self.r2_by_output) > 1:
            pairs = zip(self.output_names, self.r2_by_output, strict=True)
            lines.append("R2 by output: " + ", ".join(f"{n} {v:.3f}" for n, v in pairs))
        if not np.isnan(self.agreement):
            lines.append(
                f"agreement {_span(self.agreement, self.agreement_interval)}, "
                f"majority label {self.majority:.3f}, kappa {self.kappa:.3f}"
            )
        flagged = [str(leaf.leaf) for leaf in self.leaves if leaf.flagged]
        if flagged:
            lines.append("leaves mimicked badly: " + ", ".join(flagged))
        return "\n".join(lines)


def _span(value: float, interval: tuple[float, float]) -> str:
    return f"{value:.3f} [{interval[0]:.3f}, {interval[1]:.3f}]"


def measure(
    scores: FloatArray,
    said: FloatArray,
    *,
    scale: Scale,
    output_names: tuple[str, ...],
    train_r2: float,
    how: str,
    rng: np.random.Generator,
    leaf_of: IntArray | None = None,
    leaf_values: FloatArray | None = None,
) -> Fidelity:
    """Measure how ``said`` stands in for ``scores``, both ``(n, k)``."""
    labels, said_labels = labels_of(scores, scale), labels_of(said, scale)
    same, base, kappa = agreement(labels, said_labels)
    picks = rng.integers(len(scores), size=(_BOOTSTRAPS, len(scores)))
    pooled = explained(scores, said)
    constant = np.isnan(pooled)
    message = ""
    if constant:
        message = (
            "The model gives (nearly) the same answer to every row, so R2 does not exist; "
            f"largest difference to the surrogate: {np.abs(scores - said).max():.3g}."
        )
    leaves: tuple[LeafFidelity, ...] = ()
    if leaf_of is not None and leaf_values is not None:
        leaves = _by_leaf(scores, said, leaf_of, leaf_values, scale, rng)
    equal = None if labels is None or said_labels is None else (labels == said_labels)
    return Fidelity(
        r2=pooled,
        r2_interval=(np.nan, np.nan) if constant else _r2_interval(scores, said, picks),
        r2_by_output=tuple(explained(scores[:, [c]], said[:, [c]]) for c in range(scores.shape[1])),
        agreement=same,
        agreement_interval=(np.nan, np.nan) if equal is None else _mean_interval(equal, picks),
        majority=base,
        kappa=kappa,
        train_r2=train_r2,
        n_rows=len(scores),
        output_names=output_names,
        how=how,
        leaves=leaves,
        message=message,
    )


def _r2_interval(scores: FloatArray, said: FloatArray, picks: IntArray) -> tuple[float, float]:
    """Bootstrap the ratio from row sums, without copying the scores."""
    wrong = ((scores - said) ** 2).sum(axis=1)
    centred = scores - scores.mean(axis=0)
    square = (centred**2).sum(axis=1)
    found = []
    for pick in picks:
        total = square[pick].sum() - len(pick) * (centred[pick].mean(axis=0) ** 2).sum()
        if total > 1e-12 * square.sum():
            found.append(1.0 - wrong[pick].sum() / total)
    return _middle(np.array(found))


def _mean_interval(values: Any, picks: IntArray) -> tuple[float, float]:
    return _middle(np.asarray(values, dtype=float)[picks].mean(axis=1))


def _middle(found: FloatArray) -> tuple[float, float]:
    low, high = np.quantile(found, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(low), float(high)


def _by_leaf(
    scores: FloatArray,
    said: FloatArray,
    leaf_of: IntArray,
    leaf_values: FloatArray,
    scale: Scale,
    rng: np.random.Generator,
) -> tuple[LeafFidelity, ...]:
    deviation = float(np.sqrt(((scores - scores.mean(axis=0)) ** 2).sum(axis=1).mean()))
    table = []
    for leaf in range(len(leaf_values)):
        rows = np.flatnonzero(leaf_of == leaf)
        f, g = scores[rows], said[rows]
        if not len(rows):
            table.append(_empty_leaf(leaf, leaf_values[leaf]))
            continue
        errors = np.abs(f - g).mean(axis=1)
        same = agreement(labels_of(f, scale), labels_of(g, scale))[0]
        share = len(rows) / len(scores)
        root_mean_square = float(np.sqrt(((f - g) ** 2).sum(axis=1).mean()))
        bad = same < 0.8 if not np.isnan(same) else root_mean_square > 0.5 * deviation
        picks = rng.integers(len(rows), size=(_BOOTSTRAPS // 5, len(rows)))
        table.append(
            LeafFidelity(
                leaf=leaf,
                n_rows=len(rows),
                share=share,
                value=tuple(float(v) for v in f.mean(axis=0)),
                error=float(errors.mean()),
                error_interval=_mean_interval(errors, picks),
                agreement=same,
                r2=explained(f, g),
                flagged=bool(share > 0.05 and bad),
            )
        )
    return tuple(table)


def _empty_leaf(leaf: int, value: FloatArray) -> LeafFidelity:
    nan = float("nan")
    return LeafFidelity(
        leaf=leaf,
        n_rows=0,
        share=0.0,
        value=tuple(float(v) for v in value),
        error=nan,
        error_interval=(nan, nan),
        agreement=nan,
        r2=nan,
        flagged=False,
    )
