"""Occlusion against closed forms: planted parts, n-grams, windows, groups, budgets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import blackbox_xai as bx
from blackbox_xai.coalitions.boxes import cover, hidden_by, sliding_boxes, split, tiles
from blackbox_xai.errors import BudgetError, InputError
from toys import Spy, block_mean


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize(
    "explainer",
    [
        bx.Occlusion(),
        bx.Occlusion(windows=8),
        bx.Occlusion(windows=(4, 8), stride=4),
        bx.Occlusion(adaptive=True, budget=60),
    ],
)
def test_a_planted_block_is_found_whatever_its_label(explainer: Any, first: bool) -> None:
    image = np.random.default_rng(0).random((32, 32, 3)) + 0.5
    image = np.ascontiguousarray(np.moveaxis(image, -1, 0)) if first else image
    labels = np.kron(np.arange(16).reshape(4, 4), np.ones((8, 8), int))
    for k in range(16):
        masker = bx.ImageMasker((labels, labels + 1, 3 * labels + 5)[k % 3], fill=0.0)
        why = explainer.explain(block_mean(k, first), image, masker)
        assert np.argmax(why.values[:, 0]) == k


def test_a_linear_model_loses_weight_times_distance_to_the_background() -> None:
    rng = np.random.default_rng(0)
    background, x, w = rng.normal(size=(7, 5)), rng.normal(size=5), rng.normal(size=5)
    why = bx.Occlusion().explain(lambda X: X @ w, x, bx.TabularMasker(background))
    np.testing.assert_allclose(why.values[:, 0], w * (x - background.mean(axis=0)), atol=1e-12)
    np.testing.assert_allclose(why.base, background.mean(axis=0) @ w)
    spread = np.abs(w) * background.std(axis=0, ddof=1) / np.sqrt(7)
    np.testing.assert_allclose(why.std_err[:, 0], spread)
    single = bx.Occlusion().explain(lambda X: X @ w, x, bx.TabularMasker(background[:1]))
    assert single.std_err is None


def test_features_that_equal_their_fill_cost_nothing() -> None:
    spy = Spy(lambda X: X.sum(axis=1))
    why = bx.Occlusion().explain(spy, [1.0, 0.0, 2.0], bx.TabularMasker(np.zeros((1, 3))))
    assert why.values[:, 0].tolist() == [1.0, 0.0, 2.0]
    assert spy.rows == why.cost.rows == 4  # the row, all hidden, and two features that differ


def test_n_grams_average_over_the_windows_that_cover_a_word() -> None:
    def model(texts: Any) -> Any:
        return np.array([float("b" in t.split()) + 10.0 * ("d" in t.split()) for t in texts])

    why = bx.Occlusion(windows=2).explain(model, "a b c d", bx.TextMasker())
    assert why.values[:, 0].tolist() == [1.0, 1.0, 5.5, 10.0]
    both = bx.Occlusion(windows=(1, 2)).explain(model, "a b c d", bx.TextMasker())
    np.testing.assert_allclose(both.values[:, 0], [0.5, 1.0, 11 / 3, 10.0])


def test_pixel_windows_average_by_pixel() -> None:
    image = np.zeros((4, 4))
    image[1, 2] = 6.0
    masker = bx.ImageMasker(np.arange(16).reshape(4, 4), fill=0.0)
    why = bx.Occlusion(windows=2, stride=1).explain(lambda x: x.sum(axis=(1, 2)), image, masker)
    brute = np.zeros((4, 4))
    counts = np.zeros((4, 4))
    for a in range(3):
        for b in range(3):
            brute[a : a + 2, b : b + 2] += image[a : a + 2, b : b + 2].sum()
            counts[a : a + 2, b : b + 2] += 1
    np.testing.assert_allclose(why.heatmap[..., 0], brute / counts)
    np.testing.assert_allclose(why.values[:, 0], (brute / counts).ravel())
    np.testing.assert_allclose(why.paint(), brute / counts)


def test_groups_are_hidden_together_and_the_rest_alone() -> None:
    masker = bx.TabularMasker(np.zeros((1, 3)), feature_names=["a", "b", "c"])
    why = bx.Occlusion(groups={"ab": ["a", 1]}).explain(
        lambda X: X[:, 0] * X[:, 1] + X[:, 2], [2.0, 3.0, 5.0], masker
    )
    assert why.values[:, 0].tolist() == [6.0, 6.0, 5.0]
    assert why.diagnostics["groups"] == {"ab": [6.0], "c": [5.0]}


def test_refinement_spends_its_budget_where_the_effect_is() -> None:
    image = np.zeros((64, 64))
    image[40, 17] = 1.0
    spy = Spy(lambda x: x.max(axis=(1, 2)))
    masker = bx.ImageMasker(bx.Grid(rows=8, columns=8), fill=0.0)
    why = bx.Occlusion(adaptive=True, budget=40, windows=1).explain(spy, image, masker)
    assert spy.rows == why.cost.rows <= 40
    assert np.unravel_index(np.argmax(why.heatmap[..., 0]), (64, 64)) <= (40, 17)
    assert why.heatmap[40, 17, 0] == 1.0
    assert why.diagnostics["smallest_part"] <= 4
    words = [f"w{i}" for i in range(500)]
    found = bx.Occlusion(adaptive=True, budget=60).explain(
        lambda texts: np.array([1.0 * ("w321 " in t) for t in texts]),
        " ".join(words),
        bx.TextMasker(),
    )
    assert np.argmax(found.values[:, 0]) == 321
    assert found.cost.rows <= 60


def test_a_plan_beyond_the_budget_is_refused_before_it_starts() -> None:
    spy = Spy(lambda X: X.sum(axis=1))
    with pytest.raises(BudgetError, match=r"needs 11 more model rows, .* but 4 of the budget of 5"):
        bx.Occlusion(budget=5).explain(spy, np.ones(10), bx.TabularMasker(np.zeros((1, 10))))
    assert spy.rows == 1
    bx.Occlusion(budget=12).explain(spy, np.ones(10), bx.TabularMasker(np.zeros((1, 10))))
    with pytest.raises(InputError, match="unknown feature 'age'"):
        bx.Occlusion(groups={"g": ["age"]}).explain(
            spy, np.ones(10), bx.TabularMasker(np.zeros((50, 10)))
        )
    assert spy.rows == 1 + 12 + 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"windows": 0}, "windows must be at least 1, got 0"),
        ({"windows": ()}, "windows must hold at least one size"),
        ({"stride": 0}, "stride must be at least 1"),
        ({"budget": 1}, "budget must be at least 2, got 1"),
        ({"adaptive": True}, "give a budget"),
        ({"groups": {"a": [0]}, "windows": 2}, "leave windows and adaptive out"),
        ({"groups": {"a": ["nope"]}}, "unknown feature 'nope'"),
        ({"groups": {"a": []}}, "is empty"),
    ],
)
def test_settings_that_cannot_be_used_are_named(settings: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        bx.Occlusion(**settings).explain(
            lambda X: X.sum(axis=1), np.ones(3), bx.TabularMasker(np.zeros((1, 3)))
        )


@given(st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.integers(1, 4))
def test_sliding_boxes_cover_every_cell_when_they_touch(
    height: int, width: int, size: int, stride: int
) -> None:
    boxes = sliding_boxes(height, width, size, min(stride, size))
    hidden = hidden_by(boxes, height, width)
    assert (hidden.sum(axis=0) == cover(boxes, height, width)).all()
    assert cover(boxes, height, width).min() >= 1
    assert hidden.sum(axis=1).tolist() == [min(size, height) * min(size, width)] * len(boxes)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 6))
def test_tiles_and_halves_are_partitions(height: int, width: int, parts: int) -> None:
    boxes = tiles(height, width, parts)
    assert (cover(boxes, height, width) == 1).all()
    halves = np.concatenate([split(box, 1) for box in boxes])
    assert (cover(halves, height, width) == 1).all()


def test_parts_of_little_effect_are_not_looked_into() -> None:
    image = np.zeros((64, 64))
    image[10, 10], image[40:, 40:] = 1.0, 0.001
    masker = bx.ImageMasker(bx.Grid(rows=8, columns=8), fill=0.0)

    def model(images: Any) -> Any:
        return images[:, 10, 10] + images[:, 40:, 40:].mean(axis=(1, 2))

    why = bx.Occlusion(adaptive=True, budget=2000, windows=1).explain(model, image, masker)
    assert why.diagnostics["smallest_part"] == 1
    assert why.cost.rows == 2 + 16 + 4 * 4  # one part of 16 is quartered again and again
