"""The commands and their options; what they do is imported when they run."""

from __future__ import annotations

import sys
import warnings
from typing import Any, TextIO

import click

from blackbox_xai import __version__
from blackbox_xai.cli.exits import FAILED, run_safely
from blackbox_xai.cli.options import (
    column_options,
    data_options,
    method_option,
    model_options,
    output_options,
    run_options,
    seed_option,
)

__all__ = ["cli", "main"]

_EPILOG = (
    "Exit codes: 0 done, 1 a check failed, 2 wrong usage, 3 the model cannot be used, 4 stopped by "
    "budget, time or failures (the finished part is written), 5 the data cannot be used, 130 "
    "interrupted (the finished part is written)."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EPILOG)
@click.version_option(__version__, prog_name="blackbox-xai")
def cli() -> None:
    """Explain models that nobody can open.

    MODEL is a file (.onnx, .skops, .joblib with --trust-pickle), an address (http, https), a
    .toml file that describes a model behind one, or package.module:object. DATA is .csv, .tsv,
    .parquet, .jsonl, .npy, .npz, .txt with one text per line, a folder of images, or - for stdin.
    """


@cli.command()
@click.argument("model", required=False)
@click.argument("data", required=False)
@click.option("--demo", is_flag=True, help="Audit the model inside the package.")
@click.option(
    "--rows",
    "n_explain",
    type=click.IntRange(1),
    default=24,
    show_default=True,
    help="Rows to explain.",
)
@click.option("--sections", help="Sections to make, separated by commas.")
@click.option("--skip", help="Sections to leave out, separated by commas.")
@click.option("--title", default="Audit of a black-box model", show_default=True)
@click.option("--date", default="", help="Date to print; none is taken from the clock.")
@click.option(
    "--fail-on",
    type=click.Choice(["never", "fail", "warn"]),
    default="never",
    show_default=True,
    help="End with code 1 when a card says so.",
)
@model_options
@data_options
@run_options
@output_options
def audit(**given: Any) -> int:
    """Put a model through everything; writes a report as HTML and as JSON."""
    from blackbox_xai.cli.auditing import run_audit

    return run_audit(**given)


@cli.command()
@click.argument("model")
@click.argument("data")
@method_option
@click.option("--rows", default=":", help="Rows to explain, such as 0:20 or 7.")
@click.option("--output", help="Output to explain, by name or number. None: all.")
@model_options
@data_options
@run_options
@output_options
def explain(**given: Any) -> int:
    """Explain single rows: what each feature adds to the model's answer."""
    from blackbox_xai.cli.explaining import run_explain

    return run_explain(**given)


@cli.command()
@click.argument("model")
@click.argument("data")
@click.option("--max-leaves", type=click.IntRange(1), default=8, show_default=True)
@click.option("--leaf", type=click.Choice(["constant", "linear"]), default="constant")
@model_options
@data_options
@run_options
@output_options
def surrogate(**given: Any) -> int:
    """Imitate the model by a few rules, and say how well they do."""
    from blackbox_xai.cli.wholes import run_surrogate

    return run_surrogate(**given)


@cli.command()
@click.argument("reference")
@click.argument("data")
@click.option(
    "--detector",
    type=click.Choice(["combined", "autoencoder"]),
    default="combined",
    show_default=True,
)
@click.option(
    "--false-alarm",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
)
@column_options
@seed_option
@output_options
def ood(**given: Any) -> int:
    """Say which rows of DATA are unlike REFERENCE."""
    from blackbox_xai.cli.wholes import run_ood

    return run_ood(**given)


@cli.command()
@click.argument("data")
@click.option(
    "--method", type=click.Choice(["pca", "mds", "tsne"]), default="pca", show_default=True
)
@column_options
@seed_option
@output_options
def project(**given: Any) -> int:
    """Place the rows of DATA on a plane, and say how far the map can be believed."""
    from blackbox_xai.cli.wholes import run_project

    return run_project(**given)


@cli.command()
@click.argument("model")
@click.argument("data")
@method_option
@click.option("--rows", default="0:3", show_default=True, help="Rows to test on.")
@model_options
@data_options
@run_options
@output_options
def check(**given: Any) -> int:
    """Test whether an explainer keeps laws that hold on any model; ends with 1 when not."""
    from blackbox_xai.cli.explaining import run_check

    return run_check(**given)


@cli.command()
@click.argument("audit_json")
@output_options
def render(**given: Any) -> int:
    """Make the HTML page of an audit again from its JSON: the same bytes."""
    from blackbox_xai.cli.auditing import run_render

    return run_render(**given)


@cli.command()
@click.argument("model")
@click.argument("data", required=False)
@model_options
@column_options
@output_options
def probe(**given: Any) -> int:
    """Say what is known of a model: protocol, names, shapes and limits of a server.

    With DATA, ask the model about its first row, twice: outputs, unit, latency, same answer.
    """
    from blackbox_xai.cli.wholes import run_probe

    return run_probe(**given)


_heard: list[str] = []


def _say(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Write a warning as one line on stderr, once, and remember that there was one."""
    del category, filename, lineno, file, line
    if str(message) not in _heard:
        _heard.append(str(message))
        click.echo(f"Warning: {message}", err=True)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    verbose = sum(a.count("v") for a in arguments if a.startswith("-v") and set(a) == {"-", "v"})

    _heard.clear()

    def command() -> int:
        done = cli.main(
            arguments, prog_name="blackbox-xai", standalone_mode=False, obj=tuple(arguments)
        )
        code = int(done or 0)
        return FAILED if code == 0 and _heard and "--strict" in arguments else code

    # Entering forgets which warnings were shown, so that a second run in this process has its own.
    with warnings.catch_warnings():
        warnings.showwarning = _say  # what Python offers to show warnings otherwise
        code = run_safely(command, verbose=verbose)
    sys.exit(code)
