"""What a command ends with: exit codes, and errors in one sentence."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable

import click

from blackbox_xai.errors import (
    BlackboxError,
    BudgetError,
    InputError,
    Interrupted,
    LoadError,
    LogError,
    ModelError,
)

__all__ = ["DATA", "FAILED", "INTERRUPTED", "MODEL", "PARTIAL", "USAGE", "DataError", "run_safely"]

FAILED = 1
USAGE = 2
MODEL = 3
PARTIAL = 4
DATA = 5
INTERRUPTED = 130


class DataError(BlackboxError):
    """Input data that cannot be read."""


_CODES: tuple[tuple[type[BaseException], int], ...] = (
    (DataError, DATA),
    (InputError, DATA),
    (BudgetError, PARTIAL),
    (LogError, USAGE),
    (LoadError, MODEL),
    (ModelError, MODEL),
    (Interrupted, INTERRUPTED),
    (KeyboardInterrupt, INTERRUPTED),
    (click.Abort, INTERRUPTED),
)


def run_safely(command: Callable[[], int], *, verbose: int = 0) -> int:
    """Run a command and return its exit code; errors become one sentence on stderr."""
    try:
        return command()
    except click.ClickException as error:
        error.show(file=sys.stderr)
        return USAGE
    except (BlackboxError, KeyboardInterrupt, click.Abort) as error:
        if verbose > 1:
            traceback.print_exc()
        message = str(error) or "Interrupted."
        click.echo(f"Error: {message}", err=True)
        return next(code for kind, code in _CODES if isinstance(error, kind))
