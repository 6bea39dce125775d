"""``blackbox-xai audit`` and ``render``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from blackbox_xai._format import counted
from blackbox_xai.cli.exits import FAILED, INTERRUPTED, PARTIAL, DataError
from blackbox_xai.cli.models import model_facts, without_secrets
from blackbox_xai.cli.output import write_text
from blackbox_xai.cli.progress import reporter
from blackbox_xai.cli.setup import read_inputs, split_names, the_model
from blackbox_xai.errors import Interrupted
from blackbox_xai.report.audit import SECTIONS, Audit, audit

__all__ = ["run_audit", "run_render"]


def run_audit(**given: Any) -> int:
    """Audit a model; returns the exit code."""
    _check_out(given["out"])
    task = _demo(given) if given["demo"] else _named(given)
    for name in ("sections", "skip"):
        for section in split_names(given[name]):
            if section not in SECTIONS:
                raise click.UsageError(f"--{name}: {section!r} is none of {', '.join(SECTIONS)}.")
    settings = {
        "n_explain": given["n_explain"],
        "sections": split_names(given["sections"]) or None,
        "skip": split_names(given["skip"]),
        "budget": given["budget"],
        "max_seconds": given["max_seconds"],
        "random_state": given["seed"],
        "n_jobs": given["jobs"],
        "progress": reporter(given["progress"], quiet=given["quiet"]),
    }
    if given["dry_run"]:
        return _plan(task, settings)
    try:
        report = audit(task.pop("model")(), task.pop("X"), task.pop("y"), **task, **settings)
    except Interrupted as error:
        if error.partial:
            _write(error.partial[0], given)
        click.echo("Interrupted; what was finished is written.", err=True)
        return INTERRUPTED
    _write(report, given)
    return _code(report, given)


def _check_out(out: str | None) -> None:
    """Say that nothing can be written there before anything is asked."""
    if out in (None, "-"):
        return
    target = Path(str(out))
    if target.suffix.lower() not in (".html", ".json"):
        raise click.UsageError(f"--out must end in .html or .json, got {target.name!r}.")
    if not target.parent.is_dir():
        raise click.UsageError(f"--out: there is no folder {str(target.parent)!r}.")


def _named(given: dict[str, Any]) -> dict[str, Any]:
    if given["model"] is None or given["data"] is None:
        raise click.UsageError("MODEL and DATA are needed, or --demo.")
    inputs = read_inputs(given)
    data = inputs.data
    table = hasattr(data.inputs, "columns")
    return {
        "model": lambda: the_model(given, data.names),
        "X": data.inputs,
        "y": data.labels,
        "background": inputs.background,
        "feature_names": data.names if data.names and not table else None,
        "about": {
            **_about(given),
            "model": model_facts(given["model"]),
            "data": data.facts or {"name": "stdin"},
        },
    }


def _demo(given: dict[str, Any]) -> dict[str, Any]:
    import blackbox_xai as bx

    demo = bx.load_demo()
    return {
        "model": lambda: bx.as_model(demo.model_path, output_names=demo.output_names),
        "X": demo.x,
        "y": demo.y,
        "background": demo.background,
        "feature_names": demo.feature_names,
        "about": {
            **_about(given),
            "model": model_facts(str(demo.model_path)),
            "data": {"name": "breast cancer, rows held out"},
        },
    }


def _about(given: dict[str, Any]) -> dict[str, Any]:
    words = ["blackbox-xai", *(click.get_current_context().obj or ())]
    return {
        "title": given["title"],
        "date": given["date"],
        "command": without_secrets(" ".join(_quoted(word) for word in words)),
    }


def _quoted(word: str) -> str:
    import shlex

    return shlex.quote(word)


def _plan(task: dict[str, Any], settings: dict[str, Any]) -> int:
    """Say what each stage would ask, found by an audit of made-up scores."""
    from blackbox_xai.explainers.planning import Rehearsal

    settings = {**settings, "progress": False, "max_seconds": None, "n_jobs": 1}
    model, inputs = Rehearsal(task.pop("model")()), task.pop("X")
    report = audit(model, inputs, **{**task, "y": None}, **settings)
    ledger = report.document["ledger"]
    for stage in (stage for stage in ledger["stages"] if stage["rows"]):
        click.echo(f"{stage['stage']}: {_amount(stage)}", err=True)
    for stop in ledger["stopped"]:
        click.echo(f"{stop['stage']}: not whole. {stop['why']}", err=True)
    click.echo(f"In all about {_amount(ledger['total'])}. Nothing was sent.", err=True)
    return 0


def _amount(spent: dict[str, Any]) -> str:
    return f"{counted(spent['rows'], 'model row')} in {counted(spent['calls'], 'call')}"


def _write(report: Audit, given: dict[str, Any]) -> None:
    out = given["out"]
    if out == "-":
        kind = given["format_"] or "json"
        write_text(report.to_html() if kind == "html" else report.to_json(), "-")
        return
    target = Path(out or "audit.html")
    report.save(target)
    if target.suffix.lower() == ".html":
        report.save(target.with_suffix(".json"))
    if not given["quiet"]:
        click.echo(repr(report), err=True)
        click.echo(f"Report: {target.resolve()}", err=True)


def _code(report: Audit, given: dict[str, Any]) -> int:
    if not report.complete:
        return PARTIAL
    marks = {card["mark"] for card in report.document["verdict"]}
    bad = {"never": set(), "fail": {"fail"}, "warn": {"fail", "warn"}}[given["fail_on"]]
    warned = given["strict"] and report.document["limits"]["warnings"]
    return FAILED if marks & bad or warned else 0


def run_render(**given: Any) -> int:
    """Make the page of an audit again; returns the exit code."""
    source = Path(given["audit_json"])
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{source.name} cannot be read: {error}.") from error
    report = Audit.from_json(text)
    out = given["out"] or str(source.with_suffix(".html"))
    if out == "-":
        write_text(report.to_html(), "-")
        return 0
    if Path(out).suffix.lower() != ".html":
        raise click.UsageError(f"--out must end in .html, got {Path(out).name!r}.")
    report.save(out)
    if not given["quiet"]:
        click.echo(f"Report: {Path(out).resolve()}", err=True)
    return 0
