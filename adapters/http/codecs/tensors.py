"""Tensors of the Open Inference Protocol: types, casts, and their binary form."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import shown
from blackbox_xai.adapters.http.rows import Rows
from blackbox_xai.adapters.http.strict import invalid
from blackbox_xai.errors import InputError

__all__ = [
    "Tensor",
    "cast",
    "default_tensor",
    "describe",
    "from_bytes",
    "to_bytes",
    "to_json_list",
]

_TYPES = {
    "BOOL": "?",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}


@dataclass(frozen=True)
class Tensor:
    """A declared tensor: name, datatype, and shape with -1 for any length (empty: not known)."""

    name: str
    datatype: str = "FP64"
    shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.datatype not in _TYPES and self.datatype != "BYTES":
            known = ", ".join([*_TYPES, "BYTES"])
            raise InputError(f"datatype must be one of {known}, got {shown(self.datatype)}.")


def default_tensor(rows: Rows) -> Tensor:
    """Return the tensor to send when the server declares none."""
    array = rows.array
    return Tensor("input", "BYTES" if array.dtype == object else _closest(array.dtype))


def describe(rows: Rows) -> tuple[Tensor, ...]:
    """Return one tensor for each column of a table."""
    columns = [rows.column(j) for j in range(rows.width or 0)]
    return tuple(
        Tensor(name, "BYTES" if column.dtype == object else _closest(column.dtype))
        for name, column in zip(rows.named(), columns, strict=True)
    )


def _closest(dtype: np.dtype[Any]) -> str:
    for name, code in _TYPES.items():
        if np.dtype(code) == dtype.newbyteorder("<"):
            return name
    return "FP64"


def cast(array: NDArray[Any], tensor: Tensor) -> NDArray[Any]:
    """Return ``array`` in the declared type, or say which value does not fit.

    Raises
    ------
    InputError
        For texts where numbers are declared, fractions where integers are, and overflow.
    """
    if tensor.datatype == "BYTES":
        return array if array.dtype == object else array.astype(str).astype(object)
    if array.dtype == object:
        raise InputError(
            f"inputs column {tensor.name!r} holds texts, but the model declares {tensor.datatype}."
        )
    wanted = np.dtype(_TYPES[tensor.datatype])
    if array.dtype == wanted:
        return array
    with np.errstate(over="ignore", invalid="ignore"):
        out = array.astype(wanted)
        if wanted.kind == "f":
            bad = np.isfinite(array) & ~np.isfinite(out)
        else:
            bad = out.astype(array.dtype) != array
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        column = at[1] if array.ndim == 2 and array.shape[1] > 1 else tensor.name
        raise InputError(
            f"inputs row {at[0]}, column {column!r} is {shown(array[at].item())}, "
            f"which {tensor.datatype} cannot hold."
        )
    return out


def to_json_list(array: NDArray[Any], datatype: str) -> list[Any]:
    """Return the values in row-major order as JSON values; NaN becomes None (missing).

    Raises
    ------
    InputError
        For FP16, which has no JSON form.
    """
    if datatype == "FP16":
        raise InputError("FP16 has no JSON form. Use OpenInference(binary=True).")
    flat = array.ravel()
    if flat.dtype.kind == "f" and np.isnan(flat).any():
        return [None if value != value else value for value in flat.tolist()]
    return list(flat.tolist())


def to_bytes(array: NDArray[Any], datatype: str) -> bytes:
    """Return a tensor in little-endian row-major order; texts with their lengths before them."""
    if datatype != "BYTES":
        return np.ascontiguousarray(array, dtype=_TYPES[datatype]).tobytes()
    parts = []
    for text in array.ravel():
        if text is None:
            raise InputError("A missing text has no binary form. Fill it, or use JSON.")
        encoded = text.encode()
        parts.append(struct.pack("<I", len(encoded)) + encoded)
    return b"".join(parts)


def from_bytes(raw: bytes, datatype: Any, size: int) -> NDArray[Any]:
    """Return ``size`` numbers of a raw tensor; raises Fault when the lengths differ."""
    if datatype not in _TYPES:
        raise invalid(f"the answer has the datatype {shown(datatype)}")
    dtype = np.dtype(_TYPES[datatype])
    if len(raw) != size * dtype.itemsize:
        raise invalid(f"{len(raw)} bytes came for {size} values of {datatype}")
    return np.frombuffer(raw, dtype)
