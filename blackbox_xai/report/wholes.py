"""Stages about the data as a whole: the map, unusual rows, and rules that imitate the model."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from blackbox_xai._inputs import n_rows, pick_rows
from blackbox_xai.errors import InputError
from blackbox_xai.ledger import Ledger
from blackbox_xai.ood.detector import OODDetector
from blackbox_xai.plotting.maps import group_small
from blackbox_xai.projection.linear import PCAProjection
from blackbox_xai.protocols import FloatArray, IntArray
from blackbox_xai.report.case import Case, Findings
from blackbox_xai.report.features import as_columns
from blackbox_xai.report.measures import compact, histogram, predicted
from blackbox_xai.surrogates.tree import SurrogateTree

__all__ = ["data_map", "surrogate", "unusual"]

_MAX_POINTS = 20_000
_MAX_REFERENCE = 2_000
_ALPHA = 0.05
_BINS = 20
_STRANGEST = 10


def unusual(case: Case, found: Findings) -> tuple[dict[str, Any] | None, Ledger]:
    """Say which inputs are unlike the reference; asks the model nothing."""
    if case.background is None:
        return None, Ledger()
    reference = _reference(case)
    columns = as_columns(reference)
    try:
        detector = OODDetector(alpha=_ALPHA, features=columns, random_state=case.seed)
        p_values = detector.fit(reference).p_values(case.inputs)
    except InputError as error:
        found.warnings.append(f"Unusual rows were not looked for: {error}")
        return None, Ledger()
    found.p_values = p_values
    edges = np.linspace(0, 1, _BINS + 1)
    order = np.argsort(p_values, kind="stable")
    flagged = int((p_values <= _ALPHA).sum())
    section = {
        "detector": type(detector).__name__,
        "alpha": _ALPHA,
        "n": case.n,
        "n_reference": n_rows(reference),
        "flagged": flagged,
        "edges": [float(edge) for edge in edges],
        "counts": histogram(p_values, edges),
        "rows": _strangest(case, detector, p_values, order[:_STRANGEST]),
    }
    return section, Ledger()


def _strangest(
    case: Case, detector: OODDetector, p_values: FloatArray, rows: IntArray
) -> list[dict[str, Any]]:
    """Return the most unusual rows, and the column in which each is strangest."""
    names = _names(case, detector.reader_.table)
    columns: list[str | None] = [None] * len(rows)
    if names:
        reasons = detector.attribution(pick_rows(case.inputs, rows))
        columns = [names[int(column)] for column in reasons.argmax(axis=1)]
    return [
        {"row": int(row), "p_value": float(p_values[row]), "column": column}
        for row, column in zip(rows, columns, strict=True)
    ]


def _names(case: Case, table: Any) -> tuple[str, ...]:
    """Return the names of a table's columns, those given by the caller first; none without one."""
    if table is None:
        return ()
    return case.feature_names or tuple(table.names)


def _reference(case: Case) -> Any:
    n = n_rows(case.background)
    if n <= _MAX_REFERENCE:
        return case.background
    rows = np.sort(case.rng(4).choice(n, _MAX_REFERENCE, replace=False))
    return pick_rows(case.background, rows)


def data_map(case: Case, found: Findings) -> tuple[dict[str, Any] | None, Ledger]:
    """Place the inputs on a plane; asks the model nothing."""
    rows = _mapped(case, found)
    inputs = pick_rows(case.inputs, rows)
    columns = as_columns(inputs)
    projection = PCAProjection(
        features=columns, standardize=columns is None, random_state=case.seed
    )
    try:
        places = projection.fit_transform(inputs)
    except InputError as error:
        found.warnings.append(f"The map was not made: {error}")
        return None, Ledger()
    labels, names = _groups(case, found, rows)
    points = compact(places).astype("<u2")
    shown = float(projection.explained_variance_ratio_.sum())
    return {
        "method": "PCA",
        "variance": shown,
        "quality": projection.quality(max_rows=300).to_dict(),
        "n": case.n,
        "rows": "all" if len(rows) == case.n else [int(row) for row in rows],
        "points": base64.b64encode(points.tobytes()).decode("ascii"),
        "labels": base64.b64encode(labels.astype(np.uint8).tobytes()).decode("ascii"),
        "names": list(names),
        "counts": [int(count) for count in np.bincount(labels, minlength=len(names))],
    }, Ledger()


