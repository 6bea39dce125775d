"""``blackbox-xai surrogate``, ``ood``, ``project`` and ``probe``."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from blackbox_xai._plain import plain
from blackbox_xai.cli.data import choose_columns, read_data
from blackbox_xai.cli.output import chosen_format, write_columns, write_text
from blackbox_xai.cli.setup import read_columns, read_inputs, the_model

__all__ = ["run_ood", "run_probe", "run_project", "run_surrogate"]


def run_surrogate(**given: Any) -> int:
    """Learn rules; returns the exit code."""
    import blackbox_xai as bx

    kind = chosen_format(given["out"], given["format_"], ("table", "json", "txt"))
    data = read_inputs({**given, "quiet": True}).data
    n = len(data.inputs)
    tree = bx.SurrogateTree(
        max_leaves=given["max_leaves"],
        leaf=given["leaf"],
        max_queries=given["budget"],
        random_state=given["seed"],
    )
    if given["dry_run"]:
        rows = min(n + tree.queries, given["budget"] or n + tree.queries)
        click.echo(f"At most {rows:,} model rows. Nothing was sent.", err=True)
        return 0
    tree.fit(the_model(given, data.names), data.inputs)
    if kind == "json":
        found = {
            "rules": json.loads(tree.rules_.json()),
            "fidelity": plain(tree.fidelity_.to_dict()),
            "cost": tree.cost_.to_dict(),
        }
        write_text(json.dumps(found, ensure_ascii=True, allow_nan=False), given["out"])
    else:
        write_text(f"{tree.rules_}\n\n{tree.fidelity_}\n", given["out"])
    return 0


def run_ood(**given: Any) -> int:
    """Score rows against a reference; returns the exit code."""
    import blackbox_xai as bx
    from blackbox_xai.report.features import as_columns

    kind = chosen_format(given["out"], given["format_"], ("table", "json", "csv", "parquet"))
    data = read_columns(given, "data")
    reference = read_data(given["reference"], stdin=given["stdin_format"])
    if reference.names and data.names:
        reference = choose_columns(reference, keep=data.names)
    make = bx.AutoencoderDetector if given["detector"] == "autoencoder" else bx.OODDetector
    detector = make(
        alpha=given["false_alarm"],
        features=as_columns(reference.inputs),
        random_state=given["seed"],
    ).fit(reference.inputs)
    p_values = detector.p_values(data.inputs)
    flagged = p_values <= given["false_alarm"]
    columns: dict[str, list[Any]] = {
        "row": list(range(len(p_values))),
        "p_value": [float(p) for p in p_values],
        "unusual": [bool(f) for f in flagged],
    }
    write_columns(columns, given["out"], kind)
    if not given["quiet"]:
        expected = given["false_alarm"] * len(p_values)
        click.echo(
            f"{int(flagged.sum())} of {len(p_values)} rows are unlike the reference; "
            f"{expected:.3g} would be by chance.",
            err=True,
        )
    return 0


def run_project(**given: Any) -> int:
    """Place rows on a plane; returns the exit code."""
    import blackbox_xai as bx
    from blackbox_xai.report.features import as_columns

    kind = chosen_format(given["out"], given["format_"], ("table", "json", "csv", "parquet"))
    data = read_columns(given, "data")
    makers: dict[str, Any] = {
        "pca": bx.PCAProjection,
        "mds": bx.MDSProjection,
        "tsne": bx.TSNEProjection,
    }
    projection = makers[given["method"]](
        features=as_columns(data.inputs), random_state=given["seed"]
    )
    places = projection.fit_transform(data.inputs)
    columns: dict[str, list[Any]] = {
        "row": list(range(len(places))),
        "x": [float(x) for x in places[:, 0]],
        "y": [float(y) for y in places[:, 1]],
    }
    write_columns(columns, given["out"], kind)
    if not given["quiet"]:
        click.echo(projection.caption(), err=True)
    return 0


def run_probe(**given: Any) -> int:
    """Ask about one row twice; returns the exit code."""
    import numpy as np

    from blackbox_xai._inputs import pick_rows

    kind = chosen_format(given["out"], given["format_"], ("table", "json"))
    if given["data"] is None:
        return _write_facts(_server_facts(given), kind, given["out"])
    data = read_columns(given, "data")
    first = pick_rows(data.inputs, np.arange(1))
    model = the_model(given, data.names)
    began = time.perf_counter()
    scores, cost = model.predict_counted(first)
    seconds = time.perf_counter() - began
    again, second = model.predict_counted(first)
    found = {
        "adapter": type(model).__name__,
        "outputs": list(model.name_outputs(scores.shape[1])),
        "scale": model.scale,
        "scores": [float(score) for score in scores[0]],
        "same_answer_twice": bool(np.array_equal(scores, again)),
        "seconds": seconds,
        "calls": cost.calls + second.calls,
        "rows": cost.rows + second.rows,
    }
    return _write_facts(found, kind, given["out"])


def _server_facts(given: dict[str, Any]) -> dict[str, Any]:
    """Return what a server tells of a model, without asking for a prediction."""
    from blackbox_xai.adapters.http import HttpModel

    model = the_model({**given, "cache": None})
    if not isinstance(model, HttpModel):
        raise click.UsageError(
            "probe needs DATA, of which one row is asked; only servers can be probed without."
        )
    return dict(model.probe())


def _write_facts(found: dict[str, Any], kind: str, out: str | None) -> int:
    if kind == "json":
        write_text(json.dumps(plain(found), ensure_ascii=True), out)
    else:
        write_columns({"what": list(found), "found": [str(v) for v in found.values()]}, None, kind)
    return 0
