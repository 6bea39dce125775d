"""Standard errors where few background rows or few coalitions tell them."""

from __future__ import annotations

import numpy as np
import pytest

import blackbox_xai as bx
from blackbox_xai.coalitions.shapley import all_subsets
from blackbox_xai.solvers.shapley import exact_values


def test_one_background_row_with_one_chain_has_standard_errors():
    rng = np.random.default_rng(0)
    mix = rng.normal(size=(12, 6)) / 3

    def model(inputs):
        return np.tanh(inputs @ mix).sum(axis=1)

    masker = bx.TabularMasker(np.zeros((1, 12)))
    inside = []
    for seed in range(8):
        x = rng.normal(size=12)
        exact = bx.ExactShapley().explain(model, x, masker)
        why = bx.Shapley(budget=26, random_state=seed).explain(model, x, masker)
        assert why.diagnostics["design"] == "chains"
        assert (why.std_err > 0).all()
        inside.append((abs(why.values - exact.values) <= 1.96 * why.std_err).mean())
    assert np.mean(inside) > 0.9


def test_contributions_that_are_rare_are_not_ruled_out_by_a_few_background_rows():
    rng = np.random.default_rng(1)
    background = rng.normal(size=(600, 10))

    def model(inputs):  # each feature matters for one background row in 60
        return (inputs < -2.1).sum(axis=1) + inputs[:, 0]

    x, masker = np.ones(10), bx.TabularMasker(background)
    exact = -(background < -2.1).mean(axis=0)
    exact[0] += 1 - background[:, 0].mean()
    inside = []
    for seed in range(40):
        why = bx.Shapley(budget=1100, random_state=seed).explain(model, x, masker)
        assert why.diagnostics["fills_used"] < 60
        inside.append(abs(why.values[:, 0] - exact) <= 1.96 * why.std_err[:, 0])
    assert np.mean(inside) >= 0.9


def test_rows_that_are_not_drawn_widen_intervals_where_totals_are_not_known():
    rng = np.random.default_rng(2)
    background = rng.normal(size=(500, 10))
    weights = np.arange(1.0, 11)
    exact = weights * (1 - background.mean(axis=0))
    masker, inside = bx.TabularMasker(background), []
    for seed in range(40):
        explainer = bx.Shapley(budget=250, random_state=seed)
        why = explainer.explain(lambda inputs: inputs @ weights, np.ones(10), masker)
        assert why.diagnostics["fills_used"] < 15
        inside.append(abs(why.values[:, 0] - exact) <= 1.96 * why.std_err[:, 0])
    assert 0.92 <= np.mean(inside) <= 0.99


def test_background_rows_lean_on_each_other_and_stay_efficient():
    rng = np.random.default_rng(3)
    background = rng.normal(size=(40, 10))
    background[:, 4] = 1.0  # never varies
    background[::3, 2] = 1.0  # nor does this one, under a third of the rows
    mix = rng.normal(size=(10, 8)) / 3

    def model(inputs):
        both = np.tanh(inputs @ mix)
        return np.column_stack([both.sum(axis=1), both[:, 0] * both[:, 1]])

    x, masker = np.ones(10), bx.TabularMasker(background)
    exact = bx.ExactShapley().explain(model, x, masker)
    ratio = []
    for seed in range(6):
        why = bx.Shapley(budget=40 * 50, random_state=seed).explain(model, x, masker)
        np.testing.assert_allclose(why.values.sum(axis=0) + why.base, why.scores, atol=1e-9)
        np.testing.assert_array_equal(why.values[4], 0)
        off = np.linalg.norm(why.values - exact.values, axis=0)
        ratio.append(np.linalg.norm(why.std_err, axis=0) / off)
    assert 0.7 < np.median(ratio) < 1.8


@pytest.mark.parametrize("per_feature", [5, 10, 20, 40])
def test_intervals_of_small_games_hold_at_every_share_of_coalitions(per_feature):
    rng = np.random.default_rng(4)
    centres, heights = rng.normal(size=(40, 10)), rng.normal(size=40)

    def smooth(inputs):
        return np.exp(-((inputs[:, None] - centres) ** 2).sum(axis=-1) / 15) @ heights

    masker = bx.TabularMasker(rng.normal(size=(15, 10)))
    inside, ratio = [], []
    for seed in range(4):
        x = rng.normal(size=10)
        exact = bx.ExactShapley().explain(smooth, x, masker)
        explainer = bx.Shapley(budget=15 * 10 * per_feature, accuracy="fast", random_state=seed)
        why = explainer.explain(smooth, x, masker)
        inside.append((abs(why.values - exact.values) <= 1.96 * why.std_err).mean())
        off = np.linalg.norm(why.values - exact.values)
        ratio.append(np.linalg.norm(why.std_err) / off)
    assert np.mean(inside) >= 0.9
    assert 0.8 < np.median(ratio) < 1.8


