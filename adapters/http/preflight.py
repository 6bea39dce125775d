"""At most eight rows that tell whether a model can be trusted to be a function of its rows."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai.adapters.http.canary import Canary, close
from blackbox_xai.adapters.http.client import Client
from blackbox_xai.adapters.http.rows import Rows
from blackbox_xai.adapters.http.run import Run
from blackbox_xai.errors import AnswerError, PredictError
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray

__all__ = ["Preflight"]

_LOOK = 64
_EXACT = 1e-12


@dataclass
class Preflight:
    """What a few rows told; filled in as soon as the inputs allow.

    Attributes
    ----------
    deterministic : bool or None
        Whether the same row scored the same twice; None: not looked at yet.
    batched : bool or None
        Whether rows score the same together as alone.
    row, known
        A row and its scores, later sent along as the canary.
    spread : float
        Largest difference between two scores of the same row.
    """

    deterministic: bool | None = None
    batched: bool | None = None
    row: Rows | None = None
    known: FloatArray | None = None
    spread: float = 0.0
    _ledger: Ledger = field(default_factory=Ledger)

    @property
    def done(self) -> bool:
        """Whether everything was looked at."""
        return self.deterministic is not None and self.batched is not None

    def canary(self, every: int) -> Canary | None:
        """Return the row that was looked at, to be sent along."""
        if self.row is None or self.known is None:
            return None
        return Canary(self.row, self.known, every)

    def fly(self, client: Client, rows: Rows) -> Ledger:
        """Look at what has not been looked at, as far as ``rows`` allow; return the cost.

        Raises
        ------
        ModelError
            When the model cannot be used: it fails on single rows, answers labels, or mixes up
            its rows.
        """
        self._ledger = Ledger()
        picks = _distinct(rows, 3)
        if self.deterministic is None:
            self._twice(client, rows, picks)
        one_by_one = client.codec.rows_limit == 1 or client.size.most == 1
        if one_by_one:
            self.batched = False
        elif self.batched is None and len(picks) > 1:
            self._together(client, rows, picks)
        return self._ledger

    def _ask(self, client: Client, rows: Rows, *, lone: bool = False) -> FloatArray:
        run = Run(client, rows, lone=lone)
        try:
            parts = sorted(run.answers(), key=lambda part: part[0])
        finally:
            self._ledger = self._ledger + run.ledger
        return np.concatenate([scores for _, scores in parts])

    def _twice(self, client: Client, rows: Rows, picks: list[int]) -> None:
        """Send one row, and the same row again."""
        first = rows.cut(picks[0], picks[0] + 1)
        try:
            once = self._ask(client, first)
        except PredictError as error:
            if isinstance(error, AnswerError):
                raise
            if len(picks) < 2:
                raise _hopeless(error, client, rows, picks[:1]) from None
            first = rows.cut(picks[1], picks[1] + 1)
            try:
                once = self._ask(client, first, lone=True)
            except PredictError as second:
                raise _hopeless(second, client, rows, picks[:2]) from None
        again = self._ask(client, first)
        self.spread = float(np.abs(once - again).max())
        self.deterministic = close(once, again)
        if not self.deterministic:
            warnings.warn(
                f"The model at {client.where} is not deterministic: one row scored "
                f"{shown(once[0].tolist())}, then {shown(again[0].tolist())}. Explanations will "
                "carry that noise, and answers are not reused.",
                RuntimeWarning,
                stacklevel=2,
            )
        self.row, self.known = first, once[0]

    def _together(self, client: Client, rows: Rows, picks: list[int]) -> None:
        """Send a few rows as one batch and alone."""
        if self.deterministic is False:
            self.batched = False
            return
        batch = rows.cut(picks[0], picks[0] + 1)
        for pick in picks[1:]:
            batch = rows.cut(pick, pick + 1).after(batch)
        together = self._ask(client, batch)
        alone = np.concatenate([self._ask(client, batch.cut(i, i + 1)) for i in range(1, batch.n)])
        if close(together[1:], alone):
            self.batched = True
            return
        shuffled = {tuple(np.round(row, 6)) for row in together}
        if len(shuffled) > 1 and {tuple(np.round(row, 6)) for row in alone} <= shuffled:
            raise AnswerError(
                f"The model at {client.where} answers the rows of a batch in another order than "
                "they were sent. Use batch_size=1."
            )
        self.batched = False
        warnings.warn(
            f"Scores of the model at {client.where} depend on the rows beside them: alone "
            f"{shown(alone[0].tolist())}, in a batch {shown(together[1].tolist())}. "
            "Use batch_size=1 to have each row scored alone.",
            RuntimeWarning,
            stacklevel=2,
        )


def _distinct(rows: Rows, most: int) -> list[int]:
    """Return the first rows that differ from one another, looking at a few only."""
    seen: dict[str, int] = {}
    for i in range(min(rows.n, _LOOK)):
        seen.setdefault(repr(rows.cut(i, i + 1).to_lists()), i)
        if len(seen) == most:
            break
    return list(seen.values())


def _hopeless(error: PredictError, client: Client, rows: Rows, tried: list[int]) -> PredictError:
    """Return the error of a model that answers nothing, with a guess at the cause."""
    hint = "" if rows.width is None else f" Check that it takes rows of {rows.width} columns."
    if rows.names is None and rows.width is not None and client.codec.named:
        hint += " If it wants columns by name, pass columns=[...] or data frames."
    message = str(error).removesuffix("The other rows answered are in the error's partial.")
    went = " and row ".join(map(str, tried))
    return type(error)(
        f"Nothing was answered when row {went} went alone: {message.strip()}{hint}", tried
    )
