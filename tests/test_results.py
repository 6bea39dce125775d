"""Explanations leave as frames, files, JSON and shap objects, and come back whole."""

from __future__ import annotations

import csv
import html.parser
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import blackbox_xai as bx
from blackbox_xai.errors import InputError
from blackbox_xai.layouts import ImageLayout, TabularLayout, TextLayout, layout_from_dict
from blackbox_xai.ledger import Ledger
from blackbox_xai.results import Explanation, Explanations

HOSTILE = "<script>alert(1)</script>\"';--\x1b[31m\u202e=1+1"


def explanation(**changes: Any) -> Explanation:
    """Two features, two outputs, standard errors."""
    facts: dict[str, Any] = {
        "values": np.array([[0.25, -0.25], [0.5, -0.5]]),
        "std_err": np.array([[0.01, 0.01], [0.0, 0.0]]),
        "base": np.array([0.125, 0.875]),
        "scores": np.array([0.875, 0.125]),
        "feature_names": ("age", "income"),
        "output_names": ("ok", "default"),
        "scale": "probability",
        "layout": TabularLayout((31.0, "high")),
        "method": "Shapley",
        "settings": {"budget": 100},
        "masker": {"kind": "tabular"},
        "cost": Ledger(calls=2, rows=100),
        "diagnostics": {},
    }
    return Explanation(**{**facts, **changes})


def test_frames_hold_every_number_once() -> None:
    e = explanation()
    frame = e.to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert frame.columns.tolist() == ["output", "feature", "value", "phi", "se", "low", "high"]
    row = frame[(frame.output == "default") & (frame.feature == "age")].iloc[0]
    assert row.phi == -0.25
    assert row.se == 0.01
    assert row.low == pytest.approx(-0.25 - 1.96 * 0.01, abs=1e-6)
    assert row.value == 31.0
    other = e.to_frame("polars")
    assert isinstance(other, pl.DataFrame)
    assert other["phi"].to_list() == frame.phi.tolist()
    many = Explanations([e, e]).to_frame()
    assert many.row.tolist() == [0] * 4 + [1] * 4
    with pytest.raises(InputError, match="backend must be one of 'pandas', 'polars', got 'dask'"):
        e.to_frame("dask")


def test_no_standard_errors_means_none_not_zero() -> None:
    e = explanation(std_err=None)
    assert e.low is None
    assert e.to_frame().se.isna().all()


@given(
    numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=2),
    name=st.text(max_size=30),
)
def test_json_comes_back_to_the_bit(numbers: list[float], name: str) -> None:
    values = np.array([numbers, numbers[::-1]])
    e = explanation(values=values, feature_names=(name, "b"))
    again = Explanation.from_json(e.to_json())
    assert again.values.tobytes() == values.tobytes()
    assert again.feature_names == (name, "b")
    assert again.to_json() == e.to_json()


def test_json_has_no_bare_nan() -> None:
    e = explanation(layout=TabularLayout((float("nan"), None)), diagnostics={"gap": np.inf})
    data = json.loads(e.to_json(), parse_constant=pytest.fail)
    assert data["layout"]["data"] == [None, None]
    assert data["diagnostics"]["gap"] is None


@pytest.mark.parametrize(
    "text", ["", "[", "[1]", "{}", '{"format": "blackbox_xai.explanation/1"}', "[" * 100_000]
)
def test_text_that_is_no_explanation_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        Explanation.from_json(text)


def test_shapes_that_contradict_the_names_are_refused() -> None:
    data = explanation().to_dict()
    data["feature_names"] = ["a"]
    with pytest.raises(InputError):
        Explanation.from_dict(data)


@pytest.mark.parametrize(
    "layout",
    [
        TabularLayout((1.0, "a", None)),
        TextLayout("good film", (((0, 4),), ((5, 9),))),
        ImageLayout(np.array([[0, 1], [-1, 1]]), np.zeros((2, 2, 3), np.uint8)),
    ],
)
def test_layouts_come_back(layout: Any) -> None:
    again = layout_from_dict(json.loads(json.dumps(layout.to_dict())))
    values = np.array([1.0, 2.0, 3.0]) if layout.kind == "tabular" else np.array([1.0, 2.0])
    np.testing.assert_array_equal(again.paint(values), layout.paint(values))


