"""How large a batch is: learnt as we go."""

from __future__ import annotations

import time

__all__ = ["BatchSize"]

_GROW_AFTER = 4
_GROW_AFTER_MOST = 16
_BESIDE_A_TRIAL = 12  # or as many as are in flight, when these are more
_TRIAL_SECONDS = 1.0


class BatchSize:
    """Rows in one request: learnt from refusals, and grown back by trials.

    A size above the largest answered one (``proven``) is a trial, sent by one thread at a time.
    Until anything was refused the trial is ``most``, and the others wait for it. Then sizes are
    halved between ``proven`` and the smallest one refused; when these meet, a size twice as large
    is tried now and then, and if that is answered ``most`` again, so that the batch grows back
    when the server has recovered. Only a few batches go beside a trial, lest its thread be kept
    from the processor while the others send everything in small pieces; but a trial that takes
    long holds nobody up.

    Parameters
    ----------
    most : int
        Rows in the largest batch.
    max_parallel : int
        Most requests in flight. So many may always go beside a trial: a trial that lasts as long
        as any other request then leaves no place empty.
    """

    def __init__(self, most: int, max_parallel: int = 1) -> None:
        self.most = most
        self.proven = 0
        self.refused: int | None = None
        self._learnt = False
        self._good = 0
        self._patience = _GROW_AFTER
        self._trial: object = None
        self._trial_since = 0.0
        self._beside = 0
        self._most_beside = max(_BESIDE_A_TRIAL, max_parallel)

    @property
    def waits(self) -> bool:
        """Whether nobody else may send while the trial under way lasts."""
        if self._trial is None:
            return False
        if not self.proven or not self._learnt:
            return True
        fresh = time.monotonic() - self._trial_since < _TRIAL_SECONDS
        return fresh and self._beside >= self._most_beside

    def next(self, owner: object) -> tuple[int, bool]:
        """Return the rows of the next batch of ``owner``, and whether it is a trial."""
        if self._trial is not None:
            self._beside += 1
            return max(self.proven, 1), False
        size = self._wanted()
        trial = size > self.proven
        if trial:
            self.hold(owner)
        return size, trial

    def _wanted(self) -> int:
        if self.refused is None:
            return self.most
        if self.refused - self.proven > 1:
            return max((self.proven + self.refused) // 2, 1)
        if self._good >= self._patience:
            return min(self.proven * 2, self.most)
        return max(self.proven, 1)

    def good(self, rows: int, trial: bool) -> None:
        """Note that ``rows`` rows were answered."""
        self.ended(trial)
        self._good += 1
        self.proven = max(self.proven, rows)
        if self.refused is not None and self.refused <= rows:
            self.refused = None
            self._patience, self._good = _GROW_AFTER, 0

    def hold(self, owner: object) -> None:
        """Note that ``owner`` sends a trial."""
        self._trial, self._trial_since, self._beside = owner, time.monotonic(), 0

    def release(self, owner: object) -> None:
        """Note that ``owner`` ends; a trial of its own ends with it."""
        if self._trial is owner:
            self._trial = None

    def ended(self, trial: bool) -> None:
        """Note that a batch is back; on its own, it neither proves nor refutes its size."""
        if trial:
            self._trial = None

    def too_large(self, rows: int, trial: bool) -> None:
        """Note that ``rows`` rows were refused."""
        self.ended(trial)
        self._learnt = True
        if rows <= self.proven:
            self.proven = 0
        if self.refused is None or rows < self.refused:
            self.refused = rows
        elif trial:
            self._patience = min(self._patience * 2, _GROW_AFTER_MOST)
        self._good = 0
