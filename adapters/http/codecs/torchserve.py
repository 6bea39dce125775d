"""TorchServe: the body is whatever the handler takes; by custom, instances."""

from __future__ import annotations

from dataclasses import dataclass

from blackbox_xai.adapters.http.codecs.base import Codec, Payload
from blackbox_xai.adapters.http.codecs.v1 import pick_output
from blackbox_xai.adapters.http.faults import Answer, Reply
from blackbox_xai.adapters.http.rows import Rows
from blackbox_xai.adapters.http.strict import answer_of_list, parse_json, to_json

__all__ = ["TorchServe"]


@dataclass(frozen=True, kw_only=True)
class TorchServe(Codec):
    """``POST /predictions/name`` with the JSON envelope ``{"instances": rows}``.

    The answer is a list of rows, bare or under ``predictions``. A handler with other wishes
    needs ``CustomJson``.

    Parameters
    ----------
    output : str, optional
        Which output holds the scores when rows are objects.

    References
    ----------
    TorchServe, Inference API and request envelopes.

    Examples
    --------
    >>> from blackbox_xai.adapters.http.rows import as_rows
    >>> TorchServe().encode(as_rows(["a text"]), "").body
    b'{"instances":["a text"]}'
    """

    def ready(self, path: str) -> str:
        """Return where the server says that it is up."""
        return path.partition("/predictions/")[0] + "/ping"

    def encode(self, rows: Rows, tag: str) -> Payload:
        """Return the request."""
        return Payload(to_json({"instances": rows.to_lists()}))

    def decode(self, reply: Reply, n: int, tag: str) -> Answer:
        """Return the scores."""
        message = parse_json(reply)
        if isinstance(message, dict):
            message = message.get("predictions", message)
        if isinstance(message, list) and message and isinstance(message[0], dict):
            message = [pick_output(item, self.output) for item in message]
        return answer_of_list(message, n)