def test_paint_follows_the_input() -> None:
    image = ImageLayout(np.array([[0, 1], [-1, 1]]), np.zeros((2, 2)))
    assert image.paint(np.array([3.0, 4.0])).tolist() == [[3.0, 4.0], [0.0, 4.0]]
    text = TextLayout("ab c", (((0, 2),), ((3, 4),)))
    assert text.paint(np.array([1.0, -1.0])).tolist() == [1.0, 1.0, 0.0, -1.0]


def test_a_stored_array_cannot_unpack_to_more_than_it_says() -> None:
    data = ImageLayout(np.zeros((4, 4), np.intp), np.zeros((4, 4))).to_dict()
    data["image"]["shape"] = [2, 2]
    with pytest.raises(InputError, match="stored array has"):
        layout_from_dict(data)
    data["image"]["shape"] = [1 << 20, 1 << 20]
    with pytest.raises(InputError, match="not acceptable"):
        layout_from_dict(data)
    data["image"] |= {"shape": [4, 4], "dtype": "|O"}
    with pytest.raises(InputError, match="not acceptable"):
        layout_from_dict(data)


class Texts(html.parser.HTMLParser):
    """Collects tags and text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.mark.parametrize(
    "layout", [TabularLayout((HOSTILE, 1)), TextLayout(HOSTILE, (((0, 9),), ((9, 20),)))]
)
def test_notebook_html_is_small_and_holds_no_foreign_markup(layout: Any) -> None:
    e = explanation(
        feature_names=(HOSTILE, "b"),
        output_names=(HOSTILE, "x"),
        layout=layout,
        diagnostics={"warnings": [HOSTILE]},
    )
    page = e._repr_html_()
    parser = Texts()
    parser.feed(page)
    assert parser.tags <= {"div", "p", "b", "table", "tr", "td", "svg", "rect", "line", "span"}
    assert not any(name.startswith("on") or name in ("href", "src") for name in parser.attributes)
    assert len(page.encode()) <= 30_000
    d = 500
    wide = explanation(
        values=np.ones((d, 1)),
        std_err=None,
        base=np.zeros(1),
        scores=np.ones(1),
        output_names=("y",),
        feature_names=tuple("x" * 200 + str(i) for i in range(d)),
        layout=TextLayout("word " * d, tuple(((5 * i, 5 * i + 4),) for i in range(d))),
    )
    assert len(wide._repr_html_().encode()) <= 30_000


def test_repr_is_short_and_safe_for_a_terminal() -> None:
    e = explanation(feature_names=(HOSTILE, "b"), diagnostics={"warnings": [HOSTILE] * 5})
    assert "\x1b" not in repr(e)
    assert "\u202e" not in repr(e)
    assert len(repr(e).splitlines()) <= 12
    d = 100
    wide = explanation(
        values=np.ones((d, 2)), std_err=None, feature_names=tuple(map(str, range(d)))
    )
    assert len(repr(wide).splitlines()) <= 12
    assert "94 other features: +94" in repr(wide)


@pytest.mark.parametrize("suffix", [".json", ".csv", ".parquet", ".html"])
def test_save_decides_by_suffix(tmp_path: Path, suffix: str) -> None:
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    e = explanation(feature_names=("=cmd()", "income"))
    path = tmp_path / f"why{suffix}"
    e.save(path)
    if suffix == ".json":
        assert Explanation.from_json(path.read_text()).feature_names == ("=cmd()", "income")
    elif suffix == ".csv":
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows[0]["feature"] == "'=cmd()"
        assert float(rows[2]["phi"]) == -0.25
    elif suffix == ".parquet":
        assert pd.read_parquet(path).phi.tolist() == e.to_frame().phi.tolist()
    else:
        assert "default-src 'none'" in path.read_text()
    with pytest.raises(InputError, match=r"suffix must be one of .*got '.docx'"):
        e.save(tmp_path / "why.docx")


def test_to_shap_fills_the_fields_shap_has(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = types.ModuleType("shap")
    fake.Explanation = types.SimpleNamespace  # a stand-in
    monkeypatch.setitem(sys.modules, "shap", fake)
    many = Explanations([explanation(), explanation()]).to_shap()
    assert many.values.shape == (2, 2, 2)
    assert many.base_values.shape == (2, 2)
    assert many.output_names == ["ok", "default"]
    assert many.error_std[0, 0, 0] == 0.01
    assert many.data.tolist() == [[31.0, "high"]] * 2
    single = Explanations(
        [
            explanation(
                values=np.ones((2, 1)),
                std_err=None,
                base=np.zeros(1),
                scores=np.ones(1),
                output_names=("y",),
                layout=TabularLayout((1.0, 2.0)),
            )
        ]
    ).to_shap()
    assert single.values.shape == (1, 2)
    assert single.base_values.shape == (1,)
    assert single.lower_bounds is None
    assert single.data.dtype == float
    with pytest.raises(InputError, match="same features and outputs"):
        Explanations([explanation(), explanation(output_names=("a", "b"))]).to_shap()
    monkeypatch.setitem(sys.modules, "shap", None)
    with pytest.raises(InputError, match="pip install shap"):
        explanation().to_shap()


def test_settings_are_stored_as_data_without_addresses() -> None:
    why = bx.KernelShap(budget=50).explain(
        lambda X: X.sum(1), np.ones(3), bx.TabularMasker(np.zeros((1, 3)))
    )
    assert why.settings["budget"] == 50
    assert "0x" not in why.to_json()


def test_output_index_refuses_what_is_not_there() -> None:
    e = explanation()
    assert e.output_index() == 0
    assert e.output_index("default") == 1
    assert e.output_index(-1) == 1
    for bad in ("x", 2, 1.5):
        with pytest.raises(InputError, match="output must be one of"):
            e.output_index(bad)


def test_what_rounding_left_of_a_zero_is_shown_as_zero() -> None:
    e = explanation(values=np.array([[1e-17, 1e-17], [0.5, -0.5]]), std_err=np.zeros((2, 2)))
    assert "000000" not in repr(e)
    assert "exact" in repr(e)
    assert "0000000" not in e._repr_html_()


@pytest.mark.parametrize(
    "change",
    [
        {"values": [[1.0, 2.0]]},
        {"values": [1.0, 2.0, 3.0, 4.0]},
        {"std_err": [[1.0], [2.0]]},
        {"base": [1.0]},
        {"scores": [[1.0, 2.0]]},
        {"feature_names": ["a", "b", "c", "d"], "output_names": ["y"]},  # 4 numbers, other places
    ],
)
def test_stored_numbers_must_fit_the_names(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"has shape .*, expected .* from the names"):
        Explanation.from_dict({**explanation().to_dict(), **change})


def test_many_rows_are_drawn_at_once_and_what_differs_is_refused() -> None:
    mixed = explanation(layout=TabularLayout((7.0, "low")))
    many = Explanations([explanation(), None, mixed])  # type: ignore[list-item]  # one has failed
    ax = many.plot(output="default")
    assert ax.get_xlabel() == "effect on probability of default (2 rows)"
    drawn = np.sort(np.concatenate([np.asarray(c.get_offsets())[:, 0] for c in ax.collections]))
    np.testing.assert_array_equal(drawn, [-0.5, -0.5, -0.25, -0.25])
    assert many.plot().get_xlabel() == "effect on probability of ok (2 rows)"
    with pytest.raises(InputError, match=r"same features and outputs.*explanations\[0\].plot"):
        Explanations([explanation(), explanation(feature_names=("age", "wage"))]).plot()
    with pytest.raises(InputError, match="at least one explanation"):
        Explanations([]).plot()
