"""ONNX models behind the contract."""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

import numpy as np

from blackbox_xai._checks import check_choice, check_int, check_positive
from blackbox_xai._inputs import n_rows
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.adapters.onnx.feeds import Feeds, TensorSpec
from blackbox_xai.adapters.onnx.files import MAX_BYTES, Source, open_source
from blackbox_xai.adapters.onnx.images import Channels, Images
from blackbox_xai.adapters.onnx.outputs import (
    Activation,
    choose_output,
    looks_like_probabilities,
)
from blackbox_xai.adapters.onnx.proto import Graph
from blackbox_xai.adapters.onnx.session import build_session, run
from blackbox_xai.errors import InputError
from blackbox_xai.protocols import FloatArray, Scale

__all__ = ["OnnxModel"]

_LONG = 0.05  # seconds; a run that may last longer can be stopped by Ctrl-C


class OnnxModel(Adapter):
    """An ONNX model, run by onnxruntime.

    Tables go in as arrays or frames; a model with one input for each column takes a frame by its
    column names. Images go in as ``(height, width, channels)`` and are turned into the layout of
    the model. Every value is cast to the declared type, and one that does not fit is refused by
    row and column. A model with a fixed batch size gets full batches.

    A model that only answers labels is refused; logits are turned into probabilities only when
    ``activation`` says so.

    Parameters
    ----------
    source : path, bytes or onnxruntime.InferenceSession
        The model. From a path or bytes it is checked before it is opened: size, operators of
        unknown libraries, and weights outside its folder.
    output : str, optional
        Name of the output that holds the scores. None: the only one that can.
    activation : {"softmax", "sigmoid"}, optional
        Applied to the scores of a model that answers logits.
    channels : {"first", "last"}, optional
        Layout in which the model takes images. None: told by its declared shape.
    mean, std : float or sequence of float, optional
        ``(x - mean) / std`` is what the model takes; one number, or one for each channel.
    allow_missing : bool
        Whether the model takes missing values; NaN is refused otherwise.
    output_names : sequence of str, optional
        Names of the ``k`` outputs. None: the classes, where the model tells them.
    scale : {"probability", "score", "value"}, optional
        Unit of the scores. None: "probability" when the graph ends in a softmax or sigmoid, or
        else when all rows of the first answer lie in [0, 1] and sum to 1; "value" for regression
        operators; else "score".
    batch_size : int, optional
        Rows sent at a time. None: as many as fill 4 MiB, at most 4096; a fixed batch size of the
        model in any case.
    timeout : float, optional
        Seconds after which a run is stopped.
    threads : int
        Threads inside one run; 0 means all cores. With more than one, the last bits of scores can
        depend on the machine. Copies in worker processes use one.
    providers : sequence of str
        Execution providers of onnxruntime, in order of preference.
    max_bytes : int
        Largest file that is opened.

    Raises
    ------
    InputError
        When a setting does not fit the model, or the model answers labels only.
    LoadError
        When the file is no ONNX model, or may not be opened.

    Examples
    --------
    >>> from onnx import TensorProto, helper
    >>> from blackbox_xai.adapters import OnnxModel
    >>> def matrix(name):
    ...     return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2])
    >>> node = helper.make_node("Softmax", ["x"], ["p"])
    >>> graph = helper.make_graph([node], "tiny", [matrix("x")], [matrix("p")])
    >>> opset = [helper.make_opsetid("", 13)]
    >>> file = helper.make_model(graph, ir_version=8, opset_imports=opset).SerializeToString()
    >>> model = OnnxModel(file, output_names=["cat", "dog"])
    >>> model.scale
    'probability'
    >>> model.predict([[0.0, 0.0]])
    array([[0.5, 0.5]])
    >>> model.predict([[0.0, 1e300]])
    Traceback (most recent call last):
    ...
    blackbox_xai._inputs.RowError: inputs row 0, column 1: expected a finite float32, got 1e+300. \
Numbers up to 3.4e+38 fit.
    """

    def __init__(
        self,
        source: Any,
        *,
        output: str | None = None,
        activation: Activation | None = None,
        channels: Channels | None = None,
        mean: Any = None,
        std: Any = None,
        allow_missing: bool = False,
        output_names: Any = None,
        scale: Scale | None = None,
        batch_size: int | None = None,
        timeout: float | None = None,
        threads: int = 1,
        providers: Any = ("CPUExecutionProvider",),
        max_bytes: int = MAX_BYTES,
    ) -> None:
        super().__init__(output_names=output_names, scale=scale, batch_size=batch_size)
        if activation is not None:
            check_choice("activation", activation, ("softmax", "sigmoid"))
        if channels is not None:
            check_choice("channels", channels, ("first", "last"))
        self._timeout = None if timeout is None else check_positive("timeout", timeout)
        self._threads = check_int("threads", threads, minimum=0)
        self._providers = tuple(providers)
        self._source, self._live = _opened(source, max_bytes)
        graph = Graph() if self._source is None else self._source.graph
        self._exposed = graph.hidden_matrix() if graph.external == [] else None
        self._owner = os.getpid()
        session = self._session()
        self._output = choose_output(
            session.get_outputs(),
            graph,
            wanted=output,
            activation=activation,
            exposed=self._exposed,
        )
        self._feeds = Feeds(
            tuple(TensorSpec.of(node) for node in session.get_inputs()),
            Images(channels, _numbers("mean", mean), _numbers("std", std)),
            allow_missing,
        )
        self._check_batch_size()
        self._seconds_per_row: float | None = None
        self._undecided = scale is None and self._output.scale is None
        if scale is None:
            self.scale = self._output.scale or "score"
        if self.output_names is None and self._output.labels is not None:
            self.output_names = self._output.labels
            self.n_outputs = len(self.output_names)

    def fingerprint(self) -> str | None:
        """Return the sha256 of the file and the settings that decide the scores."""
        if self._source is None:
            return None
        return repr((self._source.key, self._output, self._feeds.images, self._feeds.missing))

    def rows_per_batch(self, row_bytes: int) -> int:
        """Return how many rows go to the model in one call."""
        return self._feeds.fixed_batch or super().rows_per_batch(row_bytes)

    def _predict_batch(self, batch: Any) -> Any:
        n = n_rows(batch)
        tensors = self._feeds.padded(self._feeds.tensors(batch), n)
        began = time.perf_counter()
        answer = run(
            self._session(),
            [self._output.name],
            tensors,
            timeout=self._timeout,
            guarded=self._may_last(n),
        )[0]
        self._seconds_per_row = (time.perf_counter() - began) / n
        scores = self._output.matrix(answer)
        return scores if self._feeds.fixed_batch is None else scores[:n]

    def _check_kind(self, scores: FloatArray, start: int) -> None:
        if self._undecided:
            self._undecided = False
            if looks_like_probabilities(scores):
                self.scale = "probability"
        super()._check_kind(scores, start)

    def _may_last(self, n: int) -> bool:
        """Tell whether Ctrl-C could come to wait for this run."""
        if threading.current_thread() is not threading.main_thread():
            return False
        return self._seconds_per_row is None or n * self._seconds_per_row > _LONG

    def _session(self) -> Any:
        """Return the session of this process."""
        if self._live is None or self._owner != os.getpid():
            if self._source is None:
                raise InputError(_NO_COPY)
            self._live = build_session(
                self._source,
                threads=self._threads,
                providers=self._providers,
                expose=self._exposed,
            )
            self._owner = os.getpid()
        return self._live

    def _check_batch_size(self) -> None:
        fixed = self._feeds.fixed_batch
        if fixed is not None and self.batch_size not in (None, fixed):
            raise InputError(
                f"batch_size is {self.batch_size}, but the model takes exactly {fixed} rows at a "
                "time. Leave batch_size out."
            )

    def __getstate__(self) -> dict[str, Any]:
        """Leave the session behind; it is built again where the copy is used."""
        if self._source is None:
            raise InputError(_NO_COPY)
        return {**self.__dict__, "_live": None, "_threads": 1}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take the model; its session is built when it is used first."""
        vars(self).update(state)


_NO_COPY = (
    "A model given as a live InferenceSession cannot be sent to another process. "
    "Pass its path or bytes instead."
)


def _opened(source: Any, max_bytes: int) -> tuple[Source | None, Any]:
    """Return what can be reopened of ``source``, and its session if it is one."""
    runtime = sys.modules.get("onnxruntime")
    if runtime is not None and isinstance(source, runtime.InferenceSession):
        return None, source
    if not isinstance(source, str | bytes | bytearray | memoryview | os.PathLike):
        raise InputError(
            f"source must be a path, bytes or an InferenceSession, got {type(source).__name__}."
        )
    return open_source(source, check_int("max_bytes", max_bytes, minimum=1)), None


def _numbers(name: str, value: Any) -> tuple[float, ...] | None:
    """Return one number or several as finite floats."""
    if value is None:
        return None
    try:
        numbers = np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be a number or one for each channel.") from error
    if numbers.ndim != 1 or not np.isfinite(numbers).all() or (name == "std" and not numbers.all()):
        raise InputError(f"{name} must be finite numbers{', not 0' * (name == 'std')}.")
    return tuple(numbers.tolist())
