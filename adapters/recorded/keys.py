"""A key for the content of each row, so that equal rows are known again."""

from __future__ import annotations

import hashlib
import struct
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import shown
from blackbox_xai._inputs import columns, is_frame
from blackbox_xai.errors import InputError

__all__ = ["KEY_BYTES", "row_keys"]

KEY_BYTES = 16
_SCHEMA_BYTES = 8
_CHUNK_BYTES = 4 << 20


def row_keys(inputs: Any) -> list[bytes]:
    """Return the BLAKE2b hash, 16 bytes, of the content of each row.

    Equal rows have equal keys: -0.0 counts as 0.0. Rows that a model could tell apart have
    different keys: types and column names count, so ``1``, ``1.0`` and ``"1"`` differ.

    Parameters
    ----------
    inputs : array, frame, sparse matrix or list
        ``n`` rows.

    Returns
    -------
    list of bytes
        ``n`` keys.

    Raises
    ------
    InputError
        When a row holds something that has no content of its own, such as a function.

    References
    ----------
    Aumasson, Neves, Wilcox-O'Hearn and Winnerlein (2013), "BLAKE2: simpler, smaller, fast as
    MD5". RFC 7693.

    Examples
    --------
    >>> import numpy as np
    >>> a, b, c = row_keys(np.array([[0.0, 1.0], [-0.0, 1.0], [2.0, 1.0]]))
    >>> a == b, a == c
    (True, False)
    """
    if is_frame(inputs):
        return _of_frame(inputs)
    if hasattr(inputs, "tocsr"):
        return _of_sparse(inputs)
    if isinstance(inputs, np.ndarray) and inputs.dtype.kind in "fiub":
        return _of_matrix(f"array {inputs.dtype.str} {inputs.shape[1:]}", [inputs])
    return [_digest(_encoded(item)) for item in inputs]


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=KEY_BYTES).digest()


def _of_matrix(schema: str, blocks: list[NDArray[Any]]) -> list[bytes]:
    """Return the keys of rows that lie in numeric blocks ``(n, ...)`` side by side."""
    mark = hashlib.blake2b(schema.encode(), digest_size=_SCHEMA_BYTES).digest()
    widths = [int(np.prod(block.shape[1:])) * block.dtype.itemsize for block in blocks]
    step = max(_CHUNK_BYTES // (_SCHEMA_BYTES + sum(widths)), 1)
    keys: list[bytes] = []
    for start in range(0, len(blocks[0]), step):
        keys += _of_chunk(mark, [block[start : start + step] for block in blocks], widths)
    return keys


def _of_chunk(mark: bytes, blocks: list[NDArray[Any]], widths: list[int]) -> list[bytes]:
    n = len(blocks[0])
    content = np.empty((n, _SCHEMA_BYTES + sum(widths)), dtype=np.uint8)
    content[:, :_SCHEMA_BYTES] = np.frombuffer(mark, np.uint8)
    at = _SCHEMA_BYTES
    for block, width in zip(blocks, widths, strict=True):
        plain = block + block.dtype.type(0) if block.dtype.kind == "f" else block  # -0.0 -> 0.0
        flat = np.ascontiguousarray(plain).reshape(n, -1)
        content[:, at : at + width] = flat.view(np.uint8).reshape(n, width)
        at += width
    raw, step, blake = content.tobytes(), content.shape[1], hashlib.blake2b
    return [
        blake(raw[i : i + step], digest_size=KEY_BYTES).digest() for i in range(0, len(raw), step)
    ]


def _of_frame(frame: Any) -> list[bytes]:
    """Return the keys of the rows of a frame; names and types of the columns count."""
    names = [str(name) for name in columns(frame)]
    cells = [_column(frame, j) for j in range(len(names))]
    schema = repr(("frame", names, [column.dtype.str for column in cells]))
    numeric = [column for column in cells if column.dtype.kind in "fiubmM"]
    keys = _of_matrix(schema, numeric or [np.zeros(len(frame), np.uint8)])
    others = [column.tolist() for column in cells if column.dtype.kind not in "fiubmM"]
    if not others:
        return keys
    return [
        _digest(key + b"".join(map(_encoded, row)))
        for key, row in zip(keys, zip(*others, strict=True), strict=True)
    ]


def _column(frame: Any, j: int) -> NDArray[Any]:
    """Return column ``j`` as an array of numbers, or of objects."""
    column = frame.iloc[:, j] if hasattr(frame, "iloc") else frame[:, j]
    cells = np.asarray(column.to_numpy())
    return cells if cells.dtype.kind in "fiubmM" else cells.astype(object)


def _of_sparse(matrix: Any) -> list[bytes]:
    """Return the keys of the rows of a sparse matrix: the places and values that are not 0."""
    rows = matrix.tocsr(copy=True)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    schema = repr(("sparse", rows.dtype.str, rows.shape[1])).encode()
    places = rows.indices.astype(np.int64)
    ends = rows.indptr.tolist()
    return [
        _digest(schema + places[a:b].tobytes() + rows.data[a:b].tobytes())
        for a, b in pairwise(ends)
    ]


def _encoded(value: Any) -> bytes:
    """Return the type and content of one value; the length first, so that values do not run on."""
    if isinstance(value, str):
        kind, content = b"s", value.encode("utf-8", "surrogatepass")
    elif value is None:
        kind, content = b"n", b""
    elif isinstance(value, bool | np.bool_):
        kind, content = b"b", b"\x01" if value else b"\x00"
    elif isinstance(value, int | np.integer):
        kind, content = b"i", str(int(value)).encode()
    elif isinstance(value, float | np.floating):
        kind, content = b"f", struct.pack("<d", float(value) + 0.0)
    else:
        kind, content = _encoded_other(value)
    return kind + len(content).to_bytes(8, "little") + content


def _encoded_other(value: Any) -> tuple[bytes, bytes]:
    if isinstance(value, bytes):
        return b"y", value
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        return b"a", _of_matrix(f"{value.dtype.str} {value.shape}", [value[None]])[0]
    if isinstance(value, list | tuple | np.ndarray):
        return b"l", b"".join(map(_encoded, value))
    if isinstance(value, dict):
        return b"d", b"".join(_encoded(key) + _encoded(item) for key, item in value.items())
    name = type(value).__name__
    if name in ("Timestamp", "Timedelta", "datetime", "date", "timedelta", "datetime64", "Decimal"):
        return b"t", f"{name} {value!r}".encode()
    if name in ("NAType", "NaTType"):
        return b"m", name.encode()
    raise InputError(
        f"inputs hold {shown(value)} of type {name}, whose content cannot be compared. "
        "Record only models of numbers, texts, dates and arrays."
    )
