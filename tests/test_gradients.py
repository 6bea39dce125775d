"""Finite-difference saliency against derivatives known in closed form."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import blackbox_xai as bx
from blackbox_xai.errors import BudgetError, InputError
from blackbox_xai.solvers.student import student_error
from toys import Spy

LABELS = np.kron(np.arange(16).reshape(4, 4), np.ones((4, 4), int))


def smooth(rows: Any) -> Any:
    return np.sin(rows[:, 0]) * rows[:, 1] + np.exp(0.3 * rows[:, 2])


def slope(x: Any) -> Any:
    return np.array([np.cos(x[0]) * x[1], np.sin(x[0]), 0.3 * np.exp(0.3 * x[2])])


def test_columns_have_their_derivatives_with_a_step_found_by_halving() -> None:
    background = np.random.default_rng(0).normal(size=(50, 3)) * [1, 2, 3]
    x, spy = np.array([0.5, 1.0, -1.0]), Spy(smooth)
    why = bx.BlockGradient().explain(spy, x, bx.TabularMasker(background))
    np.testing.assert_allclose(why.values[:, 0], slope(x), rtol=0.01)
    assert spy.rows == why.cost.rows == 1 + 20 + 2 * 3
    exact = bx.BlockGradient(step=1e-4).explain(spy, x, bx.TabularMasker(background))
    np.testing.assert_allclose(exact.values[:, 0], slope(x), rtol=1e-6)
    assert exact.cost.rows == 1 + 2 * 3
    assert exact.base == exact.scores


@pytest.mark.parametrize("first", [False, True])
def test_blocks_sum_the_gradient_over_their_pixels(first: bool) -> None:
    rng = np.random.default_rng(0)
    image, w = rng.random((16, 16, 3)), rng.normal(size=(16, 16, 3))
    gradient = 2 * w * image
    if first:
        image, w = (np.ascontiguousarray(np.moveaxis(a, -1, 0)) for a in (image, w))
    masker = bx.ImageMasker(3 * LABELS + 1, fill=0.0)
    why = bx.BlockGradient().explain(lambda x: (w * x**2).sum(axis=(1, 2, 3)), image, masker)
    expected = [gradient[k == LABELS].sum() for k in range(16)]
    np.testing.assert_allclose(why.values[:, 0], expected, atol=1e-8)


def test_integers_move_by_whole_steps() -> None:
    image = np.full((16, 16), 100, dtype=np.uint8)
    seen = []

    def model(images: Any) -> Any:
        seen.append(images)
        return images.astype(float).sum(axis=(1, 2)) / 16 + 0.25

    masker = bx.ImageMasker(LABELS, fill=0)
    why = bx.BlockGradient(step=0.2).explain(model, image, masker)
    np.testing.assert_allclose(why.values[:, 0], 1.0)
    assert all(batch.dtype == np.uint8 for batch in seen)
    counts = np.random.default_rng(0).integers(0, 9, size=(40, 2))
    row = bx.BlockGradient().explain(lambda X: X @ [0.5, 2.0], [3, 4], bx.TabularMasker(counts))
    np.testing.assert_allclose(row.values[:, 0], [0.5, 2.0])


def test_columns_that_hold_no_numbers_stay_where_they_are() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"size": [1.0, 2.0, 4.0], "kind": ["a", "b", "a"]})
    why = bx.BlockGradient().explain(
        lambda f: f["size"].to_numpy() * 3.5, frame.iloc[[0]], bx.TabularMasker(frame)
    )
    np.testing.assert_allclose(why.values[:, 0], [3.5, 0.0])
    with pytest.raises(InputError, match=r"Columns \['kind'\] hold no numbers"):
        bx.IntegratedGradients().explain(
            lambda f: f["size"].to_numpy(), frame.iloc[[0]], bx.TabularMasker(frame)
        )


def test_smoothgrad_is_the_mean_slope_under_noise() -> None:
    background = np.random.default_rng(0).normal(size=(400, 2))
    masker, spread = bx.TabularMasker(background), background.std(axis=0)
    smooth_grad = bx.SmoothGrad(n_points=200, noise=0.7, step=1e-3)

    def model(rows: Any) -> Any:
        return rows[:, 0] ** 3 + rows[:, 0] * rows[:, 1] ** 2

    x = np.array([1.0, -2.0])
    why = smooth_grad.explain(model, x, masker)
    variance = (0.7 * spread) ** 2
    expected = np.array([3 * (1 + variance[0]) + 4 + variance[1], 2 * x[0] * x[1]])
    assert (np.abs(why.values[:, 0] - expected) <= 3 * why.std_err[:, 0] + 0.05).all()
    assert why.cost.rows == 1 + 2 * 2 * 200
    assert bx.SmoothGrad(n_points=3, step=1e-3).explain(model, x, masker).std_err is None


def test_the_path_reaches_completeness_on_images_and_tables() -> None:
    rng = np.random.default_rng(0)
    image, w = rng.random((16, 16)), rng.normal(size=(16, 16))
    masker = bx.ImageMasker(LABELS, fill=0.2)
    spy = Spy(lambda x: np.tanh((w * x).sum(axis=(1, 2)) / 4))
    why = bx.IntegratedGradients(n_points=8).explain(spy, image, masker)
    assert spy.rows == why.cost.rows <= 2 + 31 + 2 * 16 * 8
    gap = why.scores[0] - why.base[0] - why.values.sum()
    assert why.diagnostics["completeness_gap"][0] == pytest.approx(gap)
    assert abs(gap) < 1e-3
    flow = [(w * (image - 0.2))[k == LABELS].sum() for k in range(16)]
    np.testing.assert_allclose(
        why.values[:, 0], np.array(flow) * why.values.sum() / np.sum(flow), atol=1e-3
    )
    background, x = rng.normal(size=(5, 3)), np.array([0.5, 1.0, -1.0])
    table = bx.IntegratedGradients(n_points=12).explain(smooth, x, bx.TabularMasker(background))
    assert abs(table.diagnostics["completeness_gap"][0]) < 1e-3
    assert abs(table.diagnostics["quadrature_gap"][0]) < 0.05


def test_points_gather_where_the_score_is_steep() -> None:
    def step(rows: Any) -> Any:
        return np.tanh(60 * (rows[:, 0] + rows[:, 1] - 0.2))

    why = bx.IntegratedGradients().explain(step, np.ones(2), bx.TabularMasker(np.zeros((1, 2))))
    np.testing.assert_allclose(
        why.values[:, 0], np.repeat((why.scores - why.base) / 2, 2), rtol=1e-4
    )
    assert abs(why.diagnostics["completeness_gap"][0]) < 1e-4


@pytest.mark.parametrize("n_orders", [1, 2, 5, 6, 10])
def test_telescoping_adds_up_exactly_on_any_input(n_orders: int) -> None:
    words = ["not", "a", "bad", "film", "at", "all"]

    def model(texts: Any) -> Any:
        z = np.array([[word in t.split() for word in words] for t in texts], float)
        return z[:, 0] * z[:, 2] * z[:, 5] - z[:, 2] + 0.25 * z[:, 3]

    explainer = bx.IntegratedGradients(mode="telescoping", n_orders=n_orders)
    why = explainer.explain(model, " ".join(words), bx.TextMasker())
    assert abs(why.diagnostics["completeness_gap"][0]) < 1e-14
    assert why.cost.rows <= 2 + n_orders * 5
    assert why.values[3, 0] == 0.25
    assert (why.std_err is None) == (n_orders != 10)


def test_many_orders_tend_to_the_shapley_values_within_their_errors() -> None:
    rng = np.random.default_rng(0)
    cubes = rng.normal(size=(6, 6, 6))

    def model(z: Any) -> Any:
        return np.einsum("ni,nj,nk,ijk->n", z, z, z, cubes)

    masker = bx.TabularMasker(np.zeros((1, 6)))
    exact = bx.ExactShapley().explain(model, np.ones(6), masker)
    hits = [
        np.abs(why.values - exact.values) <= 1.96 * why.std_err
        for why in (
            bx.IntegratedGradients(mode="telescoping", n_orders=20, random_state=s).explain(
                model, np.ones(6), masker
            )
            for s in range(30)
        )
    ]
    assert 0.88 <= np.mean(hits) <= 0.99


def test_errors_of_few_orders_hold_where_effects_are_rare() -> None:
    def model(z: Any) -> Any:
        return z[:, :3].prod(axis=1) + 0.7 * z[:, 3:].prod(axis=1)

    masker = bx.TabularMasker(np.zeros((1, 7)))
    exact = np.repeat([1 / 3, 0.7 / 4], [3, 4])[:, None]
    hits = [
        np.abs(why.values - exact) <= 1.96 * why.std_err
        for why in (
            bx.IntegratedGradients(mode="telescoping", n_orders=20, random_state=s).explain(
                model, np.ones(7), masker
            )
            for s in range(60)
        )
    ]
    assert 0.92 <= np.mean(hits) <= 0.99


def test_points_on_the_line_are_as_many_as_the_budget_allows() -> None:
    rng = np.random.default_rng(0)
    background, x = rng.normal(size=(40, 4)), np.array([1.0, -0.5, 0.3, 2.0])
    spy, masker = (
        Spy(lambda rows: np.tanh(rows @ [1.0, 2.0, -1.0, 0.5])),
        bx.TabularMasker(background),
    )
    short = bx.IntegratedGradients().explain(spy, x, masker)
    assert short.diagnostics["n_points"] == 2
    assert spy.rows == short.cost.rows <= 2000
    full = bx.IntegratedGradients(budget=10_000).explain(spy, x, masker)
    assert full.diagnostics["n_points"] == 7
    np.testing.assert_allclose(short.values, full.values, atol=0.1 * np.abs(full.values).max())
    with pytest.raises(BudgetError, match="fewer background rows") as caught:
        bx.IntegratedGradients(budget=1000).explain(spy, x, masker)
    assert "Random directions" not in str(caught.value)


def test_what_is_not_feasible_is_refused_with_the_arithmetic() -> None:
    spy = Spy(lambda x: x.mean(axis=(1, 2)))
    pixels = bx.ImageMasker(np.arange(64 * 64).reshape(64, 64), fill=0.0)
    image = np.random.default_rng(0).random((64, 64))
    said = r"4096 features need 8213 model rows.*sqrt\(1000 / \(1000 \+ 4096\)\) = 0\.44"
    with pytest.raises(BudgetError, match=said):
        bx.BlockGradient().explain(spy, image, pixels)
    assert spy.rows == 1
    orders = bx.IntegratedGradients(mode="telescoping", n_orders=4)
    with pytest.raises(BudgetError, match=r"4 orders of 4096 features need 16382 model rows"):
        orders.explain(spy, image, pixels)
    assert spy.rows == 2
    with pytest.raises(BudgetError, match="Random directions are no way out"):
        bx.IntegratedGradients(budget=50).explain(spy, image, bx.ImageMasker(bx.Grid(), fill=0.0))


@pytest.mark.parametrize(
    "explainer", [bx.BlockGradient(), bx.SmoothGrad(), bx.IntegratedGradients()]
)
def test_words_have_no_slopes(explainer: Any) -> None:
    with pytest.raises(InputError, match="mode='telescoping'"):
        explainer.explain(lambda t: np.full(len(t), 0.5), "some words", bx.TextMasker())


@pytest.mark.parametrize(
    ("explainer", "message"),
    [
        (bx.BlockGradient(step=0), "step must be a number above 0"),
        (bx.BlockGradient(budget=0), "budget must be at least 3"),
        (bx.SmoothGrad(n_points=0), "n_points must be at least 1"),
        (bx.SmoothGrad(noise=-1), "noise must be a number above 0"),
        (bx.IntegratedGradients(mode="line"), "mode must be one of 'path', 'telescoping'"),
        (bx.IntegratedGradients(n_orders=0), "n_orders must be at least 1"),
    ],
)
def test_settings_that_cannot_be_used_are_named(explainer: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        explainer.explain(lambda X: X.sum(axis=1), np.ones(2), bx.TabularMasker(np.zeros((1, 2))))


def test_same_bits_for_any_batch_size() -> None:
    masker = bx.TabularMasker(np.random.default_rng(0).normal(size=(4, 3)))
    x = np.array([0.5, 1.0, -1.0])
    for explainer in (bx.BlockGradient(), bx.SmoothGrad(), bx.IntegratedGradients()):
        bits = {
            explainer.explain(
                bx.CallableModel(lambda X: np.array([smooth(r[None])[0] for r in X]), batch_size=n),
                x,
                masker,
            ).values.tobytes()
            for n in (1, 7, None)
        }
        assert len(bits) == 1


@pytest.mark.parametrize(("n", "least"), [(5, 0.88), (10, 0.9), (20, 0.92)])
def test_intervals_of_repeats_hold_whether_normal_or_skewed(n: int, least: float) -> None:
    rng = np.random.default_rng(0)
    laws = {
        "normal": (rng.normal(size=(20_000, 8)), 0.0),
        "skewed": (rng.exponential(size=(20_000, 8)), 1.0),
        "rare": (rng.random((20_000, 8)) < 0.45, 0.45),
    }
    for name, (drawn, mean) in laws.items():
        repeats = np.asarray(drawn, dtype=float).reshape(-1, n, 8)
        hits = [
            np.abs(r.mean(axis=0) - mean) <= 1.96 * student_error(r[..., None])[:, 0]
            for r in repeats
        ]
        assert least <= np.mean(hits) <= 0.995, name


@pytest.mark.parametrize(("centre", "noise"), [(1.0, 0.3), (0.5, 0.5), (1.0, 0.5)])
def test_five_pairs_on_a_saturated_score_hold_though_features_move_together(
    centre: float, noise: float
) -> None:
    def slope(t: Any) -> Any:
        return 1 / np.cosh(2 * t) ** 2

    rng = np.random.default_rng(0)
    weights = np.linspace(-1, 1, 8)[:, None]
    steps = noise * rng.standard_normal((3000, 5))
    pairs = (slope(centre + steps) + slope(centre - steps)) / 2
    ends = noise * rng.standard_normal(400_000)
    mean = weights * (slope(centre + ends) + slope(centre - ends)).mean() / 2
    hits = [
        np.abs((weights * own).mean(axis=1, keepdims=True) - mean)
        <= 1.96 * student_error(np.multiply.outer(own, weights))
        for own in pairs
    ]
    assert 0.88 <= np.mean(hits) <= 0.98


def test_repeats_that_agree_or_are_too_few_have_no_error_or_none() -> None:
    assert student_error(np.ones((4, 2, 1))) is None
    assert (student_error(np.full((6, 2, 1), 1 / 3)) < 1e-15).all()


def test_one_feature_too_many_is_not_told_to_become_fewer() -> None:
    masker = bx.TabularMasker(np.arange(20.0)[:, None])
    with pytest.raises(BudgetError, match=r"over 1 feature need \d+ .* is 100\. Use fewer points"):
        bx.IntegratedGradients(budget=100).explain(lambda z: z[:, 0], [3.0], masker)


@pytest.mark.parametrize(("level", "share"), [(255, 0.5), (0, 0.5), (128, 1.0)])
def test_integers_do_not_leave_the_range_of_their_type(level: int, share: float) -> None:
    image = np.full((8, 8), level, dtype=np.uint8)
    masker = bx.ImageMasker(bx.Grid(rows=2, columns=2), fill=100)
    why = bx.BlockGradient(step=4.0).explain(
        lambda images: images.astype(float).sum(axis=(1, 2)), image, masker
    )
    np.testing.assert_allclose(why.values[:, 0], 16 * share)
