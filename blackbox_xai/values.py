"""The value function ``v(kept) -> scores`` and the loop that pays for it.

Explainers are generators: they yield a ``Query``, are sent the scores, and return their result.
So one loop can run many inputs side by side, and coalitions of several inputs share batches.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import numpy as np

from blackbox_xai.adapters.base import Adapter
from blackbox_xai.errors import BlackboxError, BudgetError, InputError, Interrupted, ModelError
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray, MaskedInput

__all__ = ["Link", "Query", "Steps", "ValueFunction", "drive", "drive_all"]

Result = TypeVar("Result")
Link = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, eq=False)
class Query:
    """Coalitions to be scored.

    Parameters
    ----------
    kept : ndarray of shape (m, d)
        True (or 1.0) where a feature keeps its value.
    fills : ndarray of shape (m,), optional
        The fill of each coalition, one model row each. None: the weighted mean over all fills,
        ``r`` model rows for each coalition that has not been scored before.
    view : MaskedInput, optional
        The same input through other features, in the same containers: pixels of an image, drawn
        rows of a table, shifts. Its ``kept`` are the view's own; they are scored one row each, by
        fill 0 where no fills are given, and never remembered.
    """

    kept: BoolArray | FloatArray
    fills: IntArray | None = None
    view: MaskedInput | None = None


Steps = Generator[Query, FloatArray, Result]


class ValueFunction:
    """Scores coalitions of one input: the only caller of ``predict`` for local methods.

    Parameters
    ----------
    model : Adapter
        The black box.
    masked : MaskedInput
        One input, bound by a masker.
    budget : int, optional
        Model rows that may be spent; a query that would need more raises before it is sent.
    link : callable, optional
        Applied to the scores of every row, before the mean over fills.
    outputs : ndarray of int, optional
        Columns of the scores to keep. None keeps all.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> masked = bx.TabularMasker(np.zeros((1, 2))).bind(np.array([1.0, 2.0]))
    >>> v = ValueFunction(bx.as_model(lambda X: X.sum(1)), masked, budget=10)
    >>> v(np.array([[True, False], [True, True]]))[:, 0]
    array([1., 3.])
    >>> v.cost.rows
    2
    """

    def __init__(
        self,
        model: Adapter,
        masked: MaskedInput,
        *,
        budget: int | None = None,
        link: Link | None = None,
        outputs: IntArray | None = None,
    ) -> None:
        self.model = model
        self.masked = masked
        self.budget = budget
        self.link = link
        self.outputs = outputs
        self.cost = Ledger()
        self.asked = 0
        self.n_features = len(masked.feature_names)
        self.n_fills = masked.n_fills
        self._memo: dict[bytes, FloatArray] = {}

    def __call__(self, kept: BoolArray | FloatArray) -> FloatArray:
        """Return the mean scores ``(m, k)`` of coalitions ``(m, d)``."""
        return drive([(self, _once(Query(kept)))])[0]

    @property
    def budget_left(self) -> int | None:
        """Model rows that may still be spent; None when there is no limit."""
        return None if self.budget is None else self.budget - self.asked

    def job(self, query: Query) -> Job:
        """Return the work that ``query`` still needs.

        Raises
        ------
        InputError
            When the coalitions do not fit the input.
        BudgetError
            When the rows needed are more than the budget leaves; nothing is sent.
        """
        kept, masked = query.kept, query.view or self.masked
        d = len(masked.feature_names)
        if kept.ndim != 2 or kept.shape[1] != d:
            raise InputError(
                f"kept must have shape (m, {d}), one column for each feature, got {kept.shape}."
            )
        if kept.dtype != np.bool_ and not masked.soft:
            raise InputError(f"kept must be bool for this masker, got {kept.dtype}.")
        job = Job(self, query)
        if self.budget is not None and job.n_rows > self.budget - self.asked:
            raise BudgetError(
                f"The next step needs {job.n_rows} model rows, but {self.budget - self.asked} "
                f"of the budget of {self.budget} are left. Raise the budget or ask for less."
            )
        return job

    def keep_outputs(self, outputs: IntArray) -> None:
        """Keep only these columns from now on, also of what was paid for already."""
        self.outputs = outputs
        self._memo = {key: scores[outputs] for key, scores in self._memo.items()}

    def charge(self, cost: Ledger, asked: int = 0) -> None:
        """Add ``cost`` to what this input has cost, and ``asked`` rows to what the budget counts.

        The budget counts rows that a prediction log answers as well, so that a run that was
        resumed takes the same decisions as one that was not.
        """
        self.cost = self.cost + cost
        self.asked += asked

    def recall(self, key: bytes) -> FloatArray | None:
        """Return the mean scores of a coalition paid for earlier, or None."""
        return self._memo.get(key)

    def remember(self, key: bytes, scores: FloatArray) -> None:
        """Keep the mean scores of a coalition."""
        self._memo[key] = scores


def _once(query: Query) -> Steps[FloatArray]:
    scores = yield query
    return scores


class Job:
    """Rows one query needs: which to write, and what to make of their scores.

    Scores arrive in row order, in pieces of any length; sums are formed coalition by coalition,
    so that they do not depend on where the pieces were cut.
    """

    def __init__(self, v: ValueFunction, query: Query) -> None:
        kept, fills = query.kept, query.fills
        if query.view is not None and fills is None:
            fills = np.zeros(len(kept), np.intp)
        self.v = v
        self.masked = query.view or v.masked
        self.fills = fills
        self._memoised = fills is None and kept.dtype == np.bool_
        self._kept: BoolArray | FloatArray = kept
        self._per_coalition = v.n_fills if fills is None else 1
        if self._memoised:
            self._keep_new(kept.astype(np.bool_, copy=False))
        else:
            self._n_single, self.hits = 0, 0
        grid = len(self._kept) - self._n_single
        self.n_rows = self._n_single + grid * self._per_coalition
        self._tail: list[FloatArray] = []
        self._tail_rows = 0
        self._done: list[FloatArray] = []

    def _keep_new(self, kept: BoolArray) -> None:
        """Split the coalitions into those known, the full one (a single row), and new ones."""
        packed = np.packbits(kept, axis=1)
        rows = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1]))).ravel()
        _, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
        keys = [packed[i].tobytes() for i in first]
        new = np.array([self.v.recall(key) is None for key in keys], dtype=bool)
        full = kept[first].all(axis=1)
        order = np.concatenate([np.flatnonzero(new & full), np.flatnonzero(new & ~full)])
        self._n_single = int((new & full).sum())
        self._kept = kept[first[order]]
        self._new_keys = [keys[i] for i in order]
        self._keys = keys
        self._inverse = inverse.ravel()
        self.hits = (len(kept) - len(order)) * self.v.n_fills

    def write(self, batch: Any, at: int, start: int, stop: int) -> None:
        """Write this job's rows ``start`` to ``stop`` into ``batch`` from row ``at`` on."""
        masked, r, single = self.masked, self._per_coalition, self._n_single
        if start < single:
            masked.write(batch, at, self._kept[start : min(stop, single)], np.zeros(1, np.intp))
            at, start = at + 1, start + 1
        if self.fills is not None or r == 1:
            fills = (
                np.zeros(stop - start, np.intp) if self.fills is None else self.fills[start:stop]
            )
            if stop > start:
                masked.write(batch, at, self._kept[start:stop], fills)
            return
        while start < stop:
            coalition, fill = divmod(start - single, r)
            whole = (stop - start) // r if fill == 0 else 0
            rows = whole * r or min(stop - start, r - fill)
            chosen = self._kept[single + coalition :][: max(whole, 1)]
            if whole:
                masked.write(batch, at, chosen, None)
            else:
                fills = np.arange(fill, fill + rows)
                masked.write(batch, at, np.repeat(chosen, rows, axis=0), fills)
            at, start = at + rows, start + rows

    def take(self, scores: FloatArray) -> None:
        """Receive the scores of the next rows."""
        v = self.v
        if v.outputs is not None:
            scores = scores[:, v.outputs]
        if v.link is not None:
            scores = v.link(scores)
        r = self._per_coalition
        if r == 1:
            self._done.append(scores)
            return
        if self._n_single and not self._done:
            self._done.append(scores[:1].copy())
            scores = scores[1:]
        self._tail.append(scores)
        self._tail_rows += len(scores)
        if self._tail_rows < r:
            return
        rows = np.concatenate(self._tail) if len(self._tail) > 1 else self._tail[0]
        whole = len(rows) // r
        weighted = rows[: whole * r].reshape(whole, r, -1) * v.masked.fill_weights[:, None]
        self._done.append(weighted.sum(axis=1))
        rest = rows[whole * r :].copy()
        self._tail, self._tail_rows = [rest], len(rest)

    def result(self) -> FloatArray:
        """Return the scores of the query, in its order."""
        done = np.concatenate(self._done) if self._done else np.empty((0, 0))
        if not self._memoised or not self._keys:
            return done
        for key, scores in zip(self._new_keys, done, strict=True):
            self.v.remember(key, scores)
        known = [self.v.recall(key) for key in self._keys]
        return np.stack([scores for scores in known if scores is not None])[self._inverse]


