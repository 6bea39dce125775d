"""What an ONNX file says of itself, read from its bytes without the onnx package.

Only lengths are followed, so a file of hundreds of megabytes is read in milliseconds and nothing
in it is executed or unpacked. Field numbers are those of ``onnx.proto`` (ONNX 1.17).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

__all__ = ["Graph", "ZipMap", "extra_output", "read_graph"]

Field = tuple[int, "int | memoryview"]


@dataclass(frozen=True)
class ZipMap:
    """A node that turns a matrix of scores into one dictionary for each row."""

    matrix: str
    labels: tuple[str, ...]


@dataclass
class Graph:
    """Facts of a model.

    Attributes
    ----------
    ir_version : int
        Version of the format; 0 when the file does not say.
    domains : set of str
        Domains of the operators that are used and not defined by the model itself.
    external : list of str
        Places of weights that are kept in other files.
    outputs : list of str
        Names of the outputs.
    zipmaps : dict
        ``ZipMap`` of each output that is a list of dictionaries.
    makers : dict
        Output name to ``(operator, first input)`` of the node that makes it, main graph only.
    """

    ir_version: int = 0
    domains: set[str] = field(default_factory=set)
    external: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    zipmaps: dict[str, ZipMap] = field(default_factory=dict)
    makers: dict[str, tuple[str, str]] = field(default_factory=dict)

    def hidden_matrix(self) -> str | None:
        """Return the inner tensor that the only ZipMap turns into dictionaries, or None."""
        matrices = [zipmap.matrix for zipmap in self.zipmaps.values()]
        return matrices[0] if len(matrices) == 1 and matrices[0] not in self.outputs else None

    def maker(self, output: str) -> str:
        """Return the operator that makes ``output``, seen through those that only reshape."""
        for _ in range(_MAX_DEPTH):
            operator, source = self.makers.get(output, ("", ""))
            if operator not in _TRANSPARENT:
                return operator
            output = source
        return ""


_TRANSPARENT = frozenset(
    {"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze", "ZipMap"}
)
_MAX_DEPTH = 64


def read_graph(data: bytes | memoryview) -> Graph:
    """Return the facts of a serialised model.

    Raises
    ------
    ValueError
        When ``data`` is not a serialised ONNX model.
    """
    graph, has_graph = Graph(), False
    own: set[str] = set()
    for number, value in _fields(memoryview(data)):
        if number == 1 and isinstance(value, int):
            graph.ir_version = value
        elif number == 7 and isinstance(value, memoryview):
            _read_nodes(value, graph, node_field=1, depth=0)
            has_graph = True
        elif number == 25 and isinstance(value, memoryview):
            own.add(_text_of(value, 10))
            _read_nodes(value, graph, node_field=7, depth=1)
    if not has_graph:
        raise ValueError("there is no graph in it")
    graph.domains -= own
    return graph


def extra_output(name: str) -> bytes:
    """Return bytes that, appended to a model, make its float tensor ``name`` an output too.

    Serialised messages merge when they are put one after the other.
    """
    tensor_type = _message(1, _varint(1 << 3) + _varint(1))
    value_info = _message(1, name.encode()) + _message(2, tensor_type)
    return _message(7, _message(12, value_info))


def _read_nodes(data: memoryview, graph: Graph, *, node_field: int, depth: int) -> None:
    """Read nodes and weights of a graph (or of a function) into ``graph``."""
    if depth > _MAX_DEPTH:
        raise ValueError("its graphs are nested too deeply")
    for number, value in _fields(data):
        if not isinstance(value, memoryview):
            continue
        if number == node_field:
            _read_node(value, graph, depth)
        elif node_field == 1 and number == 12 and depth == 0:
            graph.outputs.append(_text_of(value, 1))
        elif node_field == 1 and number == 5:
            graph.external += _external(value)
        elif node_field == 1 and number == 15:
            graph.external += [p for _, v in _fields(value) for p in _external_of(v)]


def _read_node(data: memoryview, graph: Graph, depth: int) -> None:
    parts: dict[int, list[memoryview]] = {}
    for number, value in _fields(data):
        if isinstance(value, memoryview):
            parts.setdefault(number, []).append(value)
    inputs, outputs, operators, domains = (
        [_text(part) for part in parts.get(number, ())] for number in (1, 2, 4, 7)
    )
    operator = operators[-1] if operators else ""
    graph.domains.add(domains[-1] if domains else "")
    labels: list[str] = []
    for attribute in parts.get(5, ()):
        labels += _read_attribute(attribute, graph, depth, labelled=operator == "ZipMap")
    if depth == 0:
        for output in outputs:
            graph.makers[output] = (operator, inputs[0] if inputs else "")
        if operator == "ZipMap" and inputs and outputs:
            graph.zipmaps[outputs[0]] = ZipMap(inputs[0], tuple(labels))


# Runs of floats and integers (fields 7 and 8, one tag each) are most of a tree ensemble.
_NUMBERS = re.compile(rb"(?:\x3d.{4}|\x40[\x80-\xff]{0,9}[\x00-\x7f])+", re.DOTALL)


def _read_attribute(data: memoryview, graph: Graph, depth: int, *, labelled: bool) -> list[str]:
    """Read graphs and tensors in an attribute; return the class labels of a ZipMap."""
    labels: list[str] = []
    for number, value in _fields(data, skip=None if labelled else _NUMBERS):
        if isinstance(value, int):
            if number == 8:
                labels.append(str(value - (1 << 64) if value >> 63 else value))
        elif number in (5, 10):
            graph.external += _external(value)
        elif number in (6, 11):
            _read_nodes(value, graph, node_field=1, depth=depth + 1)
        elif number == 8:
            labels += [str(n) for n in _packed(value)]
        elif number == 9:
            labels.append(_text(value))
    return labels if labelled else []


def _external(tensor: memoryview) -> list[str]:
    """Return where the data of a tensor is kept, if it is in another file."""
    entries = {}
    for number, value in _fields(tensor):
        if number == 13 and isinstance(value, memoryview):
            entries[_text_of(value, 1)] = _text_of(value, 2)
    return [entries["location"]] if "location" in entries else []


def _external_of(value: int | memoryview) -> list[str]:
    return _external(value) if isinstance(value, memoryview) else []


def _fields(data: memoryview, skip: re.Pattern[bytes] | None = None) -> Iterator[Field]:
    """Yield ``(number, value)``: an int for numbers of variable length, else the bytes."""
    at, end = 0, len(data)
    while at < end:
        run = skip.match(data, at) if skip is not None else None
        if run is not None:
            at = run.end()
            continue
        tag, at = _read_varint(data, at)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise ValueError("it is damaged")
        if wire == 0:
            value, at = _read_varint(data, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _read_varint(data, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError("it is damaged")
        if at + size > end:
            raise ValueError("it is cut short")
        if wire == 2:
            yield number, data[at : at + size]
        at += size


def _read_varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("it is cut short")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("it is damaged")


def _packed(data: memoryview) -> list[int]:
    numbers, at = [], 0
    while at < len(data):
        value, at = _read_varint(data, at)
        numbers.append(value - (1 << 64) if value >> 63 else value)
    return numbers


def _text(data: memoryview) -> str:
    return bytes(data).decode("utf-8", "replace")


def _text_of(data: memoryview, wanted: int) -> str:
    """Return a field of a message; of one that is there twice, the last counts."""
    texts = [v for number, v in _fields(data) if number == wanted and isinstance(v, memoryview)]
    return _text(texts[-1]) if texts else ""


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _message(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload
