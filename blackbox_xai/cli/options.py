"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

__all__ = [
    "column_options",
    "data_options",
    "method_option",
    "model_options",
    "output_options",
    "run_options",
    "seed_option",
]

Command = TypeVar("Command", bound=Callable[..., Any])


def _all(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def model_options(command: Command) -> Command:
    """Add options about the model."""
    return _all(
        click.option("--classes", help="Names of the outputs, separated by commas."),
        click.option(
            "--scale",
            type=click.Choice(["probability", "score", "value"]),
            help="Unit of the model's answers.",
        ),
        click.option(
            "--by-position",
            is_flag=True,
            help="The server takes columns by position, in the order of DATA.",
        ),
        click.option("--batch-size", type=click.IntRange(1), help="Rows sent at a time."),
        click.option(
            "--cache", help="Prediction log: what it holds is not asked again, also after a crash."
        ),
        click.option(
            "--trust-pickle",
            is_flag=True,
            help="Open a pickled model, which runs code from the file.",
        ),
    )(command)


def data_options(command: Command) -> Command:
    """Add options about the data and what they are compared with."""
    background = click.option(
        "--background", help="Reference rows: a file like DATA. None: rows of DATA."
    )
    return _all(background, column_options)(command)


def column_options(command: Command) -> Command:
    """Add options about what is read of the data."""
    return _all(
        click.option("--labels", help="Column of DATA that holds the true answers."),
        click.option("--columns", help="Columns to use, separated by commas."),
        click.option("--drop", help="Columns to leave out, separated by commas."),
        click.option(
            "--stdin-format",
            type=click.Choice(["csv", "tsv", "jsonl", "parquet", "npy", "npz", "txt"]),
            help="Format of what comes from stdin. None: jsonl where it begins with {, else csv.",
        ),
    )(command)


method_option = click.option(
    "--method",
    default="auto",
    show_default=True,
    type=click.Choice(["auto", "exact", "kernelshap", "lime", "occlusion", "rise"]),
    help="How rows are explained.",
)
seed_option = click.option("--seed", type=click.IntRange(0), default=0, show_default=True)


def run_options(command: Command) -> Command:
    """Add options about the run."""
    return _all(
        click.option("--budget", type=click.IntRange(1), help="Model rows of all stages at most."),
        click.option(
            "--max-seconds",
            type=click.FloatRange(0, min_open=True),
            help="Ask the model no more after this time.",
        ),
        click.option("--jobs", type=int, default=1, show_default=True, help="Workers; -1: cores."),
        seed_option,
        click.option("--dry-run", is_flag=True, help="Say what would be asked; ask nothing."),
    )(command)


def output_options(command: Command) -> Command:
    """Add options about what is written where."""
    return _all(
        click.option("-o", "--out", help="File to write; its suffix is the format; - is stdout."),
        click.option("--format", "format_", help="Format, when the suffix does not tell."),
        click.option(
            "--progress",
            type=click.Choice(["auto", "never", "json"]),
            default="auto",
            show_default=True,
        ),
        click.option("--strict", is_flag=True, help="End with code 1 when there was a warning."),
        click.option("-q", "--quiet", is_flag=True, help="Nothing on stderr but errors."),
        click.option("-v", "--verbose", count=True, help="More on errors; -vv: a traceback."),
    )(command)