_CHUNK_BYTES = 8 << 20


def drive(runs: Sequence[tuple[ValueFunction, Steps[Result]]]) -> list[Result]:
    """Run explainers side by side on one model; their queries share batches.

    Parameters
    ----------
    runs : sequence of (ValueFunction, generator)
        All value functions must have the same model and inputs bound by the same masker.

    Returns
    -------
    list
        What each generator returned.

    Raises
    ------
    BlackboxError
        The error of the first run that failed, after the others were finished.
    """
    results: list[Result] = []
    for outcome in drive_all(runs):
        if isinstance(outcome, BlackboxError):
            raise outcome
        results.append(outcome)
    return results


def drive_all(
    runs: Sequence[tuple[ValueFunction, Steps[Result]]],
) -> list[Result | BlackboxError]:
    """Run as ``drive`` does, but return the error of a failed run in the place of its result.

    Rows that the model cannot score fail the runs they belong to, and no others.

    Raises
    ------
    Interrupted
        On Ctrl-C; ``partial`` has the results of the runs that were finished.
    """
    outcomes: dict[int, Result | BlackboxError] = {}
    jobs: dict[int, Job] = {}

    def advance(i: int, scores: FloatArray | None) -> None:
        v, steps = runs[i]
        jobs.pop(i, None)
        try:
            query = next(steps) if scores is None else steps.send(scores)
            jobs[i] = v.job(query)
        except StopIteration as stop:
            outcomes[i] = stop.value
        except BlackboxError as error:
            outcomes[i] = error

    try:
        for i in range(len(runs)):
            advance(i, None)
        while jobs:
            waiting = list(jobs)
            failed = _pay([jobs[i] for i in waiting])
            for place, i in enumerate(waiting):
                if place in failed:
                    outcomes[i] = failed[place]
                    del jobs[i]
                else:
                    advance(i, jobs[i].result())
    except KeyboardInterrupt as error:
        interrupted = Interrupted()
        interrupted.partial = [outcomes.get(i) for i in range(len(runs))]
        raise interrupted from error
    return [outcomes[i] for i in range(len(runs))]


