"""Data from files and from stdin, in the form the library takes."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from blackbox_xai._checks import shown
from blackbox_xai.cli.exits import DataError
from blackbox_xai.cli.readers import READERS, Data, read_folder

__all__ = ["choose_columns", "read_data", "row_range"]

_MAX_BYTES = 4 << 30


def read_data(place: str, *, labels: str | None = None, stdin: str | None = None) -> Data:
    """Read a table, a text file with one document per line, or a folder of images.

    ``stdin`` names the format of what comes from there, as a suffix without the dot would.

    Raises
    ------
    DataError
        When it cannot be read; the message says where.
    """
    if place == "-":
        return _labelled(_from_stdin(stdin), labels)
    path = Path(place)
    if path.is_dir():
        return read_folder(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{place} cannot be read: {error.strerror}.") from error
    facts = {
        "name": path.name,
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    read = READERS.get(path.suffix.lower())
    if read is None:
        known = ", ".join(sorted(READERS))
        raise DataError(f"{place} must end in one of {known}, or be a folder of images.")
    data = read(content, place)
    return _labelled(replace(data, facts=facts), labels)


def _from_stdin(kind: str | None) -> Data:
    content = sys.stdin.buffer.read(_MAX_BYTES)
    guessed = "jsonl" if content.lstrip()[:1] == b"{" else "csv"
    return READERS[f".{kind or guessed}"](content, "stdin")


def _labelled(data: Data, labels: str | None) -> Data:
    """Take the column of labels out of a table."""
    if labels is None:
        return data
    _check_there(data, labels)
    values = list(_column(data, labels))
    rest = _chosen(data, drop=(labels,))
    return replace(rest, labels=[v.item() if hasattr(v, "item") else v for v in values])


def _check_there(data: Data, name: str) -> None:
    if name not in data.names:
        place = (data.facts or {}).get("name", "stdin")
        raise DataError(f"{place} has no column {shown(name)}; it has {shown(data.names)}.")


def _column(data: Data, name: str) -> Any:
    if hasattr(data.inputs, "columns"):
        return data.inputs[name]
    return data.inputs[:, data.names.index(name)]


def choose_columns(data: Data, keep: Sequence[str] = (), drop: Sequence[str] = ()) -> Data:
    """Return a table with some of its columns.

    Raises
    ------
    DataError
        When there is no such column, or one that is left is no numbers and pandas is not there.
    """
    return _numbers(_chosen(data, keep, drop))


def _numbers(data: Data) -> Data:
    """Return an array of objects as one of numbers; a frame as it is."""
    if getattr(getattr(data.inputs, "dtype", None), "kind", "") != "O":
        return data
    for name in data.names:
        other = next((v for v in _column(data, name) if not isinstance(v, int | float)), None)
        if other is not None:
            place = (data.facts or {}).get("name", "stdin")
            raise DataError(
                f"{place}: column {shown(name)} holds {shown(other)}, which is no number; reading "
                "it needs pandas: pip install pandas."
            )
    return replace(data, inputs=data.inputs.astype("float64"))


def _chosen(data: Data, keep: Sequence[str] = (), drop: Sequence[str] = ()) -> Data:
    """Return some of the columns, whatever they hold."""
    if not keep and not drop:
        return data
    for name in (*keep, *drop):
        _check_there(data, name)
    names = tuple(n for n in (keep or data.names) if n not in drop)
    if hasattr(data.inputs, "columns"):
        return replace(data, inputs=data.inputs[list(names)], names=names)
    places = [data.names.index(name) for name in names]
    return replace(data, inputs=data.inputs[:, places], names=names)


def row_range(text: str, n: int) -> range:
    """Return the rows that ``start:stop``, or one number, names.

    Examples
    --------
    >>> row_range("2:5", 10), row_range("7", 10), row_range(":", 3)
    (range(2, 5), range(7, 8), range(0, 3))
    """
    start, colon, stop = text.partition(":")
    try:
        first = int(start) if start else 0
        last = (int(stop) if stop else n) if colon else first + 1
    except ValueError:
        raise DataError(f"rows must be written as 0:20 or 7, got {shown(text)}.") from None
    if not 0 <= first < last <= n:
        raise DataError(f"rows must lie within 0:{n}, got {shown(text)}.")
    return range(first, last)
