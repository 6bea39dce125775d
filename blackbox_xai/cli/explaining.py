"""``blackbox-xai explain`` and ``check``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import click

from blackbox_xai.cli.data import row_range
from blackbox_xai.cli.exits import FAILED, INTERRUPTED, PARTIAL
from blackbox_xai.cli.output import chosen_format, write_columns, write_text
from blackbox_xai.cli.progress import reporter
from blackbox_xai.cli.setup import read_inputs, the_model

__all__ = ["run_check", "run_explain"]

_FORMATS = ("table", "json", "csv", "parquet", "html")


@dataclass(frozen=True, eq=False)
class _Task:
    """What ``explain`` and ``check`` work on."""

    inputs: Any
    rows: Any
    names: tuple[str, ...]
    masker: Any
    explainer: Any


def _task(given: dict[str, Any]) -> _Task:
    import numpy as np

    from blackbox_xai._inputs import n_rows, pick_rows
    from blackbox_xai.report.defaults import choose_masker

    inputs = read_inputs(given)
    data = inputs.data
    names = data.names if data.names and not hasattr(data.inputs, "columns") else None
    rows = np.array(row_range(given["rows"], n_rows(data.inputs)))
    masker = choose_masker(data.inputs, inputs.background, names, given["seed"])
    explainer = _explainer(given, masker, data.inputs)
    return _Task(pick_rows(data.inputs, rows), rows, data.names, masker, explainer)


def _guard(given: dict[str, Any], task: _Task) -> Any:
    from blackbox_xai.report.case import Guard

    return Guard(
        the_model(given, task.names), max_rows=given["budget"], max_seconds=given["max_seconds"]
    )


def run_explain(**given: Any) -> int:
    """Explain rows; returns the exit code."""
    from blackbox_xai.errors import BlackboxError, Interrupted

    kind = chosen_format(given["out"], given["format_"], _FORMATS)
    task = _within_budget(given, _task(given))
    if given["dry_run"]:
        return _plan(given, task)
    show = reporter(given["progress"], quiet=given["quiet"])
    code = 0
    try:
        many = task.explainer.explain_many(
            _guard(given, task),
            task.inputs,
            task.masker,
            outputs=_output(given["output"]),
            n_jobs=given["jobs"],
            progress=lambda done, total: show("rows", done, total),
        )
    except (BlackboxError, Interrupted) as error:
        many = error.partial
        if isinstance(error, BlackboxError) and error.input is not None:
            error.input = int(task.rows[error.input])
        if not any(many):
            raise
        code = INTERRUPTED if isinstance(error, Interrupted) else PARTIAL
        click.echo(f"Stopped early: {error}", err=True)
    _write(many, task.rows.tolist(), kind, given["out"])
    return code


def run_check(**given: Any) -> int:
    """Test an explainer; returns the exit code."""
    from blackbox_xai.evaluation import check

    kind = chosen_format(given["out"], given["format_"], ("table", "json", "csv"))
    task = _task(given)
    if given["dry_run"]:
        return _plan(given, task, 7)
    checks = check(
        task.explainer, _guard(given, task), task.inputs, task.masker, n_inputs=len(task.rows)
    )
    columns: dict[str, list[Any]] = {}
    for gate in checks.rows():
        for name in ("name", "status", "value", "tolerance", "law"):
            columns.setdefault(name, []).append(gate[name])
    write_columns(columns, given["out"], kind)
    if not given["quiet"]:
        rows = checks.cost.rows
        click.echo(f"{checks.method} on {checks.n} rows; {rows:,} model rows.", err=True)
    return 0 if checks.passed else FAILED


def _within_budget(given: dict[str, Any], task: _Task) -> _Task:
    """Share a budget that the explainer would exceed equally among the rows, where it can."""
    setting = next((name for name in ("budget", "n_samples") if hasattr(task.explainer, name)), "")
    if given["budget"] is None or not setting:
        return task
    model = the_model(given, task.names)
    if task.explainer.plan(model, task.inputs, task.masker).rows <= given["budget"]:
        return task
    each = max(given["budget"] // len(task.rows), 1)
    return replace(task, explainer=replace(task.explainer, **{setting: each}))


def _output(text: str | None) -> Any:
    return int(text) if text is not None and text.lstrip("-").isdigit() else text


def _explainer(given: dict[str, Any], masker: Any, inputs: Any) -> Any:
    import blackbox_xai as bx
    from blackbox_xai.report.defaults import choose_explainer

    makers: dict[str, Any] = {
        "exact": bx.ExactShapley,
        "kernelshap": bx.KernelShap,
        "lime": bx.Lime,
        "occlusion": bx.Occlusion,
        "rise": bx.Rise,
    }
    if given["method"] == "auto":
        return choose_explainer(masker, inputs, given["seed"])
    return makers[given["method"]](random_state=given["seed"])


def _plan(given: dict[str, Any], task: Any, times: int = 1) -> int:
    """Say what would be asked at most."""
    model = the_model(given, task.names)
    plan = task.explainer.plan(model, task.inputs, task.masker)
    often = f" {times} times over:" if times > 1 else ""
    click.echo(f"{type(task.explainer).__name__}:{often} {plan}", err=True)
    return 0


def _write(many: list[Any], rows: list[int], kind: str, out: str | None) -> None:
    from blackbox_xai.results import Explanations
    from blackbox_xai.results.table import long_table

    done = [(row, why) for row, why in zip(rows, many, strict=True) if why is not None]
    if kind == "json":
        write_text(Explanations([why for _, why in done]).to_json(), out)
        return
    if kind == "html":
        from blackbox_xai._export import page

        body = "".join(f"<h2>Row {row}</h2>{why._repr_html_()}" for row, why in done)
        write_text(page(body, "Explanations"), out)
        return
    columns: dict[str, list[Any]] = {}
    for row, why in done:
        table = long_table(why)
        for name, column in {"row": [row] * len(table["phi"]), **table}.items():
            columns.setdefault(name, []).extend(column)
    write_columns(columns, out, kind)
