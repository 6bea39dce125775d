"""The Open Inference Protocol (KServe v2): Triton, MLServer, KServe, OpenVINO, Seldon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from blackbox_xai._checks import shown
from blackbox_xai.adapters.http.codecs import tensors
from blackbox_xai.adapters.http.codecs.base import Codec, Payload
from blackbox_xai.adapters.http.codecs.outputs import LENGTH, scores_of, split_reply, with_bytes
from blackbox_xai.adapters.http.codecs.tensors import Tensor
from blackbox_xai.adapters.http.faults import Answer, Fault, Reply, Verdict
from blackbox_xai.adapters.http.rows import Rows
from blackbox_xai.adapters.http.strict import invalid, to_json
from blackbox_xai.errors import AnswerError, InputError

__all__ = ["OpenInference"]


@dataclass(frozen=True, kw_only=True)
class OpenInference(Codec):
    """Open Inference Protocol over HTTP, with JSON or binary tensors.

    Parameters
    ----------
    output : str, optional
        Name of the output that holds the scores; needed when the model has several, and for
        servers that answer labels unless asked (MLServer: ``output="predict_proba"``).
    inputs : tuple of Tensor
        Declared inputs. Empty: one FP64 tensor named ``input``, or, for a table of mixed types,
        one tensor for each column.
    binary : bool
        Send and ask for raw tensors; the server must know the binary tensor extension.

    References
    ----------
    Open Inference Protocol, specification of the REST protocol and of its binary tensor data
    extension, 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from blackbox_xai.adapters.http.rows import as_rows
    >>> OpenInference(output="p").encode(as_rows(np.ones((1, 2))), "a").body.decode()
    '{"id":"a","inputs":[{"name":"input","shape":[1,2],"datatype":"FP64","data":[1.0,1.0]}],"outputs":[{"name":"p"}]}'
    """

    inputs: tuple[Tensor, ...] = ()
    binary: bool = False

    def path(self, path: str) -> str:
        """Return the path with ``/infer`` at its end."""
        return path if path.endswith("/infer") else path.rstrip("/") + "/infer"

    def ready(self, path: str) -> str:
        """Return where the server says whether the model is ready."""
        return path.removesuffix("/infer") + "/ready"

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Columns that the server declares: its inputs, when there are several."""
        return tuple(t.name for t in self.inputs) if len(self.inputs) > 1 else None

    def sends_names(self, rows: Rows) -> bool:
        """Tell whether each column is a tensor of its own."""
        return len(self.inputs) > 1 or (not self.inputs and rows.columns is not None)

    def prepare(self, rows: Rows) -> Rows:
        """Return the rows cast to the declared datatypes."""
        pieces = self._pieces(rows)
        if len(pieces) == 1 and rows.columns is None:
            array = pieces[0][1]
            return Rows(data=array.reshape(rows.array.shape), names=rows.names)
        return Rows(columns=tuple(array[:, 0] for _, array in pieces), names=rows.names)

    def encode(self, rows: Rows, tag: str) -> Payload:
        """Return the request, JSON or binary."""
        pieces = self._pieces(rows)
        header: dict[str, Any] = {"id": tag, "inputs": []}
        chunks: list[bytes] = []
        for tensor, array in pieces:
            entry: dict[str, Any] = {
                "name": tensor.name,
                "shape": list(array.shape),
                "datatype": tensor.datatype,
            }
            if self.binary:
                chunks.append(tensors.to_bytes(array, tensor.datatype))
                entry["parameters"] = {"binary_data_size": len(chunks[-1])}
            else:
                entry["data"] = tensors.to_json_list(array, tensor.datatype)
            header["inputs"].append(entry)
        if self.output is not None:
            header["outputs"] = [{"name": self.output}]
        if not self.binary:
            return Payload(to_json(header))
        header["parameters"] = {"binary_data_output": True}
        head = to_json(header)
        kind = {"Content-Type": "application/octet-stream", LENGTH: str(len(head))}
        return Payload(b"".join([head, *chunks]), kind)

    def _pieces(self, rows: Rows) -> list[tuple[Tensor, NDArray[Any]]]:
        """Return the tensors to send, each cast to its declared type."""
        if self.sends_names(rows):
            declared = self.inputs or tensors.describe(rows)
            if rows.width != len(declared):
                raise InputError(
                    f"inputs must have {len(declared)} columns, one for each tensor, "
                    f"got {rows.width}."
                )
            return [(t, tensors.cast(rows.column(j)[:, None], t)) for j, t in enumerate(declared)]
        tensor = self.inputs[0] if self.inputs else tensors.default_tensor(rows)
        array = rows.array
        if array.dtype == object and len(tensor.shape) != 1:
            array = array[:, None]
        _check_shape(array, tensor)
        return [(tensor, tensors.cast(array, tensor))]

    def decode(self, reply: Reply, n: int, tag: str) -> Answer:
        """Return the scores of the named output, or of the only one."""
        message, rest = split_reply(reply)
        if not isinstance(message, dict) or not isinstance(message.get("outputs"), list):
            raise invalid(f"the answer has no outputs: {shown(message)}")
        if message.get("id") not in (None, "", tag):
            raise invalid(f"the answer belongs to another request: id {shown(message['id'])}")
        outputs = with_bytes(message["outputs"], rest)
        output, raw = self._choose(outputs)
        version = message.get("model_version")
        answer = scores_of(output, raw, n)
        return Answer(
            answer.scores, answer.names, None if version is None else str(version), answer.hard
        )

    def _choose(
        self, outputs: Sequence[tuple[dict[str, Any], bytes | None]]
    ) -> tuple[dict[str, Any], bytes | None]:
        names = [output.get("name") for output, _ in outputs]
        if self.output is not None:
            if self.output not in names:
                raise _stop(f"The model has no output {self.output!r}; it has {shown(names)}")
            return outputs[names.index(self.output)]
        if len(outputs) != 1:
            raise _stop(f"The model has several outputs {shown(names)}; name one with output=...")
        return outputs[0]


def _stop(reason: str) -> Fault:
    return Fault(Verdict.STOP, reason, sent=True, error=AnswerError)


def _check_shape(array: NDArray[Any], tensor: Tensor) -> None:
    declared = tensor.shape
    if not declared:
        return
    fits = len(declared) == array.ndim and all(
        want in (-1, got) for want, got in zip(declared[1:], array.shape[1:], strict=True)
    )
    if not fits:
        raise InputError(
            f"inputs must have shape {list(declared)} (-1: any) for the model's input "
            f"{tensor.name!r}, got {list(array.shape)}."
        )


def tensors_of(described: Any) -> tuple[Tensor, ...]:
    """Return the tensors that a server's metadata lists."""
    found = []
    for entry in described if isinstance(described, list) else []:
        if not isinstance(entry, dict) or "name" not in entry:
            return ()
        shape = entry.get("shape")
        sides = _shape(shape) if isinstance(shape, list) else ()
        found.append(Tensor(str(entry["name"]), str(entry.get("datatype", "FP64")), sides))
    return tuple(found)


def _shape(shape: list[Any]) -> tuple[int, ...]:
    """Return a declared shape, empty when it is not made of numbers."""
    if all(isinstance(s, int | str) and str(s).lstrip("-").isdigit() for s in shape):
        return tuple(int(s) for s in shape)
    return ()
