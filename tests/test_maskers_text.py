"""Texts: which tokens there are, and what the model reads when some are hidden."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import blackbox_xai as bx
from blackbox_xai.errors import InputError
from blackbox_xai.maskers.tokens import characters, sentences, words


def tokens(text: str, find: Any) -> list[str]:
    return [text[start:stop] for start, stop in find(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Don't stop, it's 9 o\u2019clock_now!",
            ["Don't", "stop", "it's", "9", "o\u2019clock_now"],
        ),
        ("東京は大きい", list("東京は大きい")),
        ("naïve cafe\u0301", ["naïve", "cafe\u0301"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("ok 👍🏽 👨‍👩‍👧 🇩🇪🇫🇷", ["ok", "👍🏽", "👨‍👩‍👧", "🇩🇪", "🇫🇷"]),
        ("мир, δέντρο", ["мир", "δέντρο"]),
        ("'quoted'", ["quoted"]),
        ("", []),
        ("!!! ...", []),
    ],
)
def test_words_of_any_script(text: str, expected: list[str]) -> None:
    assert tokens(text, words) == expected


def test_characters_and_sentences() -> None:
    assert tokens("a b\u0301!", characters) == ["a", "b\u0301", "!"]
    text = 'He said "no." Then left!\nWhy? 好。是\uff01 ...'
    assert tokens(text, sentences) == ['He said "no."', "Then left!", "Why?", "好。", "是\uff01"]


@given(
    text=st.text(max_size=60),
    seed=st.integers(0, 9),
    level=st.sampled_from(["word", "character", "sentence"]),
)
def test_what_is_kept_stays_where_it_was(text: str, seed: int, level: Any) -> None:
    masked = bx.TextMasker(level=level, mode="replace", mask_token="\0").bind(text)
    d = len(masked.feature_names)
    kept = np.random.default_rng(seed).random((1, d)) < 0.5
    assert masked.apply(np.ones(d, dtype=bool)) == [text]
    spans = [span for own in masked.layout.spans for span in own]
    assert spans == sorted(spans)
    expected, end = "", 0
    for (start, stop), keep in zip(spans, kept[0], strict=True):
        expected += text[end:start] + (text[start:stop] if keep else "\0")
        end = stop
    assert masked.apply(kept) == [expected + text[end:]]


@given(n=st.integers(1, 20), seed=st.integers(0, 9))
def test_many_texts_equal_few(n: int, seed: int) -> None:
    masked = bx.TextMasker().bind(" " + " ".join(f"w{i}" for i in range(n)) + ".")
    kept = np.random.default_rng(seed).random((300, n)) < 0.5
    assert masked.apply(kept) == [masked.apply(row)[0] for row in kept]


@pytest.mark.parametrize("text", ["", "!!!", " \n"])
def test_a_text_without_tokens_is_one_feature(text: str) -> None:
    masked = bx.TextMasker().bind(text)
    assert masked.feature_names == (text,)
    assert masked.apply([[True], [False]]) == [text, ""]
    np.testing.assert_array_equal(masked.varies, [[text != ""]])


def test_types_are_hidden_at_every_place() -> None:
    masked = bx.TextMasker(unit="type").bind("bad, bad film, Bad end")
    assert masked.feature_names == ("bad", "film", "Bad", "end")
    assert masked.apply([False, True, True, True]) == [",  film, Bad end"]
    assert masked.layout.spans[0] == ((0, 3), (5, 8))


def test_neighbouring_tokens_make_one_feature() -> None:
    masked = bx.TextMasker(n_tokens=2, mode="replace", mask_token="_").bind("a b, c d e")
    assert masked.feature_names == ("a b", "c d", "e")
    assert masked.apply([True, False, True]) == ["a b, _ _ e"]


@pytest.mark.parametrize(
    "tokenizer",
    [
        r"\S+",
        re.compile(r"\S+"),
        str.split,
        lambda text: [match.span() for match in re.finditer(r"\S+", text)],
    ],
)
def test_tokenizers_of_the_user(tokenizer: Any) -> None:
    masked = bx.TextMasker(tokenizer).bind(" one, two,  one! ")
    assert masked.feature_names == ("one,", "two,", "one!")
    assert masked.apply([True, False, True]) == [" one,   one! "]


@pytest.mark.parametrize("bad", [["two", "one"], ["##ne"], [(0, 99)], [(3, 2)], [(0, 2), (1, 3)]])
def test_tokens_that_are_not_in_the_text_are_refused(bad: Any) -> None:
    with pytest.raises(InputError, match="which does not stand in the text after character"):
        bx.TextMasker(lambda text: bad).bind("one two")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"level": "line"}, "level must be one of 'word', 'character', 'sentence'"),
        ({"unit": "stem"}, "unit must be one of 'position', 'type'"),
        ({"mode": "blur"}, "mode must be one of 'drop', 'replace'"),
        ({"n_tokens": 0}, "n_tokens must be at least 1"),
        ({"n_tokens": 2, "unit": "type"}, "n_tokens must be 1 when unit is 'type'"),
        ({"mask_token": 3}, "mask_token must be a text, got 3"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        bx.TextMasker(**settings)


@pytest.mark.parametrize("x", [None, 3, ["a"], b"a", float("nan")])
def test_only_texts_are_bound(x: Any) -> None:
    with pytest.raises(InputError, match="x must be one text, got"):
        bx.TextMasker().bind(x)


def test_settings_are_described() -> None:
    described = bx.TextMasker(r"\w+", mode="replace").describe()
    assert described["tokenizer"] == r"\w+"
    assert described["mask_token"] == "[MASK]"


def test_joiners_that_show_nothing_stay_inside_words() -> None:
    text = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645 now"
    assert bx.TextMasker().bind(text).feature_names == tuple(text.split())
