"""Models that look like a given one and have forgotten what it learnt."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from blackbox_xai._checks import check_fraction, check_int, shown
from blackbox_xai._export import optional
from blackbox_xai.errors import InputError

__all__ = ["permuted_labels", "permuted_weights"]

# Inputs that hold shapes, scales or limits rather than what was learnt.
_STRUCTURE = ("Reshape", "Resize", "Clip", "Slice", "Pad", "Expand", "Tile", "Upsample", "Gather")
_LEARNT = {
    "TreeEnsembleClassifier": ("class_weights",),
    "TreeEnsembleRegressor": ("target_weights",),
    "LinearClassifier": ("coefficients",),
    "LinearRegressor": ("coefficients",),
    "SVMClassifier": ("coefficients",),
    "SVMRegressor": ("coefficients",),
}


def permuted_labels(estimator: Any, X: Any, y: Any, *, random_state: int = 0) -> Any:
    """Return a fresh copy of an estimator, fitted on labels in random order.

    Parameters
    ----------
    estimator : object
        A scikit-learn estimator.
    X, y : array-like
        Training data.
    random_state : int
        Seed of the order.

    Returns
    -------
    object
        The fitted copy.

    Raises
    ------
    InputError
        When the estimator cannot be cloned and fitted.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> X = np.arange(6.0)[:, None]
    >>> model = permuted_labels(LinearRegression(), X, 2 * X[:, 0])
    >>> bool(abs(model.coef_[0]) < 2)
    True
    """
    from sklearn.base import clone

    if not hasattr(estimator, "fit"):
        raise InputError(f"estimator must have fit, got {shown(estimator)}.")
    rng = np.random.default_rng(check_int("random_state", random_state, minimum=0))
    labels = np.asarray(y)
    return clone(estimator).fit(X, labels[rng.permutation(len(labels))])


def permuted_weights(model: Any, *, share: float = 1.0, random_state: int = 0) -> bytes:
    """Return an ONNX model whose learnt numbers are shuffled, each set within itself.

    A set is the floats (or bytes) of more than one element that one node is the first to use:
    weights, and the coefficients of trees, linear models and support vectors. Types, shapes, scales
    and signs stay, so that the graph remains valid. A set of biases alone joins the one after it.

    Parameters
    ----------
    model : bytes or path
        The ONNX model.
    share : float
        Share of the sets that are shuffled, from the end of the graph; 1.0 shuffles all.
    random_state : int
        Seed.

    Returns
    -------
    bytes
        The shuffled model.

    Raises
    ------
    InputError
        When onnx is not installed, the model cannot be read, or holds nothing that was learnt.

    References
    ----------
    Adebayo et al. (2018), Sanity Checks for Saliency Maps, section 3 (weights permuted, not drawn).
    """
    onnx = optional("onnx", "permuted_weights")
    if share != 1.0:
        check_fraction("share", share)
    rng = np.random.default_rng(check_int("random_state", random_state, minimum=0))
    try:
        raw = model if isinstance(model, bytes) else Path(model).read_bytes()
        graph = onnx.load_model_from_string(raw)
    except Exception as error:
        raise InputError(f"model must be an ONNX model: {shown(str(error))}") from error
    units = list(_units(onnx, graph))
    if not units:
        raise InputError("model holds no numbers that were learnt, so nothing can be shuffled.")
    n = max(round(share * len(units)), 1)
    for unit in units[-n:]:
        for slot in unit:
            _shuffle(onnx, slot, rng)
    onnx.checker.check_model(graph)
    shuffled: bytes = graph.SerializeToString()
    return shuffled


def _units(onnx: Any, model: Any) -> Iterator[list[Any]]:
    """Yield the learnt tensors and attributes of each node that has a weight, in graph order."""
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    stored[node.output[0]] = attribute.t
    waiting: list[Any] = []
    for node in model.graph.node:
        learnt = _LEARNT.get(node.op_type, ())
        waiting += [one for one in node.attribute if one.name in learnt and len(one.floats) > 1]
        if node.op_type not in _STRUCTURE:
            tensors = [stored.pop(name) for name in node.input if name in stored]
            waiting += [tensor for tensor in tensors if _is_learnt(onnx, tensor)]
        if any(hasattr(slot, "floats") or len(slot.dims) > 1 for slot in waiting):
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _is_learnt(onnx: Any, tensor: Any) -> bool:
    types = onnx.TensorProto
    kinds = (types.FLOAT, types.DOUBLE, types.FLOAT16, types.INT8, types.UINT8)
    return tensor.data_type in kinds and int(np.prod(tensor.dims)) > 1


def _shuffle(onnx: Any, slot: Any, rng: np.random.Generator) -> None:
    if hasattr(slot, "floats"):
        numbers = rng.permutation(np.array(slot.floats))
        del slot.floats[:]
        slot.floats.extend(numbers.tolist())
        return
    array = onnx.numpy_helper.to_array(slot)
    mixed = rng.permutation(array.ravel()).reshape(array.shape)
    name = copy.copy(slot.name)
    slot.CopyFrom(onnx.numpy_helper.from_array(np.ascontiguousarray(mixed), name))
