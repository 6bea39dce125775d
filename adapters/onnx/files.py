"""ONNX models on their way in: what may be opened, and what is kept of it."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import shown
from blackbox_xai.adapters.onnx.proto import Graph, read_graph
from blackbox_xai.errors import LoadError

__all__ = ["Source", "open_source"]

MAX_BYTES = 2 << 30  # a serialised model cannot be larger
_MAX_IR = 99  # what the runtime knows is its business; beyond this the number is garbage
_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
_MAGIC = {
    b"\x80\x02": "a pickle",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"PK\x03\x04": "a zip archive (a skops, keras or torch file?)",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip file",
    b"<!": "a web page",
    b"<h": "a web page",
    b"version https://git-lfs": "a pointer to a file that was not fetched",
}


@dataclass(frozen=True, eq=False)
class Source:
    """A model as it is kept and sent to worker processes.

    Parameters
    ----------
    name : str
        For messages: the file name, or "model".
    key : str
        sha256 of the model file, in hexadecimal.
    data : ndarray of uint8, optional
        The whole model (an array, which joblib maps into memory). None: ``path`` is opened again,
        because the model keeps weights in files beside it.
    path : str, optional
        Where the model is.
    graph : Graph
        What the file says of itself.
    """

    name: str
    key: str
    data: NDArray[np.uint8] | None = field(repr=False)
    path: str | None
    graph: Graph = field(repr=False)

    def content(self) -> bytes | str:
        """Return what a session is built from: the bytes, or a path that was checked again.

        Raises
        ------
        LoadError
            When the file changed since it was opened first.
        """
        if self.data is not None:
            return self.data.tobytes()
        path = Path(self.path or "")
        if hashlib.sha256(_read(path, MAX_BYTES)).hexdigest() != self.key:
            raise LoadError(f"{self.name} changed since it was opened. Open the model again.")
        check_external(path, self.graph.external)
        return str(path)


def open_source(source: Any, max_bytes: int = MAX_BYTES) -> Source:
    """Return a checked model.

    Parameters
    ----------
    source : path or bytes
        The model.
    max_bytes : int
        Largest size that is read.

    Raises
    ------
    LoadError
        When there is no such file, it is too large, is no ONNX model, uses operators that need a
        library of their own, or points to weights outside its folder.
    """
    path = None if isinstance(source, bytes | bytearray | memoryview) else Path(os.fsdecode(source))
    raw = bytes(source) if path is None else _read(path, max_bytes)
    name = "The ONNX model" if path is None else path.name
    if len(raw) > max_bytes:
        raise LoadError(f"{name} has {len(raw)} bytes, more than max_bytes={max_bytes}.")
    graph = _graph(name, raw)
    foreign = sorted(graph.domains - _DOMAINS)
    if foreign:
        raise LoadError(
            f"{name} uses operators of {shown(foreign)}, which need a library of their own. "
            "Register it in an onnxruntime.InferenceSession that you trust, and pass the session."
        )
    if graph.external:
        if path is None:
            raise LoadError(
                f"{name} keeps weights in other files ({shown(graph.external[0])}); "
                "pass the path of the model instead of its bytes."
            )
        check_external(path, graph.external)
    data = None if graph.external else np.frombuffer(raw, np.uint8)
    where = None if path is None else str(path.resolve())
    return Source(name, hashlib.sha256(raw).hexdigest(), data, where, graph)


def _read(path: Path, max_bytes: int) -> bytes:
    """Return the content of a regular file of limited size."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise LoadError(f"{shown(str(path))} is no file. Pass the path of an ONNX file.")
        if status.st_size > max_bytes:
            raise LoadError(
                f"{path.name} has {status.st_size} bytes, more than max_bytes={max_bytes}."
            )
        with path.open("rb") as file:
            return file.read(max_bytes + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise LoadError(f"{shown(str(path))} cannot be opened: {reason}.") from error
    except ValueError as error:  # a null byte in the path
        raise LoadError(f"{shown(str(path))} is no path.") from error


def _graph(name: str, raw: bytes) -> Graph:
    if not raw:
        raise LoadError(f"{name} is empty.")
    for magic, kind in _MAGIC.items():
        if raw.startswith(magic):
            raise LoadError(f"{name} is {kind}, not an ONNX model.")
    if raw[4:8] == b"ORTM":  # onnxruntime's own format, which it checks itself
        return Graph()
    try:
        graph = read_graph(raw)
    except ValueError as error:
        raise LoadError(f"{name} is not an ONNX model, or {error}.") from error
    if not 0 <= graph.ir_version <= _MAX_IR:
        raise LoadError(f"{name} is not an ONNX model: its format version is {graph.ir_version}.")
    return graph


def check_external(path: Path, locations: list[str]) -> None:
    """Allow weights only in regular files of the model's folder, reached by no link.

    The runtime itself accepts a hard link, through which a model could read any file.

    Raises
    ------
    LoadError
        Naming the place.
    """
    folder = path.resolve().parent
    for location in sorted(set(locations)):
        place = Path(location)
        if place.is_absolute() or ".." in place.parts or "\\" in location or ":" in location:
            raise LoadError(f"{path.name} points to weights outside its folder: {shown(location)}.")
        full = folder / place
        if full.resolve() != full:
            raise LoadError(f"{path.name} points to weights through a link: {shown(location)}.")
        try:
            status = full.lstat()
        except OSError as error:
            raise LoadError(f"{path.name} misses its weights: {shown(location)}.") from error
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            raise LoadError(f"{path.name} points to weights through a link: {shown(location)}.")
