"""Tokens of a text, hidden by dropping or replacing them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import check_choice, check_int, shown
from blackbox_xai._plain import plain
from blackbox_xai.errors import InputError
from blackbox_xai.layouts import TextLayout
from blackbox_xai.maskers.base import Bound
from blackbox_xai.maskers.tokens import (
    Spans,
    Tokenizer,
    characters,
    place_tokens,
    sentences,
    words,
)
from blackbox_xai.protocols import BoolArray, FloatArray, IntArray

__all__ = ["MaskedText", "TextMasker"]

_MANY = 256  # texts from which on a table of all maskings of eight tokens pays
_LEVELS = {"word": words, "character": characters, "sentence": sentences}


@dataclass(frozen=True)
class TextMasker:
    """Hides tokens of a text; what stands between them is kept.

    A text without any token, such as ``''`` or ``'!!!'``, has one feature: the whole text.

    Parameters
    ----------
    tokenizer : callable, str or re.Pattern, optional
        A function of a text that returns its tokens in order, as strings or as ``(start, stop)``
        pairs; or a regular expression that matches tokens. None: by ``level``.
    level : {"word", "character", "sentence"}
        What a token is when there is no tokenizer.
    unit : {"position", "type"}
        Whether every occurrence of a token is a feature of its own, or all equal tokens are
        hidden together.
    mode : {"drop", "replace"}
        Whether hidden tokens are left out, or ``mask_token`` is put in their place.
    mask_token : str
        What replaces a token.
    n_tokens : int
        Tokens next to each other that make one feature (n-grams); 1 with ``unit="type"``.

    Examples
    --------
    >>> import numpy as np
    >>> masked = TextMasker(mode="replace", mask_token="_").bind("Not bad, not bad!")
    >>> masked.feature_names
    ('Not', 'bad', 'not', 'bad')
    >>> batch = masked.allocate(1)
    >>> masked.write(batch, 0, np.array([[True, False, True, True]]), None)
    >>> masked.inputs(batch, 1)
    ['Not _, not bad!']
    """

    tokenizer: Tokenizer | str | re.Pattern[str] | None = None
    level: Literal["word", "character", "sentence"] = field(default="word", kw_only=True)
    unit: Literal["position", "type"] = field(default="position", kw_only=True)
    mode: Literal["drop", "replace"] = field(default="drop", kw_only=True)
    mask_token: str = field(default="[MASK]", kw_only=True)
    n_tokens: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        """Check the settings."""
        check_choice("level", self.level, _LEVELS)
        check_choice("unit", self.unit, ("position", "type"))
        check_choice("mode", self.mode, ("drop", "replace"))
        check_int("n_tokens", self.n_tokens, minimum=1)
        if not isinstance(self.mask_token, str):
            raise InputError(f"mask_token must be a text, got {shown(self.mask_token)}.")
        if self.unit == "type" and self.n_tokens > 1:
            raise InputError("n_tokens must be 1 when unit is 'type'; types have no neighbours.")

    def bind(self, x: Any) -> MaskedText:
        """Return a text with tokens that can be hidden.

        Raises
        ------
        InputError
            When ``x`` is not one text, or the tokenizer's tokens are not in it.
        """
        if not isinstance(x, str):
            raise InputError(f"x must be one text, got {shown(x)}.")
        spans = self._spans(x) or [(0, len(x))]
        tokens = [x[start:stop] for start, stop in spans]
        hidden = "" if self.mode == "drop" else self.mask_token
        if self.unit == "type":
            names = tuple(dict.fromkeys(tokens))
            place = {token: i for i, token in enumerate(names)}
            features = np.array([place[token] for token in tokens])
        else:
            n = self.n_tokens
            features = np.arange(len(tokens)) // n
            groups = [spans[i : i + n] for i in range(0, len(spans), n)]
            names = tuple(x[group[0][0] : group[-1][1]] for group in groups)
        return MaskedText(x, tuple(spans), features, names, hidden)

    def _spans(self, text: str) -> Spans:
        if self.tokenizer is None:
            return _LEVELS[self.level](text)
        if callable(self.tokenizer):
            return place_tokens(text, self.tokenizer(text))
        found = (match.span() for match in re.finditer(self.tokenizer, text))
        return [(start, stop) for start, stop in found if stop > start]

    def describe(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        return {
            "kind": "TextMasker",
            "tokenizer": plain(getattr(self.tokenizer, "pattern", self.tokenizer)),
            "level": self.level,
            "unit": self.unit,
            "mode": self.mode,
            "mask_token": self.mask_token,
            "n_tokens": self.n_tokens,
        }


@dataclass(frozen=True, eq=False)
class MaskedText(Bound):
    """One text whose tokens can be hidden; made by ``TextMasker.bind``.

    Parameters
    ----------
    text : str
    spans : tuple of (int, int)
        Place of each token.
    features : ndarray of shape (n_tokens,)
        Feature of each token.
    feature_names : tuple of str
        The tokens; a feature of several shows them with what stands between.
    hidden : str
        What stands in place of a hidden token.
    """

    text: str
    spans: tuple[tuple[int, int], ...]
    features: IntArray
    feature_names: tuple[str, ...]
    hidden: str
    soft = False
    n_fills = 1

    @property
    def fill_weights(self) -> FloatArray:
        """One fill."""
        return np.ones(1)

    @cached_property
    def _members(self) -> tuple[tuple[tuple[int, int], ...], ...]:
        """Places of the tokens of each feature."""
        members: list[list[tuple[int, int]]] = [[] for _ in self.feature_names]
        for feature, span in zip(self.features, self.spans, strict=True):
            members[feature].append(span)
        return tuple(tuple(own) for own in members)

    @property
    def varies(self) -> BoolArray:
        """Whether hiding a feature changes the text, shape ``(1, d)``."""
        return self._varies

    @cached_property
    def _varies(self) -> BoolArray:
        changed = [any(self.text[a:b] != self.hidden for a, b in own) for own in self._members]
        return np.array([changed], dtype=bool)

    @property
    def contrast(self) -> FloatArray:
        """How much text hiding a feature changes: characters of its tokens, shape ``(d,)``."""
        return np.array([float(sum(b - a for a, b in own)) for own in self._members])

    @property
    def layout(self) -> TextLayout:
        """The text, and where each feature stands in it."""
        return self._layout

    @cached_property
    def _layout(self) -> TextLayout:
        return TextLayout(self.text, self._members)

    @property
    def row_bytes(self) -> int:
        """Memory of one masked text, in bytes, at most."""
        longest = len(self.text) + len(self.hidden) * len(self.spans)
        return 64 + 4 * longest

    @cached_property
    def _pieces(self) -> tuple[str, NDArray[Any], NDArray[Any]]:
        """Return the start of the text, and each token kept and hidden, with what follows it."""
        starts = [start for start, _ in self.spans] + [len(self.text)]
        kept, hidden = np.empty((2, len(self.spans)), dtype=object)
        for i, (_, stop) in enumerate(self.spans):
            kept[i] = self.text[starts[i] : starts[i + 1]]
            hidden[i] = self.hidden + self.text[stop : starts[i + 1]]
        return self.text[: starts[0]], kept, hidden

    @cached_property
    def _octets(self) -> NDArray[Any]:
        """Return every masking of each eight tokens, shape ``(ceil(n_tokens / 8), 256)``."""
        _, kept, hidden = self._pieces
        bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(bool)
        table = np.empty((-(-len(kept) // 8), 256), dtype=object)
        for i in range(len(table)):
            eight = slice(8 * i, 8 * i + 8)
            n = len(kept[eight])
            table[i] = _joined(np.where(bits[:, :n], kept[eight], hidden[eight]))
        return table

    def allocate(self, n: int) -> list[str]:
        """Return a list with room for ``n`` texts."""
        return [""] * n

    def write(
        self,
        batch: list[str],
        at: int,
        kept: BoolArray | FloatArray,
        fills: IntArray | None,  # noqa: ARG002  # a text has one fill
    ) -> None:
        """Write masked texts into ``batch`` from row ``at`` on."""
        start, shown_pieces, hidden_pieces = self._pieces
        by_token = np.asarray(kept, dtype=bool)[:, self.features]
        if len(kept) >= _MANY:
            codes = np.packbits(by_token, axis=1)
            texts = _joined(self._octets[np.arange(codes.shape[1]), codes])
        else:
            texts = _joined(np.where(by_token, shown_pieces, hidden_pieces))
        batch[at : at + len(kept)] = [start + text for text in texts] if start else texts

    def inputs(self, batch: list[str], n: int) -> list[str]:
        """Return the first ``n`` texts."""
        return batch[:n]


def _joined(pieces: NDArray[Any]) -> list[str]:
    return ["".join(row) for row in pieces.tolist()]
