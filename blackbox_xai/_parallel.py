"""One level of parallelism, reproducible to the bit, with progress counted in the parent."""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import check_int, shown
from blackbox_xai.errors import InputError, PredictError

__all__ = ["DIED", "Died", "Progress", "child_rng", "pmap", "progress_hook"]

Progress = Callable[[int, int], None]


DIED = (
    "The model ended the worker process it ran in, three times (killed for lack of memory, or a "
    "crash in compiled code). Try n_jobs=1, or a smaller batch_size."
)


class Died:
    """Stands for the result of a task that ended its worker process, also when it ran alone."""


def child_rng(seed: int, index: int) -> np.random.Generator:
    """Return the generator of input ``index``: the same whatever runs beside it, or before."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))


def progress_hook(progress: bool | Progress, label: str) -> tuple[Progress, Callable[[], None]]:
    """Return a hook ``(done, total)`` and a function that ends it; tqdm stands behind True."""
    if callable(progress):
        return progress, lambda: None
    if not isinstance(progress, bool):
        raise InputError(f"progress must be True, False or a function, got {shown(progress)}.")
    if not progress:
        return lambda _done, _total: None, lambda: None
    from tqdm.auto import tqdm

    bar = tqdm(desc=label, disable=None, leave=False)

    def show(done: int, total: int) -> None:
        bar.total = total
        bar.update(done - bar.n)

    return show, bar.close


def pmap(
    function: Callable[[Any, Any], Any],
    shared: Any,
    tasks: Sequence[Any],
    *,
    n_jobs: int = 1,
    backend: str = "threads",
    quarantine: bool = False,
) -> Iterator[tuple[int, Any]]:
    """Yield ``(i, function(shared, tasks[i]))`` as they finish.

    ``shared`` (a model, a masker) is sent to a worker process once and kept there by content,
    not with every task: with every task a forest of a few megabytes runs several times slower
    than a plain loop.

    What a killed worker process had under way is done again. A task that ends every process it
    runs in raises PredictError, or with ``quarantine`` has the result ``Died()``.
    """
    n_jobs = _n_jobs(n_jobs)
    if n_jobs == 1 or len(tasks) <= 1:
        for i, task in enumerate(tasks):
            yield i, function(shared, task)
        return
    if backend == "processes":
        for i, result in _in_processes(function, shared, tasks, n_jobs):
            if isinstance(result, Died) and not quarantine:
                raise PredictError(DIED)
            yield i, result
        return
    from joblib import delayed

    calls = (delayed(_indexed)(function, shared, i, task) for i, task in enumerate(tasks))
    yield from _results(calls, n_jobs, "threading")


def _in_processes(
    function: Callable[[Any, Any], Any], shared: Any, tasks: Sequence[Any], n_jobs: int
) -> Iterator[tuple[int, Any]]:
    """Run tasks in worker processes; after two deaths what is left runs task by task."""
    from joblib import delayed

    payload, key = _pack(shared)
    left = dict(enumerate(tasks))

    def run(chosen: Sequence[int]) -> Iterator[tuple[int, Any]]:
        calls = (delayed(_in_worker)(payload, key, function, i, tasks[i]) for i in chosen)
        for i, result in _results(calls, max(n_jobs, 2), "loky"):  # with 1 it would be this process
            del left[i]
            yield i, result

    for _ in range(2):
        with contextlib.suppress(BrokenProcessPool):
            yield from run(list(left))
    for i in list(left):
        try:
            yield from run([i])
        except BrokenProcessPool:
            yield i, Died()


def _results(calls: Iterable[Any], n_jobs: int, backend: str) -> Iterator[tuple[int, Any]]:
    """Yield results as they come."""
    from joblib import Parallel

    results = Parallel(n_jobs=n_jobs, backend=backend, return_as="generator_unordered")(calls)
    try:
        for result in results:  # noqa: UP028  # "yield from" would close them out of our hands
            yield result
    finally:
        with warnings.catch_warnings():
            # Whoever stops early says so; joblib's word on cancelled tasks would come on top.
            warnings.simplefilter("ignore")
            results.close()


def _n_jobs(n_jobs: Any) -> int:
    if n_jobs == -1:
        return os.cpu_count() or 1
    return check_int("n_jobs", n_jobs, minimum=1, hint="-1 means all cores.")


def _indexed(function: Callable[[Any, Any], Any], shared: Any, i: int, task: Any) -> Any:
    return i, function(shared, task)


def _pack(shared: Any) -> tuple[NDArray[np.uint8], str]:
    """Return the pickled object as an array, which joblib maps into memory, and its key."""
    import cloudpickle

    try:
        payload = cloudpickle.dumps(shared)
    except Exception as error:
        raise InputError(
            f"model or masker cannot be sent to worker processes ({shown(str(error), 200)}). "
            "Use n_jobs=1, or a model whose parallel is 'threads'."
        ) from error
    return np.frombuffer(payload, np.uint8), hashlib.blake2b(payload, digest_size=16).hexdigest()


_worker_cache: dict[str, Any] = {}


def _in_worker(
    payload: NDArray[np.uint8],
    key: str,
    function: Callable[[Any, Any], Any],
    i: int,
    task: Any,
) -> tuple[int, Any]:
    if key not in _worker_cache:
        import cloudpickle

        _worker_cache.clear()
        _worker_cache[key] = cloudpickle.loads(payload.tobytes())
    return i, function(_worker_cache[key], task)
