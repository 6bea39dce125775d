"""KServe v1 and TensorFlow Serving: instances and predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from blackbox_xai._checks import check_choice, shown
from blackbox_xai.adapters.http.codecs.base import Codec, Payload
from blackbox_xai.adapters.http.faults import Answer, Fault, Reply, Verdict
from blackbox_xai.adapters.http.rows import Rows
from blackbox_xai.adapters.http.strict import answer_of_list, invalid, parse_json, to_json
from blackbox_xai.errors import AnswerError

__all__ = ["KServeV1", "pick_output"]

_FORMS = ("rows", "records", "columns", "tensor")


@dataclass(frozen=True, kw_only=True)
class KServeV1(Codec):
    """The v1 protocol of KServe and the REST API of TensorFlow Serving.

    Parameters
    ----------
    output : str, optional
        Which output holds the scores when the model has several.
    form : {"rows", "records", "columns", "tensor"}
        ``instances`` as lists of values or as objects by column name; or the column form,
        ``inputs`` as an object of columns or as one tensor.
    signature : str, optional
        ``signature_name`` of TensorFlow Serving.

    References
    ----------
    TensorFlow Serving, RESTful API; KServe, V1 inference protocol.

    Examples
    --------
    >>> from blackbox_xai.adapters.http.rows import as_rows
    >>> KServeV1().encode(as_rows([[1.0, 2.0]]), "").body
    b'{"instances":[[1.0,2.0]]}'
    """

    form: str = "rows"
    signature: str | None = None

    def __post_init__(self) -> None:
        check_choice("form", self.form, _FORMS)

    def path(self, path: str) -> str:
        """Return the path with ``:predict`` at its end."""
        return path if path.endswith(":predict") else path.rstrip("/") + ":predict"

    def sends_names(self, rows: Rows) -> bool:
        """Tell whether columns travel by name."""
        return self.form in ("records", "columns")

    def encode(self, rows: Rows, tag: str) -> Payload:
        """Return the request in the chosen form."""
        message: dict[str, Any] = {}
        if self.signature is not None:
            message["signature_name"] = self.signature
        if self.form == "columns":
            message["inputs"] = rows.to_columns()
        elif self.form == "tensor":
            message["inputs"] = rows.to_lists()
        elif self.form == "records":
            names = rows.named()
            message["instances"] = [dict(zip(names, r, strict=True)) for r in rows.to_lists()]
        else:
            message["instances"] = rows.to_lists()
        return Payload(to_json(message))

    def decode(self, reply: Reply, n: int, tag: str) -> Answer:
        """Return the scores of ``predictions`` (rows) or ``outputs`` (columns)."""
        message = parse_json(reply)
        if not isinstance(message, dict):
            raise invalid(f"the answer must be an object, got {shown(message)}")
        if "error" in message:
            raise invalid(f"the server reports an error with status 200: {shown(message['error'])}")
        if "predictions" in message:
            return answer_of_list(_of_records(message["predictions"], self.output), n)
        if "outputs" in message:
            return answer_of_list(pick_output(message["outputs"], self.output), n)
        raise invalid(f"the answer has no predictions: {shown(message)}")


def pick_output(value: Any, output: str | None) -> Any:
    """Return the named output of an object of outputs, or the only one."""
    if not isinstance(value, dict):
        return value
    if output is None and len(value) == 1:
        return next(iter(value.values()))
    if output is None or output not in value:
        have = shown(sorted(map(str, value)))
        raise Fault(
            Verdict.STOP,
            f"The model has the outputs {have}; name one of them with output=..."
            + ("" if output is None else f", not {output!r}"),
            sent=True,
            error=AnswerError,
        )
    return value[output]


def _of_records(value: Any, output: str | None) -> Any:
    """Return predictions with every object replaced by its named output."""
    if isinstance(value, dict):
        return pick_output(value, output)
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [pick_output(item, output) for item in value]
    return value
