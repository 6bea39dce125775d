"""The loop that pays: queries of several inputs go to the model in shared batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np

from blackbox_xai.adapters.base import Adapter
from blackbox_xai.errors import BlackboxError, InputError, Interrupted, ModelError
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray, IntArray, MaskedInput
from blackbox_xai.values.job import Job, Purse
from blackbox_xai.values.query import Steps

__all__ = ["drive", "drive_all"]

Result = TypeVar("Result")

_CHUNK_BYTES = 8 << 20
_COUNTED = "Rows are masked inputs, counted as they were sent."


def drive(runs: Sequence[tuple[Purse, Steps[Result]]]) -> list[Result]:
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
    runs: Sequence[tuple[Purse, Steps[Result]]],
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
            failed: dict[int, BlackboxError] = {}
            for alike in _alike(jobs):
                paid = _pay([jobs[i] for i in alike])
                failed |= {alike[place]: error for place, error in paid.items()}
            for i in list(jobs):
                if i in failed:
                    outcomes[i] = failed[i]
                    del jobs[i]
                else:
                    advance(i, jobs[i].result())
    except KeyboardInterrupt as error:
        interrupted = Interrupted()
        interrupted.partial = [outcomes.get(i) for i in range(len(runs))]
        raise interrupted from error
    return [outcomes[i] for i in range(len(runs))]


def _alike(jobs: dict[int, Job]) -> list[list[int]]:
    """Return the jobs whose inputs fit into one batch, group by group.

    Inputs of one masker do, unless they say otherwise by ``container``, as images of two sizes.
    """
    groups: dict[Any, list[int]] = {}
    for i, job in jobs.items():
        groups.setdefault(getattr(job.v.masked, "container", None), []).append(i)
    return list(groups.values())


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
    inputs = masked.inputs(batch, int(starts[-1]))
    try:
        scores, cost = model.predict_counted(inputs)
    except ModelError as error:
        named = getattr(error, "rows", ())
        if named:
            error.args = (f"{str(error).rstrip('.')}. {_COUNTED}",)
        rows = named or range(int(starts[-1]))
        guilty = np.unique(np.searchsorted(starts, np.fromiter(rows, np.intp), side="right") - 1)
        failed |= {pieces[i].job: error for i in guilty if i < len(pieces)}
        _send(batch, jobs, pieces, failed)
        return
    shares = _shares(cost, [stop - start for _, start, stop in pieces])
    for (i, start, stop), at, share in zip(pieces, starts, shares, strict=False):
        jobs[i].v.charge(share, stop - start)
        try:
            jobs[i].take(scores[at : at + stop - start])
        except InputError as error:  # a link has no value for a score
            failed[i] = error
            continue
        watch = jobs[i].v.watch
        if watch is not None:
            watch.see(inputs, int(at), int(at) + stop - start)


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
