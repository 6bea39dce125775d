"""Explanations as frames, files, and shap's objects. All text in them is untrusted."""

from __future__ import annotations

import csv
import html
import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from blackbox_xai._checks import check_choice, shown
from blackbox_xai.errors import InputError
from blackbox_xai.layouts import Layout
from blackbox_xai.protocols import FloatArray

__all__ = [
    "SUFFIXES",
    "Attributed",
    "Explained",
    "frame",
    "page",
    "parse_json",
    "save_figure",
    "save_table",
    "to_shap",
]

SUFFIXES = (".json", ".csv", ".parquet", ".html", ".png")
_MAX_JSON = 1 << 28


class Attributed(Protocol):
    """Attributions with their names: what files and plots both read of an explanation."""

    @property
    def values(self) -> FloatArray:
        """Attributions ``(d, k)``."""

    @property
    def std_err(self) -> FloatArray | None:
        """Standard errors ``(d, k)``, or None."""

    @property
    def base(self) -> FloatArray:
        """Scores with everything hidden, ``(k,)``."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features."""

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs."""

    @property
    def layout(self) -> Layout:
        """How the features lie on the input."""


class Explained(Attributed, Protocol):
    """What files read of an explanation."""

    @property
    def low(self) -> FloatArray | None:
        """Lower ends of intervals ``(d, k)``, or None."""

    @property
    def high(self) -> FloatArray | None:
        """Upper ends of intervals ``(d, k)``, or None."""


def parse_json(text: str) -> Any:
    """Return what JSON ``text`` holds, or say why it cannot be read."""
    if len(text) > _MAX_JSON:
        raise InputError(f"text has {len(text)} characters; at most {_MAX_JSON} are read.")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"text is not JSON: {shown(str(error))}.") from error


def frame(columns: dict[str, list[Any]], backend: str) -> Any:
    """Return a pandas or polars frame of ``columns``."""
    check_choice("backend", backend, ("pandas", "polars"))
    library = optional(backend, "to_frame")
    if backend == "polars":
        return library.DataFrame(columns, strict=False)
    return library.DataFrame(columns)


def optional(module: str, purpose: str) -> Any:
    """Import a library that the user may not have, or say how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(f"{purpose} needs {module}. Install it: pip install {module}.") from error


def save_table(columns: dict[str, list[Any]], path: Path) -> None:
    """Write ``columns`` as .csv or .parquet."""
    if path.suffix.lower() == ".parquet":
        pyarrow = optional("pyarrow", "saving .parquet")
        parquet = optional("pyarrow.parquet", "saving .parquet")
        texts = {"value": [None if v is None else str(v) for v in columns["value"]]}
        parquet.write_table(pyarrow.table({**columns, **texts}), path)
        return
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow([csv_cell(cell) for cell in row])


def csv_cell(value: Any) -> Any:
    """Return ``value`` so that no spreadsheet takes a text for a formula."""
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return "'" + value
    return value


def save_figure(ax: Any, path: Path) -> None:
    """Write the figure of ``ax``."""
    ax.figure.savefig(path, dpi=150)


def page(body: str, title: str) -> str:
    """Return a whole HTML page around ``body``, which is already safe."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "img-src data:; style-src 'unsafe-inline'\">"
        f"<title>{html.escape(title)}</title></head><body>{body}</body></html>"
    )


def to_shap(explanations: Sequence[Explained]) -> Any:
    """Return one ``shap.Explanation`` of all."""
    shap = optional("shap", "to_shap")
    if not explanations:
        raise InputError("to_shap needs at least one explanation, got 0.")
    first = explanations[0]
    for i, other in enumerate(explanations):
        if (other.feature_names, other.output_names) != (first.feature_names, first.output_names):
            raise InputError(
                f"to_shap needs the same features and outputs everywhere; explanation {i} has "
                f"{shown(other.output_names)}. Pass outputs= to explain_many."
            )
    single = len(first.output_names) == 1

    def stack(arrays: list[Any]) -> Any:
        if any(array is None for array in arrays):
            return None
        stacked = np.stack(arrays)
        return stacked[..., 0] if single else stacked

    return shap.Explanation(
        values=stack([e.values for e in explanations]),
        base_values=stack([e.base for e in explanations]),
        data=_shap_data(explanations),
        feature_names=list(first.feature_names),
        output_names=None if single else list(first.output_names),
        lower_bounds=stack([e.low for e in explanations]),
        upper_bounds=stack([e.high for e in explanations]),
        error_std=stack([e.std_err for e in explanations]),
    )


def _shap_data(explanations: Sequence[Explained]) -> Any:
    rows = [getattr(e.layout, "data", None) or e.feature_names for e in explanations]
    table = np.empty((len(rows), len(rows[0])), dtype=object)
    for i, row in enumerate(rows):
        table[i] = row
    try:
        return table.astype(np.float64)
    except (TypeError, ValueError):
        return table
