"""Numbers and results as short text for people."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray

__all__ = ["cleaned", "signed", "summary"]

_SHOWN = 6
_ROUNDING = 1e-12


class Summarised(Protocol):
    """What is needed of an explanation here."""

    @property
    def values(self) -> FloatArray:
        """Attributions ``(d, k)``."""

    @property
    def std_err(self) -> FloatArray | None:
        """Standard errors ``(d, k)``."""

    @property
    def base(self) -> FloatArray:
        """Base score ``(k,)``."""

    @property
    def scores(self) -> FloatArray:
        """Score of the input ``(k,)``."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of features."""

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of outputs."""

    @property
    def method(self) -> str:
        """Name of the explainer."""

    @property
    def scale(self) -> str:
        """Unit of the scores."""

    @property
    def cost(self) -> Ledger:
        """Queries spent."""

    @property
    def diagnostics(self) -> dict[str, Any]:
        """How the numbers came about."""

    def output_index(self) -> int:
        """Return the output to show."""


def cleaned(e: Summarised, i: int, j: int) -> tuple[float, float | None]:
    """Return a value and its error; what rounding left of a zero is 0."""
    scale = float(np.max(np.abs([e.base[j], e.scores[j], *e.values[:, j]])))
    value = float(e.values[i, j])
    error = None if e.std_err is None else float(e.std_err[i, j])
    tiny = _ROUNDING * scale
    return (0.0 if abs(value) <= tiny else value), (0.0 if error and error <= tiny else error)


def signed(value: float, std_err: float | None = None) -> str:
    r"""Return a number with its sign; digits follow the standard error, else 3 significant.

    Examples
    --------
    >>> signed(0.123456, 0.012), ascii(signed(-0.5)), signed(-1e-9, 0.01), signed(1234.5)
    ('+0.123', "'\\u22120.5'", '0', '+1230')
    """
    if not np.isfinite(value):
        return "not finite"
    unit = std_err or abs(value) / 10
    if unit == 0:
        return "0"
    digits = 1 - int(np.floor(np.log10(unit)))
    rounded = round(value, digits)
    if rounded == 0:
        return "0"
    text = f"{abs(rounded):.{max(digits, 0)}f}"
    if not std_err and "." in text:
        text = text.rstrip("0").rstrip(".")
    return ("+" if rounded > 0 else "\N{MINUS SIGN}") + text


def summary(explanation: Summarised) -> str:
    """Return at most 12 lines: prediction, method, price, the largest attributions."""
    e = explanation
    j = e.output_index()
    rows = f"{e.cost.rows} model row{'s' * (e.cost.rows != 1)}"
    what = f"{e.method}: {e.scale} of {shown(e.output_names[j])} is {e.scores[j]:.4g}"
    exact = "" if e.std_err is None or np.any(e.std_err) else ", exact"
    lines = [f"{what}, from {e.base[j]:.4g} ({rows} in {e.cost.calls} calls{exact})"]
    order = np.argsort(-np.abs(e.values[:, j]), kind="stable")
    for i in order[:_SHOWN]:
        value, error = cleaned(e, i, j)
        bar = f" \N{PLUS-MINUS SIGN} {1.96 * error:.2g}" if error else ""
        lines.append(f"  {shown(e.feature_names[i], 40):<42}{signed(value, error)}{bar}")
    if len(order) > _SHOWN:
        rest = float(e.values[order[_SHOWN:], j].sum())
        lines.append(f"  + {len(order) - _SHOWN} other features: {signed(rest)}")
    if len(e.output_names) > 1:
        lines.append(f"  ({len(e.output_names)} outputs explained)")
    warnings = e.diagnostics.get("warnings", [])
    lines += [f"  ! {shown(text, 160)}" for text in warnings[:2]]
    return "\n".join(lines)
