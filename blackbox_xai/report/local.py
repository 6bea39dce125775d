"""Stages about single rows: which are explained, why they got their answers, what drives all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from blackbox_xai._format import counted
from blackbox_xai._inputs import is_table, pick_rows, row
from blackbox_xai.errors import BlackboxError, BudgetError, InputError, ModelError
from blackbox_xai.layouts import TabularLayout
from blackbox_xai.ledger import Ledger
from blackbox_xai.plotting.explained import output_unit
from blackbox_xai.plotting.folding import order_by_size
from blackbox_xai.plotting.overview import mean_size
from blackbox_xai.points import fit_space, nearest
from blackbox_xai.protocols import FloatArray, IntArray
from blackbox_xai.report.case import Case, Findings, Halted
from blackbox_xai.report.features import as_columns
from blackbox_xai.report.rows import row_record
from blackbox_xai.results import Explanation

__all__ = ["choose_rows", "drivers", "explained_rows", "most_alike"]

_LISTED = 20
_SCATTERS = 3
_SCATTER_POINTS = 200
_ALIKE = 3


def choose_rows(
    n: int, wanted: int, special: list[IntArray], rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """Return rows to explain: a random sample, and rows that deserve a look.

    Parameters
    ----------
    n : int
        Rows there are.
    wanted : int
        Rows to choose.
    special : list of ndarray of int
        Rows that deserve a look, by kind, the most urgent first; at most a third is theirs.
    rng : numpy.random.Generator
        Draws the sample.

    Returns
    -------
    sampled, picked : ndarray of int
        Disjoint; the sample in rising order.

    Examples
    --------
    >>> sampled, picked = choose_rows(10, 6, [np.array([3, 4, 5])], np.random.default_rng(0))
    >>> len(sampled), picked.tolist()
    (4, [3, 4])
    """
    wanted = min(wanted, n)
    quota = wanted // (3 * len(special)) if special else 0
    picked = list(dict.fromkeys(int(row) for rows in special for row in rows[:quota]))
    if wanted == n:
        return np.arange(n), np.empty(0, dtype=np.intp)
    others = np.setdiff1d(np.arange(n), picked)
    sampled = np.sort(rng.choice(others, size=wanted - len(picked), replace=False))
    return sampled, np.array(picked, dtype=np.intp)


def explained_rows(case: Case, found: Findings) -> tuple[dict[str, Any] | None, Ledger]:
    """Explain chosen rows.

    Raises
    ------
    Halted
        When this ends midway; it holds the section of the rows that were finished.
    """
    special = [] if found.wrong is None else [found.wrong]
    if found.p_values is not None:
        special.append(np.argsort(found.p_values, kind="stable"))
    sampled, picked = choose_rows(case.n, case.n_explain, special, case.rng(2))
    rows = _explainable(case, found, np.concatenate([sampled, picked]))
    if len(rows) == 0:
        return None, Ledger()
    try:
        done = case.explainer.explain_many(
            case.model,
            pick_rows(case.inputs, rows),
            case.masker,
            n_jobs=case.n_jobs,
            progress=lambda done, total: case.progress("rows", done, total),
        )
    except (BudgetError, ModelError, KeyboardInterrupt) as error:
        partial: list[Explanation | None] = getattr(error, "partial", [])
        if isinstance(error, BlackboxError) and error.input is not None:
            error.input = int(rows[error.input])
        raise Halted(_kept(case, found, rows, sampled, partial), error) from error
    cost = sum((explanation.cost for explanation in done), Ledger())
    return _kept(case, found, rows, sampled, done), cost


def _explainable(case: Case, found: Findings, rows: IntArray) -> IntArray:
    """Leave out rows of a table in which the masker cannot hide anything, and say so."""
    if not is_table(case.inputs):
        return rows
    good = []
    for i in rows.tolist():
        try:
            case.masker.bind(row(case.inputs, i))
        except InputError as error:
            found.warnings.append(f"Row {i} was not explained: {error}")
        else:
            good.append(i)
    return np.array(good, dtype=np.intp)


def _kept(
    case: Case,
    found: Findings,
    rows: IntArray,
    sampled: IntArray,
    done: Sequence[Explanation | None],
) -> dict[str, Any] | None:
    """Keep what was finished and return its section."""
    for at, explanation in zip(rows, done, strict=False):
        if explanation is not None:
            found.explanations[int(at)] = explanation
    found.sampled = np.array([i for i in sampled if int(i) in found.explanations], np.intp)
    return _section(case, found, [int(i) for i in rows if int(i) in found.explanations])


def _section(case: Case, found: Findings, rows: list[int]) -> dict[str, Any] | None:
    if not rows:
        return None
    records = []
    alike = most_alike(case.inputs, rows)
    for at in rows:
        explanation = found.explanations[at]
        record = row_record(explanation, explanation.output_index())
        p_value = None if found.p_values is None else float(found.p_values[at])
        true = {} if found.true is None else {"true": found.true[at]}
        near = [_answered(found, i) for i in alike.get(at, ())]
        records.append({"row": at, **record, "p_value": p_value, **true, "near": near})
    return {"items": records, "sampled": [int(i) for i in found.sampled]}


def most_alike(inputs: Any, rows: Sequence[int]) -> dict[int, list[int]]:
    """Return the inputs that are most like each of some of them, itself left out.

    Returns
    -------
    dict
        At most three rows for each, the most alike first; empty where inputs cannot be compared,
        as for missing cells.

    Examples
    --------
    >>> most_alike(np.array([[0.0], [5.0], [1.0], [9.0]]), [0])
    {0: [2, 1, 3]}
    """
    try:
        _, points = fit_space(inputs, features=as_columns(inputs), standardize=True)
    except InputError:
        return {}
    places, _ = nearest(points[list(rows)], points, min(_ALIKE + 1, len(points)))
    return {
        row: [int(i) for i in found if i != row][:_ALIKE]
        for row, found in zip(rows, places, strict=True)
    }


def _answered(found: Findings, row: int) -> dict[str, Any]:
    """Return what the model said of a row, and what is true where that is known."""
    if found.scores is None:
        return {"row": row}
    output = int(found.scores[row].argmax())
    said = {"output": found.output_names[output], "score": float(found.scores[row, output])}
    return {"row": row, **said, **({} if found.true is None else {"true": found.true[row]})}


def drivers(case: Case, found: Findings) -> tuple[dict[str, Any] | None, Ledger]:
    """Average the sizes of attributions over the rows drawn at random; costs nothing."""
    many = [found.explanations[int(row)] for row in found.sampled]
    if len(many) < 2 or not all(isinstance(e.layout, TabularLayout) for e in many):
        return None, Ledger()  # words and segments differ from input to input
    last = len(many[0].output_names) - 1
    fixed = last if last < 2 else None
    places = [e.output_index() if fixed is None else fixed for e in many]
    values = np.stack([e.values[:, j] for e, j in zip(many, places, strict=True)])
    mean, low, high = mean_size(values, case.rng(3))
    order = order_by_size(mean)
    unit = output_unit(many[0], last) if fixed is not None else _any_unit(many[0])
    section: dict[str, Any] = {
        "unit": unit,
        "method": many[0].method,
        "n": len(many),
        "features": [
            {
                "name": many[0].feature_names[i],
                "mean": float(mean[i]),
                "low": float(low[i]),
                "high": float(high[i]),
            }
            for i in order[:_LISTED]
        ],
        "rest": None,
        "scatters": _scatters(many, values, order[:_SCATTERS]) if fixed is not None else [],
    }
    if len(order) > _LISTED:
        hidden = order[_LISTED:]
        section["rest"] = {"count": len(hidden), "mean": float(mean[hidden].sum())}
    return section, Ledger()


def _any_unit(explanation: Explanation) -> str:
    """Return the unit when each row is explained for the output predicted for it."""
    return output_unit(explanation, 0).replace(
        explanation.output_names[0], "the output predicted for each row"
    )


def _scatters(
    many: list[Explanation], values: FloatArray, features: IntArray
) -> list[dict[str, Any]]:
    """Return attributions of the leading features against their values, where they have one."""
    charts = []
    for feature in features:
        cells = [_number(getattr(e.layout, "data", ()), int(feature)) for e in many]
        points = [
            [cell, float(phi)]
            for cell, phi in zip(cells, values[:, feature], strict=True)
            if cell is not None
        ][:_SCATTER_POINTS]
        if len(points) >= 3:
            note = counted(len(points), "row")
            charts.append({"name": many[0].feature_names[feature], "points": points, "note": note})
    return charts


def _number(data: tuple[Any, ...], at: int) -> float | None:
    if at >= len(data):
        return None
    try:
        number = float(data[at])
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None
