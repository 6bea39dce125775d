"""Numbers that stand for texts and images where rows are compared with one another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from blackbox_xai.plotting.image import to_rgb
from blackbox_xai.protocols import FloatArray

__all__ = ["as_columns"]

_TOPICS = 32
_SIDE = 16


def as_columns(reference: Any) -> Callable[[Any], FloatArray] | None:
    """Return a function that turns inputs like ``reference`` into columns; None for tables.

    Texts become coordinates in a latent space of word frequencies learnt on ``reference``;
    images become small grey pictures.

    Examples
    --------
    >>> as_columns(np.zeros((3, 2))) is None
    True
    >>> as_columns(np.zeros((3, 32, 32, 3)))(np.zeros((2, 32, 32, 3))).shape
    (2, 256)
    """
    if hasattr(reference, "columns"):
        return None
    first = reference[0]
    if isinstance(first, str):
        return _topics([str(text) for text in reference])
    return _grey if np.ndim(first) > 1 else None


def _topics(texts: list[str]) -> Callable[[Any], FloatArray]:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    words = TfidfVectorizer(token_pattern=r"\S+", sublinear_tf=True)
    n_words = len(words.fit(texts if any(text.strip() for text in texts) else ["-"]).vocabulary_)
    n_topics = min(_TOPICS, n_words - 1, len(texts) - 1)
    if n_topics < 2:
        return lambda inputs: np.array([[len(text), len(text.split())] for text in inputs], float)
    space = make_pipeline(words, TruncatedSVD(n_topics, random_state=0)).fit(texts)

    def columns(inputs: Any) -> FloatArray:
        return np.asarray(space.transform([str(text) for text in inputs]), dtype=np.float64)

    return columns


def _grey(inputs: Any) -> FloatArray:
    pictures = []
    for image in inputs:
        grey = to_rgb(np.asarray(image)).mean(axis=2)
        rows = np.minimum((np.arange(_SIDE) + 0.5) * grey.shape[0] / _SIDE, grey.shape[0] - 1)
        columns = np.minimum((np.arange(_SIDE) + 0.5) * grey.shape[1] / _SIDE, grey.shape[1] - 1)
        pictures.append(grey[np.ix_(rows.astype(np.intp), columns.astype(np.intp))].ravel())
    return np.stack(pictures)
