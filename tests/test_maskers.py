"""Laws that every bound input obeys, whatever it is made of."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blackbox_xai as bx
from blackbox_xai.errors import InputError
from blackbox_xai.protocols import MaskedInput, Masker
from blackbox_xai.values import ValueFunction

MIXED = pd.DataFrame(
    {
        "age": [31, 40, 22],
        "income": [1.5, np.nan, 2.0],
        "city": pd.Categorical(["u", "v", "u"], categories=["u", "v", "w"]),
        "job": ["clerk", "smith", "clerk"],
        "member": [True, False, True],
        "since": pd.to_datetime(["2020-01-01", "2021-05-05", "2020-01-01"]),
        "zone": pd.to_datetime(["2020-01-01"] * 3, utc=True),
        "any": pd.Series([1, "x", None], dtype=object),
        "count": pd.array([1, None, 3], dtype="Int64"),
    }
)
MIXED_ROW = pd.DataFrame(
    {
        "age": [50],
        "income": [9.5],
        "city": pd.Categorical(["w"], categories=["u", "v", "w"]),
        "job": ["baker"],
        "member": [False],
        "since": pd.to_datetime(["2024-02-02"]),
        "zone": pd.to_datetime(["2024-01-01"], utc=True),
        "any": pd.Series(["y"], dtype=object),
        "count": pd.array([8], dtype="Int64"),
    }
)
RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (6, 9, 3)).astype(np.uint8)


def bound() -> dict[str, MaskedInput]:
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(4, 5))
    polars = pl.from_pandas(MIXED.drop(columns=["city", "any"]))
    polars_row = pl.from_pandas(MIXED_ROW.drop(columns=["city", "any"]))
    grid = bx.Grid(rows=2, columns=3)
    return {
        "array": bx.TabularMasker(matrix).bind(matrix[0] + 1),
        "one column": bx.TabularMasker(matrix[:, :1]).bind([3.0]),
        "floats in a frame": bx.TabularMasker(pd.DataFrame(matrix)).bind(matrix[1] - 1),
        "groups": bx.TabularMasker(matrix, groups={"a": [0, 3], "b": [4, 1]}).bind(matrix[0] + 1),
        "mixed frame": bx.TabularMasker(MIXED).bind(MIXED_ROW),
        "polars": bx.TabularMasker(polars).bind(polars_row),
        "objects": bx.TabularMasker([[1, "a"], [2.5, None]]).bind([3, "b"]),
        "colours": bx.ImageMasker(grid).bind(IMAGE),
        "channels first": bx.ImageMasker(grid, channels="first").bind(IMAGE.transpose(2, 0, 1)),
        "grey": bx.ImageMasker(grid, fill=0.0).bind(IMAGE[..., 0] / 255),
        "draws": bx.ImageMasker(grid, fill=bx.DrawnFill(n_draws=3)).bind(IMAGE),
        "text": bx.TextMasker(mode="replace").bind("One, two; three two."),
        "types": bx.TextMasker(unit="type").bind("One, two; three two."),
        "empty text": bx.TextMasker().bind(""),
    }


BOUND = bound()


def rows(inputs: Any) -> list[Any]:
    """Return masked inputs as comparable rows, missing values as None."""
    if isinstance(inputs, pd.DataFrame):
        cells = inputs.astype(object).where(inputs.notna(), None)
        return [tuple(row) for row in cells.itertuples(index=False)]
    if isinstance(inputs, pl.DataFrame):
        return [tuple(None if v != v else v for v in row) for row in inputs.rows()]
    if isinstance(inputs, np.ndarray) and inputs.dtype != object:
        return [row.tobytes() for row in inputs]
    return [tuple(row) if isinstance(row, np.ndarray) else row for row in inputs]


def coalitions(masked: MaskedInput, m: int, seed: int) -> Any:
    return np.random.default_rng(seed).random((m, len(masked.feature_names))) < 0.5


@pytest.mark.parametrize("name", BOUND)
def test_a_bound_input_keeps_the_protocol(name: str) -> None:
    masked = BOUND[name]
    assert isinstance(masked, MaskedInput)
    d, r = len(masked.feature_names), masked.n_fills
    assert masked.varies.shape == (r, d)
    assert masked.varies.dtype == bool
    assert masked.fill_weights.shape == (r,)
    assert masked.fill_weights.sum() == pytest.approx(1)
    assert masked.row_bytes > 0
    painted = masked.layout.paint(np.arange(1.0, d + 1)[:, None])
    assert set(np.unique(painted)) - {0.0} <= set(np.arange(1.0, d + 1))


@pytest.mark.parametrize("name", BOUND)
@settings(max_examples=8)
@given(m=st.integers(1, 5), cut=st.integers(0, 5), seed=st.integers(0, 99))
def test_writing_in_pieces_is_writing_at_once(name: str, m: int, cut: int, seed: int) -> None:
    masked = BOUND[name]
    kept, r = coalitions(masked, m, seed), masked.n_fills
    whole = masked.allocate(m * r)
    masked.write(whole, 0, kept, None)
    expected = rows(masked.inputs(whole, m * r))
    cut = min(cut, m)
    pieces = masked.allocate(m * r)
    masked.write(pieces, cut * r, kept[cut:], None)
    masked.write(pieces, 0, kept[:cut], None)
    assert rows(masked.inputs(pieces, m * r)) == expected
    single = masked.allocate(m * r)
    masked.write(single, 0, np.repeat(kept, r, axis=0), np.tile(np.arange(r), m))
    assert rows(masked.inputs(single, m * r)) == expected


@pytest.mark.parametrize("name", BOUND)
def test_varies_tells_where_hiding_changes_the_input(name: str) -> None:
    masked = BOUND[name]
    d, r = len(masked.feature_names), masked.n_fills
    batch = masked.allocate((d + 1) * r)
    masked.write(batch, 0, ~np.eye(d + 1, d, dtype=bool), None)
    written = rows(masked.inputs(batch, (d + 1) * r))
    original = written[-1]
    assert written[-r:] == [original] * r
    changed = [[written[j * r + i] != original for j in range(d)] for i in range(r)]
    np.testing.assert_array_equal(masked.varies, changed)


def test_equal_missing_values_do_not_vary() -> None:
    background = MIXED.iloc[[1]]
    assert not bx.TabularMasker(background).bind(background).varies.any()


@pytest.mark.parametrize("name", BOUND)
def test_inputs_of_one_masker_share_a_batch(name: str) -> None:
    masked = BOUND[name]
    hidden = np.zeros((1, len(masked.feature_names)), dtype=bool)
    batch = masked.allocate(2)
    masked.write(batch, 0, ~hidden, np.zeros(1, np.intp))
    masked.write(batch, 1, hidden, np.zeros(1, np.intp))
    both = rows(masked.inputs(batch, 2))
    assert both[0] == rows(masked.apply(~hidden, np.zeros(1, np.intp)))[0]
    assert both[1] == rows(masked.apply(hidden))[0]


def test_apply_checks_the_coalitions() -> None:
    masked = bx.TabularMasker(np.zeros((2, 3))).bind(np.ones(3))
    np.testing.assert_array_equal(masked.apply([True, False, True]), [[1, 0, 1], [1, 0, 1]])
    with pytest.raises(InputError, match=r"kept must have shape \(m, 3\), got \(2,\)"):
        masked.apply([True, False])
    with pytest.raises(InputError, match="kept must be bool"):
        masked.apply([0.5, 1.0, 0.0])
    with pytest.raises(InputError, match=r"fills must have shape \(1,\), got \(2,\)"):
        masked.apply([True, False, True], np.zeros(2, np.intp))


@pytest.mark.parametrize(
    ("inputs", "background", "kind"),
    [
        (MIXED, MIXED, "TabularMasker"),
        (np.zeros((2, 3)), np.zeros((1, 3)), "TabularMasker"),
        ([[1.0, 2.0]], [[0.0, 0.0]], "TabularMasker"),
        (["a text"], None, "TextMasker"),
        (np.array(["a text"]), None, "TextMasker"),
        (pd.Series(["a text"]), None, "TextMasker"),
        (np.zeros((1, 8, 8, 3)), None, "ImageMasker"),
        (np.zeros((5, 8, 8)), None, "ImageMasker"),
        ([IMAGE, IMAGE], IMAGE, "ImageMasker"),
    ],
)
def test_the_default_masker_goes_by_the_data(inputs: Any, background: Any, kind: str) -> None:
    masker = bx.default_masker(inputs, background)
    assert isinstance(masker, Masker)
    assert masker.describe()["kind"] == kind


@pytest.mark.parametrize(
    ("inputs", "background", "message"),
    [
        (np.zeros((2, 3)), None, "background must be given for tables"),
        ("one text", None, "Put it in a list"),
        (["a"], ["b"], "background must be None for texts"),
        ([], None, "at least one row"),
        (3, None, "must be an array, frame or list"),
        ([1.0, 2.0], None, "inputs must be rows of a table, images or texts"),
        (np.zeros((8, 8, 3)), None, "look like one colour image"),
    ],
)
def test_data_of_no_known_kind_is_refused(inputs: Any, background: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        bx.default_masker(inputs, background)


def test_a_thousand_masked_images_take_less_than_100_mb() -> None:
    rng = np.random.default_rng(1)
    image = rng.random((224, 224, 3))
    model = bx.as_model(lambda images: images.mean(axis=(1, 2, 3)))
    masked = bx.ImageMasker(bx.Grid(rows=10, columns=10)).bind(image)
    v = ValueFunction(model, masked)
    kept = rng.random((1000, 100)) < 0.5
    tracemalloc.start()
    scores = v(kept)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert scores.shape == (1000, 1)
    assert v.cost.rows == 1000
    assert peak < 100e6


def test_contrast_tells_how_far_the_input_is_from_its_fills() -> None:
    background = pd.DataFrame({"a": [0.0, 2.0], "b": [5, 5], "c": ["u", "v"], "d": [np.nan, 1.0]})
    masked = bx.TabularMasker(background).bind([4.0, 5, "u", 1.0])
    np.testing.assert_allclose(masked.contrast, [3, 0, 0.5, 0.5])
    grouped = bx.TabularMasker(background, groups={"g": ["a", "c"]}).bind([4.0, 5, "u", 1.0])
    np.testing.assert_allclose(grouped.contrast, [3.5, 0, 0.5])
    image = bx.ImageMasker(np.array([[0, 0, 1]]), fill=2.0).bind(np.array([[1.0, 5.0, 2.0]]))
    np.testing.assert_allclose(image.contrast, [4, 0])
    np.testing.assert_allclose(bx.TextMasker(unit="type").bind("ab c ab").contrast, [4, 1])
