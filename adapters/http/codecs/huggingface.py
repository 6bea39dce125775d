"""Text classification as Hugging Face's inference servers speak it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from blackbox_xai._checks import shown
from blackbox_xai.adapters.http.codecs.base import Codec, Payload
from blackbox_xai.adapters.http.faults import Answer, Reply
from blackbox_xai.adapters.http.rows import Rows
from blackbox_xai.adapters.http.strict import invalid, labelled, parse_json, to_json
from blackbox_xai.errors import InputError

__all__ = ["HuggingFace"]


@dataclass(frozen=True, kw_only=True)
class HuggingFace(Codec):
    """``{"inputs": text}`` answered by ``[{"label", "score"}, ...]``, sorted by score.

    One text goes with each request unless ``batched``; scores are put into a fixed order of
    labels, and a label that is missing is an error.

    Parameters
    ----------
    labels : tuple of str
        Labels in the order of the outputs. Empty: sorted.
    top_k : int, optional
        Ask for so many labels; give their number if the server cuts its list short.
    function_to_apply : str, optional
        "softmax", "sigmoid" or "none".
    batched : bool
        The server takes a list of texts.

    References
    ----------
    Hugging Face, Inference API: text classification task specification.

    Examples
    --------
    >>> from blackbox_xai.adapters.http.rows import as_rows
    >>> HuggingFace(top_k=2).encode(as_rows(["fine"]), "").body
    b'{"inputs":"fine","parameters":{"top_k":2}}'
    """

    labels: tuple[str, ...] = ()
    top_k: int | None = None
    function_to_apply: str | None = None
    batched: bool = False

    @property
    def rows_limit(self) -> int | None:
        """One text at a time unless batched."""
        return None if self.batched else 1

    def encode(self, rows: Rows, tag: str) -> Payload:
        """Return the request."""
        texts = texts_of(rows)
        message: dict[str, Any] = {"inputs": texts if self.batched else texts[0]}
        parameters = {"top_k": self.top_k, "function_to_apply": self.function_to_apply}
        given = {name: value for name, value in parameters.items() if value is not None}
        if given:
            message["parameters"] = given
        return Payload(to_json(message))

    def decode(self, reply: Reply, n: int, tag: str) -> Answer:
        """Return the scores in the order of the labels."""
        message = parse_json(reply)
        if isinstance(message, dict) and "error" in message:
            raise invalid(f"the server reports an error: {shown(message['error'])}")
        if not isinstance(message, list):
            raise invalid(f"the answer must be a list, got {shown(message)}")
        if not self.batched:
            message = [message]
        return labelled(message, n, order=self.labels or None)


def texts_of(rows: Rows) -> list[str]:
    """Return the rows as texts, or say that they are none."""
    if not rows.texts:
        raise InputError("inputs must be texts for this protocol, got numbers.")
    return list(rows.array)
