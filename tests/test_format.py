"""Numbers, names and units as a reader sees them, and what is folded away."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackbox_xai import _format as numbers
from blackbox_xai import plotting
from blackbox_xai.errors import InputError
from blackbox_xai.plotting.folding import dense_sample, fold, is_additive, order_by_size


@given(st.floats(allow_nan=False, allow_infinity=False), st.none() | st.floats(1e-12, 1e12))
def test_numbers_are_never_a_negative_zero_and_carry_a_true_minus(value, std_err):
    text = numbers.number(value, std_err)
    assert "-" not in text
    digits = [c for c in text if c.isdigit()]
    assert not (set(digits) <= {"0"} and "−" in text)


@given(st.floats(1e-6, 1e6), st.booleans())
def test_a_number_without_error_keeps_three_digits(value, negative):
    value = -value if negative else value
    shown = float(numbers.number(value).replace("−", "-").replace(",", ""))
    assert shown == pytest.approx(value, rel=5e-3)


def test_digits_follow_the_standard_error():
    assert numbers.number(0.123456, 0.0312) == "0.123"
    assert numbers.number(0.123456, 0.00031) == "0.12346"
    assert numbers.number(1234.5, 120.0) == "1,234"
    assert numbers.signed(-0.0000001, 0.02) == "0.000"
    assert numbers.signed(0.02, 0.02) == "+0.020"


@given(st.floats(-1e6, 1e6), st.floats(1e-4, 1e3))
def test_digits_are_right_to_a_part_of_the_standard_error(value, error):
    shown = float(numbers.number(value, error).replace("−", "-").replace(",", ""))
    assert abs(shown - value) <= 0.06 * error + 1e-9


@given(
    st.text("ab_", min_size=12, max_size=60),
    st.sets(st.text("0123", min_size=1, max_size=4), min_size=2, max_size=6),
    st.text("xyz", max_size=40),
    st.integers(16, 40),
)
def test_names_that_differ_are_told_apart_by_their_beginning(start, different, end, limit):
    names = [start + middle + "_" + end for middle in different]
    short = numbers.told_apart(names, limit)
    assert len({numbers.cut_text(name, limit) for name in short}) == len(names)
    for name, cut in zip(names, short, strict=True):
        head, _, tail = cut.partition("…")
        assert cut == name or (name.startswith(head) and name.endswith(tail))


def test_rows_of_a_plot_show_where_long_names_differ_and_their_values():
    names = [f"lifetime_value_of_product_group_{i:02d}_in_thousand_euros" for i in range(4)]
    labels = [f"{name} = {i / 8}" for i, name in enumerate(names)]
    ax = plotting.waterfall(np.arange(4.0, 0.0, -1.0), labels, base=0.0, score=10.0)
    shown = [label.get_text() for label in ax.get_yticklabels()][1:-1]
    for i, text in enumerate(shown):
        assert f"group_{i:02d}" in text or f"p_{i:02d}" in text
        assert text.endswith(f" = {i / 8}")


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40),
    st.integers(1, 50),
)
def test_folding_loses_nothing(values, max_display):
    array = np.array(values)
    bars = fold(array, [f"x{i}" for i in range(len(values))], max_display=max_display, base=2.0)
    assert bars.values.sum() == pytest.approx(array.sum(), abs=1e-9)
    assert len(bars.values) <= max_display + 1
    np.testing.assert_allclose(
        bars.starts + bars.values, np.append(bars.starts[1:], 2 + array.sum()), atol=1e-9
    )


def test_a_single_feature_is_not_hidden_behind_a_sum():
    assert fold(np.array([3.0, 2.0, 1.0]), "abc", max_display=2).names == ("a", "b", "c")


def test_the_error_of_the_sum_is_the_root_of_squares():
    bars = fold(np.array([9.0, 1.0, 1.0]), "abc", np.array([0.1, 3.0, 4.0]), max_display=1)
    assert bars.std_err is not None
    assert bars.std_err[1] == pytest.approx(5.0)


def test_folding_says_what_is_wrong():
    with pytest.raises(InputError, match=r"values must have shape \(2,\)"):
        fold(np.ones(3), "ab")
    with pytest.raises(InputError, match="max_display must be at least 1"):
        fold(np.ones(2), "ab", max_display=0)


def test_bars_continue_one_another_only_when_they_add_up():
    assert is_additive(np.array([0.1, 0.2]), 0.5, 0.8)
    assert not is_additive(np.array([0.1, 0.2]), 0.5, 0.81)
    assert not is_additive(np.array([0.1, np.nan]), 0.5, 0.6)


def test_order_and_samples():
    assert order_by_size(np.array([1.0, -1.0, 2.0])).tolist() == [2, 0, 1]
    kept = np.array([True, False, True, True])
    assert dense_sample(kept, 10).tolist() == [0, 2, 3]
    assert len(dense_sample(np.ones(1000, dtype=bool), 7)) == 7
