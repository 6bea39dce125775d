"""Which output of an ONNX model holds the scores, in which unit, and how it becomes a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import shown
from blackbox_xai.adapters.onnx.proto import Graph
from blackbox_xai.errors import AnswerError, InputError
from blackbox_xai.protocols import FloatArray, Scale

__all__ = ["Activation", "Output", "choose_output", "looks_like_probabilities"]

Activation = Literal["softmax", "sigmoid"]
_FLOATS = ("tensor(float)", "tensor(double)", "tensor(float16)")
_PROBABILITIES = frozenset({"Softmax", "Sigmoid"})
_REGRESSORS = frozenset({"TreeEnsembleRegressor", "LinearRegressor", "SVMRegressor"})


@dataclass(frozen=True)
class Output:
    """The output that is asked.

    Parameters
    ----------
    name : str
        Its name in the graph.
    labels : tuple of str, optional
        Class names, when the model tells them.
    scale : Scale, optional
        Unit, when the graph tells it.
    activation : {"softmax", "sigmoid"}, optional
        Applied to the scores.
    """

    name: str
    labels: tuple[str, ...] | None = None
    scale: Scale | None = None
    activation: Activation | None = None

    def matrix(self, answer: Any) -> NDArray[Any]:
        """Return an answer of the runtime as scores ``(n, k)``.

        Raises
        ------
        AnswerError
            When the classes differ from row to row.
        """
        scores = _from_dicts(answer) if isinstance(answer, list) else answer
        if scores.ndim > 2 and all(size == 1 for size in scores.shape[2:]):
            scores = scores.reshape(scores.shape[:2])
        return scores if self.activation is None else _activated(scores, self.activation)


def choose_output(
    nodes: list[Any],
    graph: Graph,
    *,
    wanted: str | None,
    activation: Activation | None,
    exposed: str | None,
) -> Output:
    """Return the output that holds scores.

    Parameters
    ----------
    nodes : list
        Outputs of a session, with ``name`` and ``type``.
    graph : Graph
        What the file says of itself.
    wanted : str, optional
        Name of the output. None: the only one that holds scores.
    activation : {"softmax", "sigmoid"}, optional
        Applied to the scores, which are then probabilities.
    exposed : str, optional
        The inner tensor that was made an output; read in place of the dictionaries made of it.

    Raises
    ------
    InputError
        When no output fits, or several do.
    """
    nodes = [node for node in nodes if node.name != exposed]
    holding = [node for node in nodes if node.type in _FLOATS or node.type.startswith("seq(map(")]
    names = [node.name for node in nodes]
    if wanted is not None:
        holding = [node for node in nodes if node.name == wanted]
        if not holding:
            raise InputError(f"output must be one of {shown(names)}, got {shown(wanted)}.")
        if holding[0].type == "tensor(string)":
            raise InputError(
                f"output {wanted!r} holds labels, not scores; choose of {shown(names)}."
            )
    if not holding:
        kinds = ", ".join(f"{node.name!r} {node.type}" for node in nodes)
        raise InputError(
            f"The ONNX model answers labels, not scores: {kinds}. Export it with its probabilities "
            "(for scikit-learn models: skl2onnx, without dropping that output), or name an output "
            "that holds scores with output=."
        )
    if len(holding) > 1:
        fits = [node.name for node in holding]
        raise InputError(f"Several outputs hold scores: {shown(fits)}. Choose one with output=.")
    name = holding[0].name
    zipmap = graph.zipmaps.get(name)
    as_matrix = zipmap is not None and zipmap.matrix == exposed
    return Output(
        exposed if exposed is not None and as_matrix else name,
        labels=zipmap.labels or None if zipmap else None,
        scale="probability" if activation else _graph_scale(graph.maker(name)),
        activation=activation,
    )


def _graph_scale(operator: str) -> Scale | None:
    if operator in _PROBABILITIES:
        return "probability"
    return "value" if operator in _REGRESSORS else None


def looks_like_probabilities(scores: FloatArray) -> bool:
    """Tell whether every row of ``(n, k)``, k > 1, lies in [0, 1] and sums to 1 within 1e-3."""
    if scores.shape[1] < 2 or scores.min() < -1e-6 or scores.max() > 1 + 1e-6:
        return False
    return bool((np.abs(scores.sum(axis=1) - 1) <= 1e-3).all())


def _from_dicts(rows: list[dict[str | int, float]]) -> NDArray[Any]:
    """Return a list of dictionaries with the same keys in the same order as a matrix."""
    if not rows:
        return np.empty((0, 0))
    keys = list(rows[0])
    odd = next((i for i, row in enumerate(rows) if list(row) != keys), None)
    if odd is not None:
        raise AnswerError(
            f"The model returned the classes {shown(list(rows[odd]))} for row {odd}, but "
            f"{shown(keys)} for row 0."
        )
    values = chain.from_iterable(map(dict.values, rows))
    return np.fromiter(values, np.float64, len(rows) * len(keys)).reshape(len(rows), len(keys))


def _activated(scores: NDArray[Any], activation: Activation) -> FloatArray:
    """Return probabilities from logits."""
    logits = np.asarray(scores, dtype=np.float64)
    if activation == "softmax":
        powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
    return np.asarray(0.5 * (1 + np.tanh(0.5 * logits)))