def _pay(jobs: list[Job]) -> dict[int, BlackboxError]:
    """Send the rows of all jobs, in chunks bounded by memory and in whole batches.

    Returns the errors of the jobs that failed, by their place.
    """
    n_rows = [job.n_rows for job in jobs]
    for job in jobs:
        job.v.charge(Ledger(cache_hits=job.hits))
    ends = np.cumsum(n_rows)
    total = int(ends[-1])
    model, masked = jobs[0].v.model, jobs[0].v.masked
    chunk = _chunk_rows(model, masked)
    batch = masked.allocate(min(chunk, total)) if total else None
    failed: dict[int, BlackboxError] = {}
    for start in range(0, total, chunk):
        pieces = [
            Piece(i, a - int(ends[i]) + n_rows[i], b - int(ends[i]) + n_rows[i])
            for i, a, b in _overlaps(ends, start, min(start + chunk, total))
        ]
        _send(batch, jobs, pieces, failed)
    return failed


class Piece(NamedTuple):
    """Rows ``start`` to ``stop`` of job number ``job``."""

    job: int
    start: int
    stop: int


def _send(
    batch: Any, jobs: list[Job], pieces: list[Piece], failed: dict[int, BlackboxError]
) -> None:
    """Score the pieces in one go; if rows fail, drop the jobs they belong to and go again."""
    pieces = [piece for piece in pieces if piece.job not in failed]
    if not pieces:
        return
    starts = np.cumsum([0, *(stop - start for _, start, stop in pieces)])
    for (i, start, stop), at in zip(pieces, starts, strict=False):
        jobs[i].write(batch, int(at), start, stop)
    model, masked = jobs[0].v.model, jobs[0].v.masked
    try:
        scores, cost = model.predict_counted(masked.inputs(batch, int(starts[-1])))
    except ModelError as error:
        rows = getattr(error, "rows", ()) or range(int(starts[-1]))
        guilty = np.unique(np.searchsorted(starts, np.fromiter(rows, np.intp), side="right") - 1)
        failed |= {pieces[i].job: error for i in guilty if i < len(pieces)}
        _send(batch, jobs, pieces, failed)
        return
    shares = _shares(cost, [stop - start for _, start, stop in pieces])
    for (i, start, stop), at, share in zip(pieces, starts, shares, strict=False):
        jobs[i].take(scores[at : at + stop - start])
        jobs[i].v.charge(share, stop - start)


def _chunk_rows(model: Adapter, masked: MaskedInput) -> int:
    """Return how many rows are held at a time: a whole number of batches that fits in memory."""
    size = model.rows_per_batch(masked.row_bytes)
    return max(_CHUNK_BYTES // max(masked.row_bytes, 1) // size, 1) * size


def _overlaps(ends: IntArray, start: int, stop: int) -> list[tuple[int, int, int]]:
    """Return ``(job, first row, end row)`` for rows ``start`` to ``stop`` of all jobs in a line."""
    first, last = np.searchsorted(ends, [start, stop - 1], side="right")
    cuts = [start, *(int(end) for end in ends[first:last]), stop]
    numbers = range(int(first), int(last) + 1)
    return [(i, a, b) for i, a, b in zip(numbers, cuts[:-1], cuts[1:], strict=True) if b > a]


def _shares(cost: Ledger, n_rows: list[int]) -> list[Ledger]:
    """Split a cost by rows; calls, which are whole, to the first.

    A log may have answered rows: those paid are split as evenly as whole rows can be.
    """
    total = sum(n_rows)
    ends = [0, *(cost.rows * int(end) // total for end in np.cumsum(n_rows))]
    shares = []
    for number, n in enumerate(n_rows):
        part, rows = n / total, ends[number + 1] - ends[number]
        own = cost if number == 0 else Ledger()
        shares.append(replace(own, rows=rows, seconds=cost.seconds * part, cost=cost.cost * part))
    return shares
