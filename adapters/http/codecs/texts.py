"""Outputs of the Open Inference Protocol that are texts: classifications, or labels."""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence

import numpy as np

from blackbox_xai.adapters.http.faults import Answer
from blackbox_xai.adapters.http.strict import hard_labels, invalid

__all__ = ["classified", "texts_from_bytes"]

_CLASS = re.compile(r"(?P<score>[^:]+):(?P<index>\d+)(?::(?P<label>.*))?", re.DOTALL)


def texts_from_bytes(raw: bytes, size: int) -> list[str]:
    """Return ``size`` texts of a raw tensor; raises Fault when the lengths differ."""
    texts = []
    at = 0
    for _ in range(size):
        if at + 4 > len(raw):
            raise invalid(f"{len(raw)} bytes came for {size} texts")
        (length,) = struct.unpack_from("<I", raw, at)
        at += 4 + length
        if at > len(raw):
            raise invalid(f"a text of {length} bytes ends after the {len(raw)} bytes that came")
        texts.append(raw[at - length : at].decode("utf-8", "replace"))
    if at != len(raw):
        raise invalid(f"{len(raw) - at} bytes belong to no text")
    return texts


def classified(texts: Sequence[object], n: int) -> Answer:
    """Return the scores of ``n`` rows of texts ``score:index[:label]``, in the order of indices.

    Triton writes an output so when its parameter ``classification`` is set: the highest score
    first. Anything else is a label, which is no score.

    Raises
    ------
    Fault
        For labels; for classes that are missing or there twice; for scores that are no numbers.

    Examples
    --------
    >>> classified(["0.75:1:ham", "0.25:0:spam"], 1)
    Answer(scores=array([[0.25, 0.75]]), names=('spam', 'ham'), version=None, hard=False)
    """
    found = [_CLASS.fullmatch(text) if isinstance(text, str) else None for text in texts]
    odd = next((i for i, match in enumerate(found) if match is None), None)
    if odd is not None or not found:
        raise hard_labels(texts[odd] if odd is not None else list(texts))
    k = len(found) // n
    scores = np.full((n, k), np.nan)
    labels: list[str | None] = [None] * k
    for i, match in enumerate(found):
        if match is None:
            continue
        row, place = i // k, int(match["index"])
        if place >= k or not np.isnan(scores[row, place]):
            raise invalid(
                f"class {place} is missing or there twice among {k}; ask for all classes", row
            )
        try:
            scores[row, place] = float(match["score"])
        except ValueError:
            raise hard_labels(texts[i]) from None
        labels[place] = match["label"]
    names = tuple(label for label in labels if label)
    return Answer(scores, names if len(names) == k else None)