def _mapped(case: Case, found: Findings) -> IntArray:
    """Return the rows on the map: all, or a sample that holds every explained row."""
    if case.n <= _MAX_POINTS:
        return np.arange(case.n)
    explained = np.array(sorted(found.explanations), dtype=np.intp)
    others = np.setdiff1d(np.arange(case.n), explained)
    drawn = case.rng(5).choice(others, _MAX_POINTS - len(explained), replace=False)
    return np.sort(np.concatenate([explained, drawn]))


def _groups(case: Case, found: Findings, rows: IntArray) -> tuple[IntArray, tuple[str, ...]]:
    said = None if found.scores is None else predicted(found.scores, case.model.scale)
    if said is None or found.scores is None:
        return np.zeros(len(rows), dtype=np.intp), ("all rows",)
    names = found.output_names
    if len(names) == 1:
        names = (f"{names[0]} below 0.5", f"{names[0]} above 0.5")
    there, places = np.unique(said[0][rows], return_inverse=True)
    return group_small(places.astype(np.intp), [names[i] for i in there])


def surrogate(case: Case, found: Findings) -> tuple[dict[str, Any] | None, Ledger]:
    """Imitate the model by a small tree and say how well that works on rows it has not seen."""
    if as_columns(case.inputs) is not None:
        return None, Ledger()  # rules about pixels or word statistics would help nobody
    left = getattr(case.model, "rows_left", None)
    most = None if left is None else max(left // 2, min(left, case.n), 1)
    tree = SurrogateTree(max_leaves=8, max_queries=most, random_state=case.seed)
    try:
        tree.fit(case.model, case.inputs)
    except InputError as error:
        found.warnings.append(f"Rules were not learnt: {error}")
        return None, Ledger()
    fidelity = tree.fidelity_
    output = min(len(tree.output_names_) - 1, 1)
    section = {
        "n_leaves": int(tree.n_leaves_),
        "outputs": list(tree.output_names_),
        "output": output,
        "how": fidelity.how,
        "n": int(fidelity.n_rows),
        "r2": _interval(fidelity.r2, fidelity.r2_interval),
        "agreement": _interval(fidelity.agreement, fidelity.agreement_interval),
        "majority": _finite(fidelity.majority),
        "train_r2": _finite(fidelity.train_r2),
        "message": fidelity.message,
        "tree": _named(json.loads(tree.rules_.json())["root"], _renamed(case, tree.table_)),
        "leaves": [
            {
                "leaf": leaf.leaf,
                "n": leaf.n_rows,
                "share": leaf.share,
                "value": [float(value) for value in leaf.value],
                "error": _interval(leaf.error, leaf.error_interval),
                "flagged": bool(leaf.flagged),
            }
            for leaf in fidelity.leaves
        ],
    }
    return section, tree.cost_


def _renamed(case: Case, table: Any) -> dict[str, str]:
    """Return the caller's name for each column."""
    return dict(zip(table.names, _names(case, table), strict=True))


def _named(node: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    """Return a tree that calls its columns by these names."""
    named = {**node, "column": names[node["column"]]} if "column" in node else dict(node)
    for branch in ("then", "else"):
        if branch in node:
            named[branch] = _named(node[branch], names)
    return named


def _interval(value: float, ends: tuple[float, float]) -> dict[str, float | None]:
    return {"value": _finite(value), "low": _finite(ends[0]), "high": _finite(ends[1])}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
