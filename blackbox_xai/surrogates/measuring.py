"""Measuring how well a surrogate stands in for its model, on rows it has not seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from blackbox_xai.protocols import FloatArray, IntArray, Scale
from blackbox_xai.surrogates.fidelity import Fidelity, LeafFidelity

__all__ = ["agreement", "explained", "measure"]

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
