"""Shapley values that go on: the same numbers from a prediction log, and nothing asked in vain."""

from __future__ import annotations

import numpy as np
import pytest

import blackbox_xai as bx
from blackbox_xai.errors import BudgetError, InputError


def model(inputs):
    return np.tanh(inputs @ np.arange(1.0, 7.0) / 4) + inputs[:, 0] * inputs[:, 1]


def table():
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 6)), np.ones(6)


def logged(path):
    return bx.RecordedModel(bx.as_model(model), path, fingerprint="one", probe=False)


@pytest.mark.parametrize("tol", [None, 0.01, 1e-9])
def test_a_run_that_a_log_answers_gives_the_same_bits(tmp_path, tol):
    background, x = table()
    masker, path = bx.TabularMasker(background), tmp_path / "scores.sqlite"
    explainer = bx.Shapley(budget=3_000, tol=tol)
    plain = explainer.explain(model, x, masker)
    assert plain.cost.rows <= 3_000
    assert plain.diagnostics["rows"] == plain.cost.rows
    more = explainer.refine(plain, model, x, masker)
    for paid in (True, False):
        why = explainer.explain(logged(path), x, masker)
        again = explainer.refine(why, logged(path), x, masker)
        assert (why.cost.rows > 0) == (again.cost.rows > 0) == paid
        for found, expected in ((why, plain), (again, more)):
            np.testing.assert_array_equal(found.values, expected.values)
            np.testing.assert_array_equal(found.std_err, expected.std_err)
            np.testing.assert_array_equal(found.base, expected.base)


def test_what_is_exact_is_not_asked_again():
    background, x = table()
    masker = bx.TabularMasker(background)
    explainer = bx.Shapley(budget=5_000)
    why = explainer.explain(model, x, masker)
    assert why.diagnostics["design"] == "all coalitions"

    def refuse(inputs):
        raise AssertionError(f"{len(inputs)} rows were asked in vain")

    assert explainer.refine(why, refuse, x, masker) is why


def test_a_link_after_the_mean_cannot_be_refined():
    background, x = table()
    masker = bx.TabularMasker(background[:3])
    explainer = bx.Shapley(link=np.cbrt, link_after_mean=True)
    why = explainer.explain(model, x, masker)
    with pytest.raises(InputError, match="link_after_mean=True cannot be refined"):
        explainer.refine(why, model, x, masker)


@pytest.mark.parametrize("budget", [30, 60, 200, 500])
def test_rounds_that_never_content_keep_to_the_budget(budget):
    background, x = table()
    explainer = bx.Shapley(budget=budget, tol=1e-9)
    why = explainer.explain(model, x, bx.TabularMasker(background))
    assert why.cost.rows <= budget


def test_a_plan_counts_every_round_that_a_tolerance_might_need():
    background, x = table()
    masker = bx.TabularMasker(background)
    most = bx.Shapley(budget=3_000, tol=1e-9).explain(model, x, masker).cost.rows
    assert bx.Shapley(budget=3_000, tol=0.5).explain(model, x, masker).cost.rows < most
    assert bx.Shapley(budget=3_000, tol=0.5).plan(model, [x], masker).rows >= 0.95 * most


@pytest.mark.parametrize("budget", [15, 30, 45, 75, 130])
def test_a_small_further_round_keeps_to_its_budget_or_says_what_it_needs(budget):
    background, x = table()
    masker = bx.TabularMasker(background)
    why = bx.Shapley(budget=1_500).explain(model, x, masker)
    more = bx.Shapley(budget=budget)
    rows = []

    def counted(inputs):
        rows.append(len(inputs))
        return model(inputs)

    if budget == 15:
        with pytest.raises(BudgetError, match="Raise budget"):
            more.refine(why, counted, x, masker)
        assert sum(rows) == 1
        return
    again = more.refine(why, counted, x, masker)
    assert again.cost.rows - why.cost.rows == sum(rows) <= budget
    assert again.diagnostics["rounds"] == 2
