"""What a neighbourhood of an input tells about the model: the common result of LIME's samplers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from blackbox_xai.protocols import FloatArray
from blackbox_xai.results import Attribution

__all__ = ["Surrogate", "effective_share", "judged"]

_POOR_FIT = 0.1
_FEW_NEAR = 0.01


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A linear surrogate and how it came about.

    Parameters
    ----------
    coef, std_err : ndarray of shape (d, k)
    intercept : ndarray of shape (k,)
    r2, held_out_r2 : ndarray of shape (k,)
    share_near : float
        Share of the samples that keep at least half of the input.
    n_samples : int
        Rows the surrogate was fitted to.
    n_effective : float
        Independent rows of equal weight that they are worth.
    n_effective_if_weighted : float
        The same if the kernel were applied as weights to samples drawn without it.
    notes : dict
        More plain data.
    """

    coef: FloatArray
    std_err: FloatArray
    intercept: FloatArray
    r2: FloatArray
    held_out_r2: FloatArray
    share_near: float
    n_samples: int
    n_effective: float
    n_effective_if_weighted: float
    notes: dict[str, Any] = field(default_factory=dict)


def effective_share(law: FloatArray, weights: FloatArray) -> float:
    """Effective over actual number of rows when draws from ``law`` are weighted."""
    return float((law * weights).sum() ** 2 / (law * weights**2).sum())


def judged(surrogate: Surrogate, scores: FloatArray) -> tuple[Attribution, list[str]]:
    """Return the attribution, and sentences on why it may mislead."""
    top = int(np.argmax(scores))
    warned = []
    held_out = float(surrogate.held_out_r2[top])
    if held_out < _POOR_FIT:
        warned.append(
            f"The linear surrogate explains {max(held_out, 0.0):.0%} of the score's variance on "
            "samples it was not fitted to: take its coefficients as rough averages, not as how "
            "the model works here. Raise n_samples, or merge features."
        )
    if surrogate.share_near < _FEW_NEAR:
        warned.append(
            f"Only {surrogate.share_near:.2%} of the samples keep half of the input: this "
            "surrogate describes the model as a whole, seen from this input, not its "
            "neighbourhood. Lower kernel_width, or sample around the input."
        )
    diagnostics = {
        "r2": surrogate.r2.tolist(),
        "held_out_r2": surrogate.held_out_r2.tolist(),
        "share_near": surrogate.share_near,
        "n_samples": surrogate.n_samples,
        "n_effective": surrogate.n_effective,
        "n_effective_if_weighted": surrogate.n_effective_if_weighted,
        "warnings": warned,
        **surrogate.notes,
    }
    attribution = Attribution(
        values=surrogate.coef,
        base=surrogate.intercept,
        std_err=surrogate.std_err,
        diagnostics=diagnostics,
    )
    return attribution, warned