def test_errors_from_some_of_the_rows_serve_all():
    """With many outputs, residuals are computed for a part of the background rows."""
    rng = np.random.default_rng(5)
    background, x = rng.normal(size=(40, 32)), rng.normal(size=32)
    mix = rng.normal(size=(32, 40)) / 6
    masker = bx.TabularMasker(background)
    explainer = bx.Shapley(budget=1 + 40 * 257, accuracy="fast")

    def model(inputs):
        return np.tanh(inputs @ mix)

    whole = explainer.explain(model, x, masker, outputs=list(range(40)))
    alone = explainer.explain(model, x, masker, outputs=[3])
    assert whole.diagnostics["design"] == "regression"
    np.testing.assert_allclose(whole.values[:, 3], alone.values[:, 0], atol=0.05 * abs(x).max())
    ratio = np.linalg.norm(whole.std_err[:, 3]) / np.linalg.norm(alone.std_err)
    assert 0.7 < ratio < 1.4


def test_few_rows_left_out_leave_little_open():
    """With nearly all rows drawn, what rows differ by is known; their own coalitions decide."""
    rng = np.random.default_rng(6)
    background = rng.normal(size=(60, 9))
    weights = np.linspace(1, 2, 9)
    x, masker = np.ones(9), bx.TabularMasker(background)
    budget = 1 + 60 + 50 * 16  # chains for fifty of sixty rows

    def nearly_linear(inputs):
        return inputs**2 @ weights + 0.01 * inputs[:, 0] * inputs[:, 1]

    why = bx.Shapley(budget=budget).explain(nearly_linear, x, masker)
    assert why.diagnostics["fills_used"] == 50
    spread = (background**2 * weights).std(axis=0, ddof=1) / np.sqrt(50)
    assert (why.std_err[:, 0] < 0.75 * spread).all()
    exact = weights * (1 - (background**2).mean(axis=0))
    assert (abs(why.values[:, 0] - exact) <= 3 * why.std_err[:, 0]).all()


def test_intervals_are_as_wide_as_the_orders_of_interaction_make_them():
    """What pairs leave open, and what residuals say of it, depends on the order."""
    ratios = []
    for d, order, per_feature in ((12, 5, 10), (16, 3, 10), (14, 5, 12)):
        rng = np.random.default_rng(7)
        background = rng.choice([-2.0, 2.0], size=(16, d))
        sets = rng.permuted(np.broadcast_to(np.arange(d), (3 * d, d)), axis=1)[:, :order]
        masker, x = bx.TabularMasker(background), np.ones(d)

        def products(inputs, sets=sets):
            return inputs[:, sets].prod(axis=2).sum(axis=1)

        kept = all_subsets(order)[:, None, None]
        scores = np.where(kept, 1.0, background[:, sets]).prod(axis=3).mean(axis=1)
        exact = np.zeros((d, 1))
        np.add.at(exact[:, 0], sets.T, exact_values(scores))
        predicted, actual = [], []
        for seed in range(10):
            explainer = bx.Shapley(budget=1 + 16 * d * per_feature, random_state=seed)
            why = explainer.explain(products, x, masker)
            assert why.diagnostics["design"] == "regression"
            predicted.append((why.std_err**2).mean())
            actual.append(((why.values - exact) ** 2).mean())
        ratios.append(np.sqrt(np.mean(predicted) / np.mean(actual)))
    assert 0.95 < np.mean(ratios) < 1.22


@pytest.mark.parametrize("budget", [900, 1500])
def test_intervals_of_fitted_kernels_hold_where_most_coalitions_are_asked(budget):
    mix, inside = np.random.default_rng(6).normal(size=(11, 8)) / np.sqrt(11), []
    masker = bx.TabularMasker(np.zeros((1, 11)))

    def model(inputs):
        return np.tanh(2 * inputs @ mix).sum(axis=1)

    for seed in range(4):
        x = np.random.default_rng(seed).choice([-1.0, 1.0], 11)
        exact = bx.ExactShapley().explain(model, x, masker)
        explainer = bx.Shapley(budget=budget, accuracy="high", random_state=seed)
        why = explainer.explain(model, x, masker)
        assert why.diagnostics["kernel"] == "fitted"
        inside.append(abs(why.values - exact.values) <= 1.96 * why.std_err)
    assert np.mean(inside) >= 0.85  # it was half of that


@pytest.mark.parametrize(("d", "budget"), [(12, 2050), (13, 2050)])
def test_intervals_hold_where_triples_are_taken_out(d, budget):
    """What triples leave is of higher orders, which the map with them in it gets wrong."""
    masker, inside, ratio = bx.TabularMasker(np.zeros((1, d))), [], []

    def fives(inputs):
        triple = inputs[:, 0] * inputs[:, 7] * inputs[:, 9]
        return inputs[:, :5].prod(axis=1) + inputs[:, 5:10].prod(axis=1) + triple / 2

    def threes(inputs):
        return inputs[:, :3].prod(axis=1) + inputs[:, 3:6].prod(axis=1)

    for model in (fives, threes):
        for seed in range(5):
            x = np.random.default_rng(seed).choice([-1.0, 1.0], d)
            exact = bx.ExactShapley().explain(model, x, masker)
            why = bx.Shapley(budget=budget, random_state=seed).explain(model, x, masker)
            assert why.diagnostics["kernel"] == "common"
            off = why.values - exact.values
            inside.append(abs(off) <= 1.96 * why.std_err)
            ratio.append(np.linalg.norm(why.std_err) / np.linalg.norm(off))
    assert np.mean(inside) >= 0.9  # it was half of that
    assert 0.9 < np.median(ratio) < 1.6
