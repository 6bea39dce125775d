"""Readers of files, one for each suffix, and of folders of images."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blackbox_xai._checks import shown
from blackbox_xai.cli.exits import DataError

__all__ = ["READERS", "Data", "read_folder"]

_IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_TRUTHS = {"true": True, "false": False}


@dataclass(frozen=True, eq=False)
class Data:
    """Inputs and what is known of them.

    Parameters
    ----------
    inputs : array, frame or list
        Rows of a table, images, or texts.
    names : tuple of str
        Names of columns; empty for texts and images.
    labels : list or None
        Labels taken out of the table.
    facts : dict
        Name, size and SHA-256 of the file, for reports; None for stdin.
    """

    inputs: Any
    names: tuple[str, ...] = ()
    labels: list[Any] | None = None
    facts: dict[str, Any] | None = None


def _text(content: bytes, place: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{place} is not UTF-8 text: byte {error.start} cannot be read.") from error


def _csv(content: bytes, place: str, delimiter: str = ",") -> Data:
    rows = _cells(_text(content, place), delimiter, place)
    if len(rows) < 2:
        raise DataError(f"{place} must have a line of names and at least one row.")
    header, *cells = rows
    if len(header) == 1 and ";" in header[0]:
        raise DataError(
            f"{place} has semicolons between its cells; expected commas, or tabs in a .tsv file."
        )
    for number, row in enumerate(cells, start=2):
        if len(row) != len(header):
            raise DataError(
                f"{place}: line {number} has {len(row)} cells; the first line has {len(header)}."
            )
    columns = {name: [row[j] for row in cells] for j, name in enumerate(header)}
    if len(columns) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise DataError(f"{place} has two columns named {shown(twice)}.")
    return _table({name: _typed(column) for name, column in columns.items()})


def _cells(text: str, delimiter: str, place: str) -> list[list[str]]:
    """Return the cells of each line that has any; a cell may be as long as the file."""
    limit = csv.field_size_limit(len(text) + 1)
    try:
        return [row for row in csv.reader(io.StringIO(text), delimiter=delimiter) if row]
    except csv.Error as error:
        raise DataError(f"{place} is not a table of cells: {error}.") from error
    finally:
        csv.field_size_limit(limit)


def _tsv(content: bytes, place: str) -> Data:
    return _csv(content, place, "\t")


def _typed(column: list[str]) -> list[Any]:
    """Return numbers or truth values when every cell is one; empty cells are missing."""
    try:
        return [float(cell) if cell.strip() else float("nan") for cell in column]
    except ValueError:
        truths = [_TRUTHS.get(cell.strip().lower(), cell or None) for cell in column]
        known = all(truth is None or isinstance(truth, bool) for truth in truths)
        return truths if known else [cell or None for cell in column]


def _jsonl(content: bytes, place: str) -> Data:
    records: list[dict[str, Any]] = []
    for number, line in enumerate(_text(content, place).splitlines(), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise DataError(f"{place}: line {number} is not JSON: {error}.") from error
        if isinstance(record, str):
            record = {"text": record}
        if not isinstance(record, dict) or (records and record.keys() != records[0].keys()):
            raise DataError(f"{place}: line {number} must hold the same fields as the first line.")
        records.append(record)
    if not records:
        raise DataError(f"{place} holds no rows.")
    columns = {str(name): [record[name] for record in records] for name in records[0]}
    if list(columns) == ["text"]:
        return Data([str(text) for text in columns["text"]])
    return _table(columns)


def _table(columns: dict[str, list[Any]]) -> Data:
    """Return a pandas frame, or an array of objects when pandas is not there."""
    names = tuple(columns)
    try:
        import pandas
    except ImportError:
        import numpy as np

        return Data(np.array(list(columns.values()), dtype=object).T, names)
    return Data(pandas.DataFrame(columns), names)


def _parquet(content: bytes, place: str) -> Data:
    try:
        from pyarrow import parquet
    except ImportError:
        raise DataError(f"{place} needs pyarrow: pip install pyarrow.") from None
    try:
        table = parquet.read_table(io.BytesIO(content))
    except (ValueError, OSError) as error:
        raise DataError(f"{place} is not a parquet file: {error}.") from error
    return _table({name: table[name].to_pylist() for name in table.column_names})


def _npy(content: bytes, place: str) -> Data:
    import numpy as np

    try:
        found = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{place} is not an array that can be read safely: {error}.") from error
    if isinstance(found, np.ndarray):
        return Data(found)
    names = found.files
    if "x" not in names and len(names) != 1:
        raise DataError(f"{place} must hold one array, or one named x; it has {shown(names)}.")
    labels = found["y"].tolist() if "y" in names else None
    return Data(found["x" if "x" in names else names[0]], labels=labels)


def _lines(content: bytes, place: str) -> Data:
    lines = [line for line in _text(content, place).splitlines() if line.strip()]
    if not lines:
        raise DataError(f"{place} holds no text.")
    return Data(lines)


def read_folder(path: Path) -> Data:
    """Return the images of a folder, by name; one array where all have one size.

    Raises
    ------
    DataError
        When there are none, or a file is not an image.
    """
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    files = sorted(file for file in path.iterdir() if file.suffix.lower() in _IMAGES)
    if not files:
        raise DataError(f"{path} holds no images ({', '.join(_IMAGES)}).")
    images = []
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(content)
        try:
            images.append(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")))
        except (UnidentifiedImageError, OSError) as error:
            raise DataError(f"{file.name} is not an image: {error}.") from error
    same = len({image.shape for image in images}) == 1
    facts = {"name": path.name, "files": len(files), "sha256": digest.hexdigest()}
    return Data(np.stack(images) if same else images, facts=facts)


READERS: dict[str, Callable[[bytes, str], Data]] = {
    ".csv": _csv,
    ".tsv": _tsv,
    ".parquet": _parquet,
    ".jsonl": _jsonl,
    ".npy": _npy,
    ".npz": _npy,
    ".txt": _lines,
}
