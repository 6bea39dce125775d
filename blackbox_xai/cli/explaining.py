"""``blackbox-xai explain``."""

from __future__ import annotations

from typing import Any

import click

from blackbox_xai.cli.data import row_range
from blackbox_xai.cli.exits import INTERRUPTED, PARTIAL
from blackbox_xai.cli.output import chosen_format, write_columns, write_text
from blackbox_xai.cli.progress import reporter
from blackbox_xai.cli.setup import read_inputs, the_model

__all__ = ["run_explain"]

_FORMATS = ("table", "json", "csv", "parquet", "html")


def run_explain(**given: Any) -> int:
    """Explain rows; returns the exit code."""
    import numpy as np

    from blackbox_xai._inputs import n_rows
    from blackbox_xai.errors import BudgetError, Interrupted, ModelError
    from blackbox_xai.report.case import Guard
    from blackbox_xai.report.defaults import choose_masker
    from blackbox_xai.report.local import take

    kind = chosen_format(given["out"], given["format_"], _FORMATS)
    inputs = read_inputs(given)
    data = inputs.data
    names = data.names if data.names and not hasattr(data.inputs, "columns") else None
    rows = np.array(row_range(given["rows"], n_rows(data.inputs)))
    masker = choose_masker(data.inputs, inputs.background, names, given["seed"])
    explainer = _explainer(given, masker, data.inputs)
    if given["dry_run"]:
        return _plan(explainer, len(rows))
    model = Guard(the_model(given), max_rows=given["budget"], max_seconds=given["max_seconds"])
    show = reporter(given["progress"], quiet=given["quiet"])
    code, many = 0, []
    try:
        many = explainer.explain_many(
            model,
            take(data.inputs, rows),
            masker,
            outputs=_output(given["output"]),
            n_jobs=given["jobs"],
            progress=lambda done, total: show("rows", done, total),
        )
    except (BudgetError, ModelError, Interrupted) as error:
        many = error.partial
        if not any(many):
            raise
        code = INTERRUPTED if isinstance(error, Interrupted) else PARTIAL
        click.echo(f"Stopped early: {error}", err=True)
    _write(many, rows.tolist(), kind, given["out"])
    return code


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


def _plan(explainer: Any, n: int) -> int:
    each = getattr(explainer, "budget", None)
    most = "as many rows as it takes" if each is None else f"at most {each:,} model rows each"
    click.echo(f"{type(explainer).__name__}: {n:,} inputs, {most}. Nothing was sent.", err=True)
    return 0


def _write(many: list[Any], rows: list[int], kind: str, out: str | None) -> None:
    from blackbox_xai.results import Explanations, _rows

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
        table = _rows(why)
        for name, column in {"row": [row] * len(table["phi"]), **table}.items():
            columns.setdefault(name, []).extend(column)
    write_columns(columns, out, kind)
