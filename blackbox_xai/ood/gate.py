"""Whether an explanation rests on inputs that the data would never show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from blackbox_xai._checks import check_fraction
from blackbox_xai._inputs import n_rows
from blackbox_xai.errors import InputError
from blackbox_xai.ood.base import Detector

__all__ = ["Unlikeness", "share_unlike"]


@dataclass(frozen=True, kw_only=True)
class Unlikeness:
    """How many of the inputs made for an explanation a detector calls unlike the data.

    Parameters
    ----------
    share : float
        Share flagged at ``alpha``. Inputs like the data would give ``alpha``.
    std_err : float
        Standard error of ``share``, over inputs.
    alpha : float
    n_inputs : int
    median_p : float
        Median p-value; 0.5 for inputs like the data.
    """

    share: float
    std_err: float
    alpha: float
    n_inputs: int
    median_p: float


def share_unlike(detector: Detector, inputs: Any, alpha: float = 0.05) -> Unlikeness:
    """Return the share of perturbed ``inputs`` that ``detector`` flags at ``alpha``.

    Costs no model rows.

    Parameters
    ----------
    detector : fitted detector
    inputs : array, frame or sequence
        Inputs as the model receives them, such as ``MaskedInput.inputs`` gives.

    Returns
    -------
    Unlikeness

    Raises
    ------
    InputError
        For no inputs, or an ``alpha`` that the detector cannot resolve.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 1)) * np.ones((1, 4)) + rng.normal(scale=0.1, size=(300, 4))
    >>> detector = bx.OODDetector().fit(X[:200])
    >>> hidden = np.where(rng.random((100, 4)) < 0.5, X[200:], X[:100])  # columns from two rows
    >>> bool(share_unlike(detector, X[200:]).share < 0.15 < share_unlike(detector, hidden).share)
    True
    """
    n = n_rows(inputs)
    if n == 0:
        raise InputError("inputs must have at least one row, got 0.")
    flagged = detector.flag(inputs, alpha)
    share = float(flagged.mean())
    return Unlikeness(
        share=share,
        std_err=float(np.sqrt(share * (1.0 - share) / n)),
        alpha=check_fraction("alpha", alpha),
        n_inputs=n,
        median_p=float(np.median(detector.p_values(inputs))),
    )
