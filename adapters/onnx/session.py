"""Sessions of onnxruntime: built once per process, stopped by a deadline or Ctrl-C."""

from __future__ import annotations

import os
import threading
import time
import weakref
from typing import Any

from numpy.typing import NDArray

from blackbox_xai.adapters.answers import one_line
from blackbox_xai.adapters.onnx.files import Source
from blackbox_xai.adapters.onnx.proto import extra_output
from blackbox_xai.errors import LoadError, PredictError

__all__ = ["build_session", "run"]


class _Sessions:
    """The live sessions of this process."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.lock = threading.Lock()
        self.alive: weakref.WeakValueDictionary[tuple[Any, ...], Any] = (
            weakref.WeakValueDictionary()
        )

    def leave_behind(self) -> None:
        """Keep the parent's sessions alive: the end of one waits for threads that are not here."""
        self._parents = list(self.alive.values())
        self.begin()


_sessions = _Sessions()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_sessions.leave_behind)


def build_session(
    source: Source, *, threads: int, providers: tuple[str, ...], expose: str | None
) -> Any:
    """Return the session of a model; equal models of one process share one.

    Parameters
    ----------
    source : Source
        The model.
    threads : int
        Threads inside one run; 0 means all cores.
    providers : tuple of str
        Execution providers, in order of preference.
    expose : str, optional
        An inner float tensor that is made an output.

    Raises
    ------
    LoadError
        When onnxruntime refuses the model.
    """
    key = (source.key, source.path, threads, providers, expose)
    with _sessions.lock:
        session = _sessions.alive.get(key)
        if session is None:
            session = _new_session(source, threads, providers, expose)
            _sessions.alive[key] = session
    return session


def _new_session(
    source: Source, threads: int, providers: tuple[str, ...], expose: str | None
) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    content = source.content()
    if expose is not None and isinstance(content, bytes):
        content += extra_output(expose)
    try:
        return onnxruntime.InferenceSession(content, options, providers=list(providers))
    except Exception as error:
        raise LoadError(
            f"{source.name} cannot be opened by onnxruntime {onnxruntime.__version__}: "
            f"{one_line(error, 300)}"
        ) from error


def run(
    session: Any,
    outputs: list[str],
    feeds: dict[str, NDArray[Any]],
    *,
    timeout: float | None,
    guarded: bool,
) -> list[Any]:
    """Return the outputs of one run.

    Parameters
    ----------
    timeout : float, optional
        Seconds after which the run is stopped.
    guarded : bool
        Whether the run happens in a thread of its own, so that Ctrl-C can stop it; this costs
        about 0.1 ms. A run with a timeout always does.

    Raises
    ------
    PredictError
        When the run was stopped by its timeout.
    """
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.log_severity_level = 4
    options.only_execute_path_to_fetches = True
    if timeout is None and not guarded:
        answer: list[Any] = session.run(outputs, feeds, options)
        return answer
    outcome: list[Any] = []
    finished = threading.Event()

    def work() -> None:
        try:
            outcome.append(session.run(outputs, feeds, options))
        except Exception as error:  # noqa: BLE001  # raised below, in the caller's thread
            outcome.append(error)
        finally:
            finished.set()

    threading.Thread(target=work, name="onnx run", daemon=True).start()
    _await(finished, options, timeout)
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return list(outcome[0])


_PATIENCE = 5.0  # seconds a stopped run is given to end


def _await(finished: threading.Event, options: Any, timeout: float | None) -> None:
    """Wait for the end of a run; stop it when time is up or Ctrl-C is pressed."""
    began = time.monotonic()
    try:
        if finished.wait(timeout):
            return
    except BaseException:
        options.terminate = True
        finished.wait(_PATIENCE)
        raise
    options.terminate = True
    finished.wait(_PATIENCE)
    raise PredictError(
        f"The model was stopped after {time.monotonic() - began:.1f} s without an answer. "
        f"Raise timeout={timeout:g} or lower batch_size."
    )
