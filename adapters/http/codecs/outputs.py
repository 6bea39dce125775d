"""The answer of an Open Inference server: its outputs, in JSON or in bytes behind it."""

from __future__ import annotations

from typing import Any

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai.adapters.http.codecs import tensors
from blackbox_xai.adapters.http.codecs.texts import classified, texts_from_bytes
from blackbox_xai.adapters.http.faults import Answer, Reply
from blackbox_xai.adapters.http.strict import answer_of_flat, invalid, parse_json

__all__ = ["LENGTH", "scores_of", "split_reply", "with_bytes"]

LENGTH = "Inference-Header-Content-Length"


def split_reply(reply: Reply) -> tuple[Any, bytes]:
    """Return the JSON part and the raw tensors that follow it."""
    length = reply.header(LENGTH)
    if not length:
        return parse_json(reply), b""
    if not length.isdigit() or int(length) > len(reply.body):
        raise invalid(f"{LENGTH} is {shown(length)} for {len(reply.body)} bytes")
    cut = int(length)
    return parse_json(Reply(reply.status, reply.headers, reply.body[:cut])), reply.body[cut:]


def with_bytes(outputs: list[Any], rest: bytes) -> list[tuple[dict[str, Any], bytes | None]]:
    """Return each output with its raw bytes, or None where its data is JSON."""
    pairs: list[tuple[dict[str, Any], bytes | None]] = []
    at = 0
    for output in outputs:
        if not isinstance(output, dict):
            raise invalid(f"an output is {shown(output)}, not an object")
        parameters = output.get("parameters")
        size = parameters.get("binary_data_size") if isinstance(parameters, dict) else None
        if size is None:
            pairs.append((output, None))
            continue
        if type(size) is not int or size < 0 or at + size > len(rest):
            raise invalid(f"binary_data_size is {shown(size)}; {len(rest) - at} bytes are left")
        pairs.append((output, rest[at : at + size]))
        at += size
    if at != len(rest):
        raise invalid(f"{len(rest) - at} bytes belong to no output")
    return pairs


def scores_of(output: dict[str, Any], raw: bytes | None, n: int) -> Answer:
    """Return the scores of one output for ``n`` rows; raises Fault when it holds none."""
    shape, datatype = output.get("shape"), output.get("datatype")
    if not isinstance(shape, list) or not all(type(size) is int and size >= 0 for size in shape):
        raise invalid(f"the shape of output {shown(output.get('name'))} is {shown(shape)}")
    if not shape or shape[0] != n:
        raise invalid(f"the answer has shape {shape} for the {n} rows sent")
    size = 1
    for side in shape:
        size *= side
    if datatype == "BYTES" and raw is not None:
        return classified(texts_from_bytes(raw, size), n)
    if raw is not None:
        values = tensors.from_bytes(raw, datatype, size)
        scores = values.astype(np.float64).reshape(n, -1)
        return Answer(scores, hard=values.dtype.kind in "iu" and size == n)
    data = output.get("data")
    flat = _flat(data) if isinstance(data, list) else data
    if isinstance(flat, list) and list in set(map(type, flat)):
        raise invalid("the answer is ragged")
    if not isinstance(flat, list) or len(flat) != size:
        got = len(flat) if isinstance(flat, list) else shown(data)
        raise invalid(f"the answer has {got} values for shape {shape}")
    if datatype == "BYTES":
        return classified(flat, n)
    answer = answer_of_flat(flat, n)
    return Answer(answer.scores, hard=str(datatype).lstrip("U").startswith("INT") and size == n)


def _flat(data: list[Any]) -> list[Any]:
    """Return nested lists as one; every level must be nested alike."""
    while data and isinstance(data[0], list):
        if not all(isinstance(part, list) for part in data):
            raise invalid("the answer is ragged")
        data = [value for part in data for value in part]
    return data
