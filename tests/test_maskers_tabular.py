"""Tables of any kind: what the model receives, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_maskers import MIXED, MIXED_ROW

import blackbox_xai as bx
from blackbox_xai.errors import InputError

TEXT_TYPE = pytest.mark.skipif(
    MIXED["job"].dtype == object, reason="a column of objects, as of pandas 2, holds anything"
)

FRAME = pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5], "c": [True, False]})


@pytest.mark.parametrize("dtype", ["f8", "f4", "f2", "i1", "i8", "?", "M8[s]"])
@given(seed=st.integers(0, 50), p=st.integers(1, 4), f=st.integers(1, 3), d=st.integers(1, 6))
def test_pairs_written_at_once_are_those_written_row_by_row(
    dtype: str, seed: int, p: int, f: int, d: int
) -> None:
    rng = np.random.default_rng(seed)
    background = (rng.normal(size=(4, d)) * 50).astype("i8" if dtype == "M8[s]" else dtype)
    masker = bx.TabularMasker(background.astype(dtype), groups={"both": [0, d - 1][: min(d, 2)]})
    masked = masker.bind((rng.normal(size=d) * 50).astype(background.dtype).astype(dtype))
    shape, fills = (f, len(masked.feature_names)), rng.integers(0, 4, f)
    always = rng.random(shape) < 0.3
    kept = (rng.random((p, *shape)) < 0.5) | always
    batch = masked.allocate(2 * p * f + 2)
    batch[0][:] = np.zeros((), dtype)
    writer = masked.pair_writer
    assert writer is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("blackbox_xai.maskers._select._CHUNK", int(rng.integers(1, 40)))
        writer(batch, 1, kept, fills, always)
    rows = np.stack([kept, ~kept | always], axis=1).reshape(-1, shape[1])
    np.testing.assert_array_equal(batch[0][1:-1], masked.apply(rows, np.tile(fills, 2 * p)))
    assert not batch[0][[0, -1]].astype("i8").any()


def test_pairs_keep_every_bit_of_what_is_always_kept() -> None:
    masked = bx.TabularMasker(np.array([[0.0, np.nan, 1.0]])).bind(np.array([-0.0, -np.nan, 2.0]))
    batch, kept = masked.allocate(2), np.array([[[True, True, False]]])
    masked.pair_writer(batch, 0, kept, np.zeros(1, np.intp), ~masked.varies)
    assert np.signbit(batch[0][:, :2]).all()
    np.testing.assert_array_equal(batch[0][:, 2], [1.0, 2.0])


def test_tables_whose_rows_do_not_lie_together_are_written_row_by_row() -> None:
    assert bx.TabularMasker(FRAME).bind([1, 2.0, True]).pair_writer is None
    objects = np.array([["a", 1.0]], dtype=object)
    assert bx.TabularMasker(objects).bind(["b", 2.0]).pair_writer is None


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int8, np.int64, bool])
@given(seed=st.integers(0, 50), m=st.integers(1, 4), r=st.integers(1, 3), d=st.integers(1, 6))
def test_cells_are_exactly_those_of_x_or_the_background(
    dtype: Any, seed: int, m: int, r: int, d: int
) -> None:
    rng = np.random.default_rng(seed)
    background = (rng.normal(size=(r, d)) * 50).astype(dtype)
    x = (rng.normal(size=d) * 50).astype(dtype)
    kept = rng.random((m, d)) < 0.5
    expected = np.where(kept[:, None], x, background).reshape(m * r, d)
    written = bx.TabularMasker(background).bind(x).apply(kept)
    assert written.dtype == dtype
    np.testing.assert_array_equal(written, expected)
    frame = bx.TabularMasker(pd.DataFrame(background)).bind(x).apply(kept)
    assert (frame.dtypes == dtype).all()
    np.testing.assert_array_equal(frame.to_numpy(), expected)


def test_many_rows_with_a_fill_each_are_written_in_chunks() -> None:
    rng = np.random.default_rng(1)
    background, x = rng.normal(size=(7, 1000)), rng.normal(size=1000)
    kept, fills = rng.random((200, 1000)) < 0.5, rng.integers(0, 7, 200)
    for container in (background, pd.DataFrame(background)):
        written = bx.TabularMasker(container).bind(x).apply(kept, fills)
        np.testing.assert_array_equal(written, np.where(kept, x, background[fills]))


@pytest.mark.parametrize("frame", [MIXED, MIXED.drop(columns="any").iloc[:, ::-1]])
def test_a_pandas_model_receives_names_types_and_categories(frame: pd.DataFrame) -> None:
    row = MIXED_ROW[frame.columns]
    masked = bx.TabularMasker(frame).bind(row)
    kept = np.eye(frame.shape[1], dtype=bool)
    received = masked.apply(kept)
    assert list(received.columns) == list(frame.columns)
    pd.testing.assert_series_equal(received.dtypes, frame.dtypes)
    for j, name in enumerate(frame.columns):
        column = received[name].iloc[3 * j : 3 * j + 3]
        assert column.tolist() == row[name].tolist() * 3
        others = received[name].drop(column.index).to_list()
        background = frame[name].to_list() * (frame.shape[1] - 1)
        assert pd.Series(others, dtype=object).equals(pd.Series(background, dtype=object))


def test_a_polars_model_receives_names_and_types() -> None:
    frame = pl.DataFrame(
        {
            "n": [1, 2],
            "f": [0.5, None],
            "s": ["a", "b"],
            "e": pl.Series(["u", "v"], dtype=pl.Enum(["u", "v", "w"])),
            "k": pl.Series(["u", "v"], dtype=pl.Categorical),
            "t": [True, False],
            "d": pl.Series(["2020-01-01", "2021-01-01"]).str.to_date(),
            "i": pl.Series([1, 2], dtype=pl.Int8),
        }
    )
    row = frame[1].with_columns(s=pl.lit("new"), e=pl.lit("w", dtype=frame["e"].dtype))
    received = bx.TabularMasker(frame).bind(row).apply(np.array([[True] * 8, [False] * 8]))
    assert received.schema == frame.schema
    assert received.rows() == [*row.rows() * 2, *frame.rows()]


@pytest.mark.parametrize(
    "x",
    [
        [7, 2.5, True],
        (7, 2.5, True),
        [[7, 2.5, True]],
        np.array([7, 2.5, 1]),
        np.array([[7, 2.5, 1]]),
        {"c": True, "a": 7, "b": 2.5},
        pd.DataFrame({"b": [2.5], "c": [True], "a": [7]}),
        pd.Series({"c": True, "b": 2.5, "a": 7}),
        pd.Series({"c": 1.0, "b": 2.5, "a": 7.0}),
        pl.DataFrame({"c": [True], "b": [2.5], "a": [7]}),
    ],
)
def test_a_row_may_come_in_any_form_and_order(x: Any) -> None:
    received = bx.TabularMasker(FRAME).bind(x).apply([True, True, True]).iloc[0]
    assert received.to_dict() == {"a": 7, "b": 2.5, "c": True}


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([1, 2.0], "x must have 3 values, one for each column of the background, got 2"),
        (np.zeros((2, 3)), r"x must be one row of the table, got shape \(2, 3\)"),
        ("abc", "x must be one row of the table, got 'abc'"),
        (None, "x must be one row of the table, got None"),
        ({"a": 1, "b": 2.0}, "x lacks the column 'c'"),
        ({"a": 1, "b": 2.0, "c": True, "z": 1}, "x has the column 'z', which the background lacks"),
        (pd.DataFrame([[1, 2, True, 3]], columns=["a", "b", "c", "a"]), "'a' more than once"),
        (FRAME, "x must be one row, got 2"),
        ([1, np.nan, True], r"x is missing \(NaN\) in column 'b'"),
        ([None, 1.0, True], r"x is missing \(NaN\) in column 'a'"),
        ([np.nan, 1.0, True], r"x is missing \(NaN\) in column 'a'"),
        ([1, np.inf, True], "x is infinite in column 'b'"),
        ([np.inf, 1.0, True], "x has inf in column 'a', which holds int64"),
        ([1.5, 1.0, True], "x has 1.5 in column 'a', which holds int64"),
        ([1, "high", True], "x has 'high' in column 'b', which holds float64"),
        ([1, 1.0, 2], "x has 2.* in column 'c', which holds bool"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_with_its_column(x: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        bx.TabularMasker(FRAME).bind(x)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("city", "x", "unseen category 'x' in column 'city'; known are .'u', 'v', 'w'."),
        ("city", None, "missing .NaN. in column 'city'"),
        ("job", None, "missing .NaN. in column 'job'"),
        pytest.param(
            "job",
            3,
            "3 in column 'job', which the column's type cannot hold; it would become '3'",
            marks=TEXT_TYPE,
        ),
        ("since", "soon", "'soon' in column 'since', which holds datetime64"),
        ("since", 5.0, "5.0 in column 'since', which holds datetime64"),
        ("since", pd.NaT, "missing .NaN. in column 'since'"),
        ("zone", "never", "'never' in column 'zone', which the column's type cannot hold"),
        ("count", "many", "'many' in column 'count', which the column's type cannot hold"),
        pytest.param("job", ["clerk"], "of such columns must be hashable", marks=TEXT_TYPE),
    ],
)
def test_cells_of_other_types_are_checked_too(column: str, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        bx.TabularMasker(MIXED).bind(MIXED_ROW.iloc[0].to_dict() | {column: value})


@pytest.mark.parametrize(
    ("background", "settings", "message"),
    [
        (np.zeros(3), {}, r"background must have shape \(rows, columns\), got \(3,\)"),
        (np.zeros((0, 3)), {}, "at least one row and one column"),
        (pd.DataFrame({"a": []}), {}, "at least one row and one column"),
        (np.array([[1, np.inf]]), {}, "background is infinite in row 0, column 'x1'"),
        (np.array([[1j]]), {}, "background must hold numbers, dates or objects, got complex128"),
        ([[1, 2], [3]], {}, "rows of equal length"),
        (np.ma.masked_array([[1.0]]), {}, "background must be a plain array or a frame"),
        (FRAME.set_axis(["a", "b", "a"], axis=1), {}, "background has the column 'a' more than"),
        (FRAME, {"feature_names": ["p", "q", "r"]}, "feature_names is for arrays"),
        (np.zeros((1, 2)), {"feature_names": ["p"]}, "feature_names must have 2 names"),
        (np.zeros((1, 2)), {"feature_names": ["p", "p"]}, "'p' more than once"),
        (FRAME, {"weights": [1, 2, 3]}, r"weights must have shape \(2,\)"),
        (FRAME, {"weights": [1, -2]}, "weights must be finite, at least 0"),
        (FRAME, {"weights": [0, 0]}, "weights must be finite, at least 0"),
        (FRAME, {"weights": "many"}, "weights must be numbers"),
        (FRAME, {"groups": {"g": ["a", "z"]}}, "groups..g.. has the unknown column 'z'"),
        (FRAME, {"groups": {"g": ["a"], "h": ["a"]}}, "'a' is in 'g' and 'h'"),
        (FRAME, {"groups": {"g": []}}, "must list columns"),
        (FRAME, {"groups": {"g": "a"}}, "must list columns"),
        (FRAME, {"groups": {"b": ["a"]}}, "'b' is also the name of a column"),
        (FRAME, {"categorical": "a"}, "categorical must list columns"),
        (FRAME, {"categorical": ["z"]}, "categorical has the unknown column 'z'"),
        (FRAME, {"n_centroids": 0}, "n_centroids must be at least 1"),
        (FRAME.assign(d=[1j, 2j]), {}, "the type complex128 in column 'd'"),
        (pl.DataFrame({"l": [[1], [2]]}), {}, "in column 'l', which cannot be masked"),
        (pd.DataFrame({"s": ["a", "b", "c"]}), {"n_centroids": 2}, "needs a numeric column"),
    ],
)
def test_backgrounds_and_settings_are_checked(
    background: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        bx.TabularMasker(background, **settings)


def test_missing_values_are_taken_where_the_background_has_them() -> None:
    masked = bx.TabularMasker(np.array([[1.0, np.nan], [2.0, 3.0]])).bind([4.0, np.nan])
    np.testing.assert_array_equal(masked.varies, [[True, False], [True, True]])


def test_rows_without_names_go_by_position() -> None:
    masked = bx.TabularMasker(np.zeros((1, 2))).bind(pd.Series([1.0, 2.0], index=["q", "p"]))
    np.testing.assert_array_equal(masked.apply([True, True]), [[1, 2]])
    named = bx.TabularMasker(np.zeros((1, 2)), feature_names=["p", "q"])
    received = named.bind(pd.Series([1.0, 2.0], index=["q", "p"])).apply([True, True])
    np.testing.assert_array_equal(received, [[2, 1]])


def test_grouped_columns_are_hidden_together() -> None:
    frame = pd.DataFrame({"red": [1, 0], "size": [5, 6], "blue": [0, 1]})
    masked = bx.TabularMasker(frame, groups={"colour": ["red", "blue"]}).bind([0, 9, 1])
    assert masked.feature_names == ("colour", "size")
    assert masked.layout.data == ("blue", 9)
    received = masked.apply([[False, True]])
    np.testing.assert_array_equal(received, [[1, 9, 0], [0, 9, 1]])
    np.testing.assert_array_equal(masked.varies, [[True, True], [False, True]])
    numbers = bx.TabularMasker(frame, groups={"g": [0, 1]}).bind([2, 9, 1])
    assert numbers.layout.data == ("2, 9", 1)


def test_weights_are_scaled() -> None:
    masker = bx.TabularMasker(FRAME, weights=[1, 3])
    np.testing.assert_allclose(masker.bind([1, 2.0, True]).fill_weights, [0.25, 0.75])
    assert masker.describe()["weighted"]


@pytest.mark.parametrize("frame", [MIXED, MIXED[["age"]], MIXED[["age"]].to_numpy()])
def test_rows_of_no_weight_are_not_paid_for(frame: Any) -> None:
    rest = frame.iloc[[0, 2]] if isinstance(frame, pd.DataFrame) else frame[[0, 2]]
    x = MIXED_ROW[MIXED.columns[: frame.shape[1]]]
    x = x if isinstance(frame, pd.DataFrame) else x.to_numpy()
    masked, expected = (
        bx.TabularMasker(frame, weights=[1, 0, 3]).bind(x),
        bx.TabularMasker(rest, weights=[1, 3]).bind(x),
    )
    assert masked.n_fills == 2
    np.testing.assert_allclose(masked.fill_weights, [0.25, 0.75])
    hidden = np.zeros(frame.shape[1], dtype=bool)
    received, wanted = masked.apply(hidden), expected.apply(hidden)
    if isinstance(frame, pd.DataFrame):
        pd.testing.assert_frame_equal(received, wanted)
    else:
        np.testing.assert_array_equal(received, wanted)


def test_declared_categories_refuse_other_values() -> None:
    masker = bx.TabularMasker(np.array([[1, 10], [2, 20], [2, 30]]), categorical=[0])
    assert masker.bind([2, 99]).feature_names == ("x0", "x1")
    with pytest.raises(InputError, match=r"unseen category .*3.* in column 'x0'; known are \[1, 2"):
        masker.bind([3, 10])


def test_centroids_stand_for_their_clusters() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "f": np.concatenate([rng.normal(0, 0.1, 30), rng.normal(9, 0.1, 10)]),
            "n": np.repeat([3, 50], [30, 10]),
            "s": ["lo"] * 29 + ["hi"] * 11,
            "k": pd.Categorical(["a"] * 30 + ["b"] * 10),
        }
    )
    masked = bx.TabularMasker(frame, n_centroids=2).bind(frame.iloc[0])
    received = masked.apply(np.zeros(4, dtype=bool)).sort_values("f", ignore_index=True)
    pd.testing.assert_series_equal(received.dtypes, frame.dtypes)
    assert received.iloc[:, 1:].to_numpy().tolist() == [[3, "lo", "a"], [50, "hi", "b"]]
    means = [frame["f"][:30].mean(), frame["f"][30:].mean()]
    np.testing.assert_allclose(received["f"], means)
    np.testing.assert_allclose(sorted(masked.fill_weights), [0.25, 0.75])


def test_centroids_skip_gaps_and_repeat_no_row() -> None:
    background = np.array([[0.0, np.nan], [0.0, np.nan], [8.0, 1.0], [8.0, np.nan]])
    masked = bx.TabularMasker(background, n_centroids=3).bind([1.0, np.nan])
    assert masked.n_fills == 2
    received = masked.apply([False, False])
    np.testing.assert_array_equal(received[np.argsort(received[:, 0])], [[0, np.nan], [8, 1]])
    whole = bx.TabularMasker(background, n_centroids=4).bind([1.0, 1.0])
    np.testing.assert_array_equal(whole.apply([False, False]), background)


def test_weighted_centroids_follow_the_weights() -> None:
    background = np.array([[0.0], [1.0], [10.0], [11.0]])
    masker = bx.TabularMasker(background, weights=[3, 1, 1, 1], n_centroids=2)
    masked = masker.bind([0.0])
    order = np.argsort(masked.apply([False])[:, 0])
    np.testing.assert_allclose(masked.apply([False])[order, 0], [0.25, 10.5])
    np.testing.assert_allclose(masked.fill_weights[order], [4 / 6, 2 / 6])
    assert masker.describe()["n_centroids"] == 2


def test_the_background_is_copied() -> None:
    background = np.zeros((1, 2))
    masked = bx.TabularMasker(background).bind([1.0, 1.0])
    background[:] = 7
    np.testing.assert_array_equal(masked.apply([False, False]), [[0, 0]])
