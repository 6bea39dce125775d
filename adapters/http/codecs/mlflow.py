"""The scoring server of MLflow, also behind Databricks, SageMaker and Azure ML."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from blackbox_xai._checks import check_choice
from blackbox_xai.adapters.http.codecs.base import Codec, Payload
from blackbox_xai.adapters.http.codecs.v1 import pick_output
from blackbox_xai.adapters.http.faults import Answer, Reply
from blackbox_xai.adapters.http.rows import Rows
from blackbox_xai.adapters.http.strict import (
    answer_of_list,
    check_json,
    invalid,
    parse_json,
    to_json,
)

__all__ = ["MLflow"]


@dataclass(frozen=True, kw_only=True)
class MLflow(Codec):
    """``POST /invocations``.

    Parameters
    ----------
    output : str, optional
        Which output holds the scores when the model answers records.
    form : {"split", "records", "instances", "inputs"}
        ``dataframe_split``, ``dataframe_records``, or a tensor. Rows without column names are
        sent as ``inputs`` under "split" and "records".
    params : tuple of (str, value) pairs
        Parameters passed on to the model.

    References
    ----------
    MLflow, Deploy models: the inference server's specification.

    Examples
    --------
    >>> import pandas as pd
    >>> from blackbox_xai.adapters.http.rows import as_rows
    >>> MLflow().encode(as_rows(pd.DataFrame({"a": [1.0]})), "").body
    b'{"dataframe_split":{"columns":["a"],"data":[[1.0]]}}'
    """

    form: str = "split"
    params: tuple[tuple[str, Any], ...] = ()

    named: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_choice("form", self.form, ("split", "records", "instances", "inputs"))
        check_json("params", dict(self.params))

    def path(self, path: str) -> str:
        """Return the path that ends in ``/invocations``."""
        return path if path.endswith("/invocations") else path.rstrip("/") + "/invocations"

    def ready(self, path: str) -> str:
        """Return where the server says whether it is ready."""
        return path.removesuffix("/invocations") + "/ping"

    def sends_names(self, rows: Rows) -> bool:
        """Tell whether columns travel by name."""
        return self.form in ("split", "records")

    def encode(self, rows: Rows, tag: str) -> Payload:
        """Return the request in the chosen form."""
        message = self._inputs(rows)
        if self.params:
            message["params"] = dict(self.params)
        return Payload(to_json(message))

    def _inputs(self, rows: Rows) -> dict[str, Any]:
        values = rows.to_lists()
        if not self.sends_names(rows) or rows.names is None:
            return {"instances" if self.form == "instances" else "inputs": values}
        if self.form == "split":
            return {"dataframe_split": {"columns": list(rows.names), "data": values}}
        return {"dataframe_records": [dict(zip(rows.names, r, strict=True)) for r in values]}

    def decode(self, reply: Reply, n: int, tag: str) -> Answer:
        """Return the scores of ``predictions``, or of a bare list (Azure ML)."""
        message = parse_json(reply)
        if isinstance(message, dict):
            if "predictions" not in message:
                raise invalid(f"the answer has no predictions but {sorted(message)[:5]}")
            message = message["predictions"]
        if isinstance(message, list) and message and isinstance(message[0], dict):
            if self.output is None and len(message[0]) > 1:
                return _columns(message, n)
            message = [pick_output(item, self.output) for item in message]
        return answer_of_list(message, n)


def _columns(records: list[Any], n: int) -> Answer:
    """Return the scores of a frame of scores: one column for each output."""
    names = tuple(map(str, records[0]))
    for i, record in enumerate(records):
        if not isinstance(record, dict) or tuple(map(str, record)) != names:
            raise invalid("its columns differ from those of the first row", i)
    answer = answer_of_list([list(record.values()) for record in records], n)
    return Answer(answer.scores, names=names)
