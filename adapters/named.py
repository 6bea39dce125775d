"""Columns that a model knows by name or by number, and inputs brought into their order."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai._inputs import columns, is_frame, is_pandas
from blackbox_xai.errors import InputError

__all__ = ["NamedColumns", "check_columns", "in_order"]


@dataclass(frozen=True)
class NamedColumns:
    """What an estimator was fitted on.

    Parameters
    ----------
    names : tuple of str, optional
        Column names, in the order of fitting. None: it was fitted on an array.
    width : int, optional
        Number of columns. None: the estimator does not tell, or takes texts.
    library : str, optional
        "pandas" or "polars", which then makes named columns of an array.
    """

    names: tuple[str, ...] | None
    width: int | None
    library: str | None = None

    @classmethod
    def of(cls, estimator: Any) -> NamedColumns:
        """Return the columns of a fitted estimator."""
        names = getattr(estimator, "feature_names_in_", None)
        width = getattr(estimator, "n_features_in_", None)
        return cls(
            None if names is None else tuple(str(name) for name in names),
            None if width is None else int(width),
            None if names is None else _frame_library(),
        )

    def arranged(self, inputs: Any) -> Any:
        """Return ``inputs`` with the columns that the estimator knows, in its order.

        Raises
        ------
        InputError
            For missing, unknown or duplicate columns, or a wrong number of them.
        """
        if is_frame(inputs):
            if self.names is None:
                self._check_width(inputs)
                return inputs
            check_columns(columns(inputs), self.names)
            return in_order(inputs, self.names)
        if getattr(inputs, "ndim", 1) < 2:
            return inputs
        self._check_width(inputs)
        return inputs if self.names is None else self._named(inputs)

    def _check_width(self, inputs: Any) -> None:
        given = inputs.shape[1]
        if self.width is None or given == self.width:
            return
        known = "" if self.names is None else f": {shown(list(self.names))}"
        raise InputError(
            f"inputs have {given} columns, but the model was fitted on {self.width}{known}. "
            "Give the columns of fitting, in their order."
        )

    def _named(self, array: Any) -> Any:
        """Return an array as a frame, since the estimator goes by names."""
        if self.library is None or hasattr(array, "tocsr"):
            return array
        library = importlib.import_module(self.library)
        if self.library == "polars":
            return library.DataFrame(array, schema=list(self.names or ()), orient="row")
        frame = library.DataFrame(array, columns=list(self.names or ()))
        return frame.infer_objects() if array.dtype == np.object_ else frame


def _frame_library() -> str | None:
    """Return the frame library in use, else one that is installed."""
    known = ("pandas", "polars")
    loaded = [name for name in known if name in sys.modules]
    found = loaded or [name for name in known if importlib.util.find_spec(name)]
    return found[0] if found else None


def check_columns(given: list[Any], expected: tuple[str, ...]) -> None:
    """Say which of the ``expected`` columns are missing, double or unknown.

    Raises
    ------
    InputError
        Naming the columns and the way out.
    """
    names = [str(name) for name in given]
    if names == list(expected):
        return
    if len(set(names)) < len(names):
        double = sorted({name for name in names if names.count(name) > 1})
        raise InputError(f"inputs have more than one column named {_listed(double)}. Keep one.")
    missing = [name for name in expected if name not in set(names)]
    unknown = [name for name in names if name not in set(expected)]
    if missing:
        instead = f"; unknown to it: {_listed(unknown)}" if unknown else ""
        raise InputError(f"inputs lack the model's columns {_listed(missing)}{instead}.")
    if unknown:
        raise InputError(
            f"inputs have columns that the model does not know: {_listed(unknown)}. "
            "Drop them first."
        )


def in_order(frame: Any, expected: tuple[str, ...]) -> Any:
    """Return ``frame`` with its columns in the expected order."""
    given = columns(frame)
    if [str(name) for name in given] == list(expected):
        return frame
    by_name = {str(name): name for name in given}
    chosen = [by_name[name] for name in expected]
    return frame[chosen] if is_pandas(frame) else frame.select(chosen)


def _listed(names: list[str]) -> str:
    shown_names = ", ".join(shown(name, 40) for name in names[:5])
    return shown_names if len(names) <= 5 else f"{shown_names} and {len(names) - 5} more"
