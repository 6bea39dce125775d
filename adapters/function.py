"""Any Python function as a model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import check_choice, shown
from blackbox_xai._inputs import copied
from blackbox_xai.adapters.answers import as_array, is_numeric
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.errors import AnswerError, InputError
from blackbox_xai.protocols import Parallel, Scale

__all__ = ["CallableModel"]


class CallableModel(Adapter):
    """A function of a batch of inputs that returns their scores.

    The function gets a copy of each batch, so it may write into it.

    Parameters
    ----------
    function : callable
        ``function(batch)`` returns scores of shape ``(n,)`` or ``(n, k)``.
    output_names : sequence of str, optional
        Names of the ``k`` outputs. None: the classes, for the ``predict_proba`` of a classifier.
    scale : {"probability", "score", "value"}, optional
        Unit of the scores. None: "probability" for a method named ``predict_proba``, else
        "score". Integers, which look like labels, are taken as scores when this is given.
    batch_size : int, optional
        Rows sent at a time. None: as many as fill 4 MiB, at most 4096.
    parallel : {"threads", "processes"}
        "processes" for a function that must not run in several threads at once, or that keeps
        the interpreter busy in Python code.

    Raises
    ------
    InputError
        When ``function`` cannot be called, or a setting cannot be used.

    Examples
    --------
    >>> import numpy as np
    >>> from blackbox_xai.adapters import CallableModel
    >>> model = CallableModel(lambda X: X @ np.array([1.0, -2.0]), output_names=["risk"])
    >>> model.predict(np.array([[3.0, 1.0]]))
    array([[1.]])
    >>> CallableModel(lambda X: np.array(["yes"])).predict(np.zeros((1, 2)))
    Traceback (most recent call last):
    ...
    blackbox_xai.errors.AnswerError: The model returned ['yes'] of type <U3, not scores. \
Pass its predict_proba or decision function instead of predict.
    """

    def __init__(
        self,
        function: Any,
        *,
        output_names: Any = None,
        scale: Scale | None = None,
        batch_size: int | None = None,
        parallel: Parallel = "threads",
    ) -> None:
        if not callable(function):
            raise InputError(f"function must be callable, got {shown(function)}.")
        self._integers = scale is not None
        owner = getattr(function, "__self__", None)
        if owner is not None and getattr(function, "__name__", "") == "predict_proba":
            scale = scale or "probability"
            classes = getattr(owner, "classes_", None)
            if output_names is None and isinstance(classes, np.ndarray):
                output_names = classes
        check_choice("parallel", parallel, ("threads", "processes"))
        super().__init__(output_names=output_names, scale=scale, batch_size=batch_size)
        self.parallel = parallel
        self._function = function
        self._classifier = hasattr(owner, "classes_") and not self._integers

    def _predict_batch(self, batch: Any) -> Any:
        answer = as_array(self._function(copied(batch)))
        if is_numeric(answer) and answer.ndim and answer.size == len(answer):
            self._refuse_labels(answer)
        return answer

    def _refuse_labels(self, answer: NDArray[Any]) -> None:
        """Say so when one column of answers holds classes, not scores."""
        whole = answer.dtype.kind in "iub" and not self._integers
        if whole or (self._classifier and answer.dtype.kind == "f" and _is_whole(answer)):
            raise AnswerError(
                f"The model returned {shown(answer.ravel()[:3].tolist())} of type {answer.dtype}, "
                "which look like class labels. Pass the fitted classifier itself or its "
                "predict_proba; if these are scores, pass scale='score' or 'value'."
            )


def _is_whole(answer: NDArray[Any]) -> bool:
    return bool((answer == np.rint(answer)).all())
