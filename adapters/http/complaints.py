"""The errors in which a run ends."""

from __future__ import annotations

from collections.abc import Mapping

from blackbox_xai.adapters.http.faults import Fault, Verdict
from blackbox_xai.adapters.http.pieces import Piece
from blackbox_xai.errors import BlackboxError, PredictError

__all__ = ["MOST_BAD", "bad_rows", "ending"]

MOST_BAD = 16


def ending(piece: Piece, fault: Fault) -> BlackboxError:
    """Return the error of a fault that ends the run."""
    if issubclass(fault.error, PredictError):
        return fault.error(f"{_named(piece, fault)}.", range(piece.start, piece.stop))
    return fault.error(f"{fault.reason.rstrip('.')}.")


def _named(piece: Piece, fault: Fault) -> str:
    reason = fault.reason.rstrip(".")
    if fault.verdict is Verdict.STOP:
        return reason
    if fault.row is not None:
        return f"Row {piece.start + fault.row - piece.guarded}: {reason}"
    rows = f"row {piece.start}" if piece.n == 1 else f"rows {piece.start} to {piece.stop - 1}"
    return f"The model failed on {rows} after {piece.tries + 1} tries: {reason}"


def bad_rows(bad: Mapping[int, Fault]) -> BlackboxError:
    """Return the error that names the rows which cannot be scored, with the fault of the first."""
    rows = sorted(bad)
    fault = bad[rows[0]]
    if not issubclass(fault.error, PredictError):
        return fault.error(fault.reason)
    listed = ", ".join(map(str, rows[:MOST_BAD]))
    return fault.error(
        f"The model cannot score row{'s' * (len(rows) > 1)} {listed}: "
        f"{fault.reason.rstrip('.')}. The other rows answered are in the error's partial.",
        rows,
    )
