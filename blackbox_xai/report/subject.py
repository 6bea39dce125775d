"""What was audited, so that a reader can tell whether this report is about their model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from blackbox_xai import __version__
from blackbox_xai._inputs import n_rows
from blackbox_xai._plain import plain
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.report.case import Case, Findings

__all__ = ["assumptions", "file_facts", "subject"]

_MAX_COLUMNS = 200


def file_facts(path: str | Path) -> dict[str, Any]:
    """Return name, size in bytes and SHA-256 of a file.

    Examples
    --------
    >>> import blackbox_xai as bx
    >>> demo = bx.load_demo()
    >>> file_facts(demo.model_path)["sha256"] == demo.sha256
    True
    """
    file = Path(path)
    content = file.read_bytes()
    return {
        "name": file.name,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def subject(case: Case, found: Findings, adapter: Adapter) -> dict[str, Any]:
    """Return facts about the model, the data and the settings."""
    return {
        "model": {
            "adapter": type(adapter).__name__,
            "outputs": list(found.output_names),
            "scale": adapter.scale,
            **_stated(case.about, "model"),
        },
        "data": {
            **_inputs_facts(case),
            "labels": case.y is not None,
            "reference_rows": None if case.background is None else n_rows(case.background),
            **_stated(case.about, "data"),
        },
        "masker": plain(case.masker.describe()),
        "explainer": {"method": type(case.explainer).__name__, **plain(_settings(case))},
        "seed": case.seed,
        "version": __version__,
        "date": str(case.about.get("date", "")),
    }


def _settings(case: Case) -> dict[str, Any]:
    return {name: getattr(case.explainer, name) for name in case.explainer.__dataclass_fields__}


def _stated(about: Mapping[str, Any], key: str) -> dict[str, Any]:
    stated = about.get(key, {})
    facts: dict[str, Any] = plain(stated) if isinstance(stated, Mapping) else {"name": str(stated)}
    return facts


def _inputs_facts(case: Case) -> dict[str, Any]:
    inputs = case.inputs
    facts: dict[str, Any] = {"rows": n_rows(inputs), "columns": [], "width": None}
    if hasattr(inputs, "columns"):
        names = [str(name) for name in inputs.columns]
        return {**facts, "kind": "table", "columns": names[:_MAX_COLUMNS], "width": len(names)}
    first = inputs[0]
    if isinstance(first, str):
        lengths = [len(text) for text in inputs]
        return {**facts, "kind": "texts", "characters": [min(lengths), max(lengths)]}
    shape = list(np.shape(first))
    if len(shape) == 1:
        names = list(case.feature_names or ())
        return {**facts, "kind": "table", "columns": names[:_MAX_COLUMNS], "width": shape[0]}
    return {**facts, "kind": "images", "shape": shape}


_OPERATORS = {
    "TabularMasker": (
        "A column is hidden by putting values of reference rows in its place. Where columns depend "
        "on one another, this makes rows that may not occur, and the model was asked about those "
        "too."
    ),
    "TextMasker": (
        "A word is hidden by leaving it out or replacing it. The model was asked about texts that "
        "nobody wrote."
    ),
    "ImageMasker": (
        "A segment is hidden by painting over it. The model was asked about pictures that no "
        "camera took; another fill may give other attributions."
    ),
}


_ABOUT_CAUSES = (
    "Attributions say what this model does with its inputs; they do not say what causes what in "
    "the world."
)
_ABOUT_INTERVALS = (
    "Intervals cover the sampling of coalitions and rows, not the choice of method, masker or "
    "reference."
)


def assumptions(case: Case) -> list[str]:
    """Return what must be believed for this report to mean what it says."""
    operator = _OPERATORS.get(type(case.masker).__name__)
    sentences = [_ABOUT_CAUSES, _ABOUT_INTERVALS]
    if operator is not None:
        sentences.insert(1, operator)
    if case.background is not None:
        sentences.append(
            "Unusual means unlike the reference rows given. A false-alarm rate holds only if the "
            "reference was not used to fit the model."
        )
    return sentences
