"""Results to files and to stdout; the suffix or ``--format`` says how."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import click

from blackbox_xai._format import clean_text, cut_text
from blackbox_xai._plain import plain

__all__ = ["chosen_format", "table_text", "write_columns", "write_text"]

Columns = dict[str, list[Any]]
_CELL = 40


def chosen_format(out: str | None, given: str | None, known: tuple[str, ...]) -> str:
    """Return the format that ``--format`` or the suffix of ``--out`` names.

    Without either, a table for people; to ``-``, JSON.
    """
    if given is not None:
        found = given
    elif out is None:
        found = "table"
    elif out == "-":
        found = "json"
    else:
        found = Path(out).suffix.lower().lstrip(".")
    if found not in known:
        raise click.UsageError(f"output must be one of {', '.join(known)}, got {found!r}.")
    return found


def write_text(text: str, out: str | None) -> None:
    """Write text to a file, or to stdout for None and ``-``."""
    if out is None or out == "-":
        try:
            sys.stdout.buffer.write(text.encode("utf-8"))
            if not text.endswith("\n"):
                sys.stdout.buffer.write(b"\n")
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # Whoever read our output has enough: nothing to say, and nothing to flush at the end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    Path(out).write_bytes(text.encode("utf-8"))


def write_columns(columns: Columns, out: str | None, kind: str) -> None:
    """Write columns of equal length as csv, json, parquet or a table for people."""
    if kind == "parquet":
        from blackbox_xai._export import save_table

        if out is None or out == "-":
            raise click.UsageError("parquet needs a file: pass -o FILE.parquet.")
        save_table(columns, Path(out))
    elif kind == "csv":
        write_text(_csv(columns), out)
    elif kind == "json":
        records = [
            dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)
        ]
        write_text(json.dumps(plain(records), ensure_ascii=True, allow_nan=False), out)
    else:
        write_text(table_text(columns), out)


def _csv(columns: Columns) -> str:
    from blackbox_xai._export import csv_cell

    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([csv_cell(name) for name in columns])
    for cells in zip(*columns.values(), strict=True):
        writer.writerow([csv_cell(cell) for cell in cells])
    return file.getvalue()


def table_text(columns: Columns) -> str:
    """Return columns as aligned text, numbers to four digits, nothing that a terminal obeys.

    Examples
    --------
    >>> print(table_text({"row": [0, 10], "name": ["a", "b"]}))
    row  name
      0  a
     10  b
    """
    cells = {name: [_cell(value) for value in column] for name, column in columns.items()}
    lines = [""] * (1 + max((len(column) for column in cells.values()), default=0))
    for name, column in cells.items():
        head = _cell(name)
        width = max(len(text) for text in [head, *column])
        right = all(isinstance(v, int | float | None) for v in columns[name])
        for i, text in enumerate([head, *column]):
            lines[i] += (text.rjust(width) if right else text.ljust(width)) + "  "
    return "\n".join(line.rstrip() for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return cut_text(clean_text(value), _CELL)
