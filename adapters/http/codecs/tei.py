"""text-embeddings-inference: sequence classification with batches."""

from __future__ import annotations

from dataclasses import dataclass

from blackbox_xai.adapters.http.codecs.base import Codec, Payload
from blackbox_xai.adapters.http.codecs.huggingface import texts_of
from blackbox_xai.adapters.http.faults import Answer, Reply
from blackbox_xai.adapters.http.rows import Rows
from blackbox_xai.adapters.http.strict import labelled, parse_json, to_json

__all__ = ["TextEmbeddings"]


@dataclass(frozen=True, kw_only=True)
class TextEmbeddings(Codec):
    """``POST /predict`` of text-embeddings-inference.

    Every text is sent as a list of its own, ``[["a"], ["b"]]``: the server takes a plain list of
    two texts for a pair, not for a batch.

    Parameters
    ----------
    labels : tuple of str
        Labels in the order of the outputs; found in ``/info``. Empty: sorted.
    raw_scores : bool
        Ask for logits instead of probabilities.

    References
    ----------
    Hugging Face, text-embeddings-inference: OpenAPI description.

    Examples
    --------
    >>> from blackbox_xai.adapters.http.rows import as_rows
    >>> TextEmbeddings().encode(as_rows(["a", "b"]), "").body
    b'{"inputs":[["a"],["b"]],"raw_scores":false,"truncate":false}'
    """

    labels: tuple[str, ...] = ()
    raw_scores: bool = False

    def path(self, path: str) -> str:
        """Return the path that ends in ``/predict``."""
        return path if path.endswith("/predict") else path.rstrip("/") + "/predict"

    def ready(self, path: str) -> str:
        """Return where the server says whether it is ready."""
        return path.removesuffix("/predict") + "/health"

    def encode(self, rows: Rows, tag: str) -> Payload:
        """Return the request."""
        texts = [[text] for text in texts_of(rows)]
        return Payload(to_json({"inputs": texts, "raw_scores": self.raw_scores, "truncate": False}))

    def decode(self, reply: Reply, n: int, tag: str) -> Answer:
        """Return the scores in the order of the labels."""
        return labelled(parse_json(reply), n, order=self.labels or None)
