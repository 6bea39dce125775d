"""How well a surrogate stands in for its model: the numbers, finished."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

__all__ = ["Curve", "Fidelity", "LeafFidelity"]


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
