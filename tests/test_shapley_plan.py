"""What a budget buys: never more than it is, and nearly all of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blackbox_xai as bx
from blackbox_xai.errors import BudgetError
from blackbox_xai.explainers.shapley.plan import chain_plan, make_plan


def game(seed, r, d, alike):
    """Which features vary under which fill, and the fills' weights."""
    rng = np.random.default_rng(seed)
    return rng.random((r, d)) >= alike, rng.dirichlet(np.full(r, 2.0))


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 1 << 30),
    st.integers(1, 80),
    st.integers(1, 12),
    st.sampled_from([0.0, 0.3, 0.7]),
    st.integers(1, 1500),
    st.sampled_from([make_plan, chain_plan]),
)
def test_a_plan_costs_what_it_says_and_no_more_than_the_budget(seed, r, d, alike, rows, plan_for):
    varies, weights = game(seed, r, d, alike)
    try:
        plan = plan_for(varies, weights, rows, np.random.default_rng(seed))
    except BudgetError:
        assert rows <= 2 * 2 * d
        return
    assert plan.rows == 2 * plan.n_pairs.sum() + len(plan.base_fills) <= rows
    active = varies.any(axis=1)
    assert plan.share.sum() == pytest.approx(weights[active].sum())
    assert set(plan.fills) <= set(np.flatnonzero(active))
    assert set(plan.fills) <= set(plan.base_fills)


@pytest.mark.parametrize("rows", [300, 1000, 3000])
@pytest.mark.parametrize("alike", [0.1, 0.4])
def test_fills_that_share_values_with_the_input_leave_little_of_the_budget(rows, alike):
    varies, weights = game(3, 600, 8, alike)
    plan = make_plan(varies, weights, rows, np.random.default_rng(0))
    assert len(np.unique(plan.fills)) < 600
    assert rows - 3 * 2 * 8 <= plan.rows <= rows


def test_fills_are_drawn_by_weight():
    varies, weights = game(4, 40, 6, 0.4)
    draws = [make_plan(varies, weights, 160, np.random.default_rng(s)).fills for s in range(600)]
    often = np.bincount(np.concatenate(draws), minlength=40) / 600
    size = np.mean([len(fills) for fills in draws])
    active = varies.any(axis=1)
    expected = np.minimum(size * weights / weights[active].sum(), 1.0)[active]
    assert abs(often[active] - expected).max() < 0.12


@pytest.mark.parametrize("budget", [3, 10, 100, 600, 601, 700])
def test_one_varying_feature_with_more_background_rows_than_the_budget(budget):
    background = np.zeros((600, 3))
    background[:, 1] = np.random.default_rng(0).normal(size=600)
    masker = bx.TabularMasker(background)
    why = bx.Shapley(budget=budget).explain(lambda rows: rows[:, 1] ** 2, [0.0, 2.0, 0.0], masker)
    assert why.cost.rows <= budget
    assert why.values[[0, 2]].tolist() == [[0.0], [0.0]]
    truth = 4 - (background[:, 1] ** 2).mean()
    assert abs(why.values[1, 0] - truth) <= 4 * why.std_err[1, 0] + 1e-9


def test_one_varying_feature_needs_two_background_rows():
    masker = bx.TabularMasker(np.arange(600.0)[:, None])
    with pytest.raises(BudgetError, match="needs at least 3 model rows"):
        bx.Shapley(budget=2).explain(lambda rows: rows[:, 0], [0.5], masker)
