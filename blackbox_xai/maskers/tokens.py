"""Tokenizers: a text in, the places of its tokens out.

Words are found in any script: marks stay with their letters, and scripts that do not put spaces
between words, as well as emoji, give one token for each character.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from blackbox_xai._checks import shown
from blackbox_xai.errors import InputError

__all__ = ["Spans", "Tokenizer", "characters", "place_tokens", "sentences", "words"]

Spans = list[tuple[int, int]]
Tokenizer = Callable[[str], Sequence[Any]]

# Scripts written without spaces between words: Thai to Myanmar, Khmer, kana, Han, and beyond.
_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x3040, 0x30FF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
_WORDS = re.compile(r"w(?:[wm]|j(?=[wm])|'(?=w))*|cm*|rr?|e(?:m*je|m)*")
_CHARACTERS = re.compile(r"rr|e(?:m*je|m)*|.m*", re.DOTALL)
_SENTENCES = re.compile(
    r"[^.!?\u2026\u3002\uff01\uff1f\n]+[.!?\u2026\u3002\uff01\uff1f]*[\"')\]\u201d\u2019]*"
)


def words(text: str) -> Spans:
    """Return the places of words, single characters of unspaced scripts, and emoji.

    Examples
    --------
    >>> text = "Don't stop: 東京"
    >>> [text[a:b] for a, b in words(text)]
    ["Don't", 'stop', '東', '京']
    """
    return [match.span() for match in _WORDS.finditer(_kinds(text))]


def characters(text: str) -> Spans:
    """Return the places of characters other than space, each with its marks."""
    spans = [match.span() for match in _CHARACTERS.finditer(_kinds(text))]
    return [(a, b) for a, b in spans if not text[a:b].isspace()]


def sentences(text: str) -> Spans:
    """Return the places of sentences, with the punctuation that ends them."""
    spans = []
    for match in _SENTENCES.finditer(text):
        part = match.group()
        start = match.start() + len(part) - len(part.lstrip())
        stop = match.start() + len(part.rstrip())
        if any(c.isalnum() for c in part):
            spans.append((start, stop))
    return spans


def place_tokens(text: str, found: Sequence[Any]) -> Spans:
    """Return the places of what a user's tokenizer found: strings in order, or ``(start, stop)``.

    Raises
    ------
    InputError
        When a token is not in the text after the one before it.
    """
    spans: Spans = []
    end = 0
    for token in found:
        if isinstance(token, str):
            start = text.find(token, end)
            stop = start + len(token)
        else:
            start, stop = (int(place) for place in token)
        if not end <= start < stop <= len(text):
            raise InputError(
                f"tokenizer gave {shown(token)}, which does not stand in the text after character "
                f"{end}. It must return tokens in order, or (start, stop) pairs."
            )
        spans.append((start, stop))
        end = stop
    return spans


@lru_cache(maxsize=4096)
def _kind(character: str) -> str:
    """Return a letter for what a character does in a text."""
    code = ord(character)
    category = unicodedata.category(character)
    if category[0] == "M" or 0x1F3FB <= code <= 0x1F3FF or code == 0x200C:
        return "m"
    if code == 0x200D:
        return "j"
    if 0x1F1E6 <= code <= 0x1F1FF:
        return "r"
    if any(low <= code <= high for low, high in _UNSPACED) and category[0] == "L":
        return "c"
    if character.isalnum() or character == "_":
        return "w"
    if character in "'\u2019":
        return "'"
    return "e" if category == "So" and code >= 0x2190 else "."


def _kinds(text: str) -> str:
    return "".join(map(_kind, text))
