"""The classic Shapley estimators against closed forms, brute force, axioms and counted rows."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blackbox_xai as bx
from blackbox_xai.errors import BudgetError, InputError

ESTIMATORS = (bx.ExactShapley, bx.KernelShap, bx.LeverageShapley, bx.PermutationShapley)
SAMPLED = ESTIMATORS[1:]


class Spy:
    """A model that counts the rows it scores."""

    def __init__(self, function):
        self.function = function
        self.rows = 0

    def __call__(self, inputs):
        self.rows += len(inputs)
        return self.function(inputs)


def net(d, k=2, seed=0):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(d, 6)), rng.normal(size=(6, k))
    return lambda inputs: np.tanh(inputs @ first) @ second


def table(d, r, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(r, d)), rng.normal(size=d)


def brute_force(function, x, background):
    """Shapley values by walking every order of the features."""
    d = len(x)
    values = 0.0
    for order in permutations(range(d)):
        kept = np.zeros(d, dtype=bool)
        before = function(background).mean(axis=0)
        single = np.zeros((d, len(before)))
        for j in order:
            kept[j] = True
            after = function(np.where(kept, x, background)).mean(axis=0)
            single[j], before = after - before, after
        values = values + single
    return values / np.prod(np.arange(1, d + 1))


def game(inputs):
    """Savings of three towns that join their water works."""
    a, b, c = np.asarray(inputs).astype(bool).T
    out = 400.0 * a + 560 * b + 720 * c - 220 * (a & b) - 340 * (a & c) - 300 * (b & c)
    return out + 180 * (a & b & c)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_known_game(estimator):
    model, masker = bx.as_model(game), bx.TabularMasker(np.zeros((1, 3)))
    why = estimator().explain(model, np.ones(3), masker)
    atol = 1e-8 if estimator is not bx.PermutationShapley else 10.0
    np.testing.assert_allclose(why.values[:, 0], [180, 360, 460], atol=atol)
    assert why.base[0] == 0
    assert why.values.sum() == pytest.approx(1000)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_linear_model(estimator):
    background, x = table(9, 4)
    weights = np.random.default_rng(2).normal(size=(9, 3))
    why = estimator().explain(lambda inputs: inputs @ weights, x, bx.TabularMasker(background))
    truth = weights * (x - background.mean(axis=0))[:, None]
    np.testing.assert_allclose(why.values, truth, atol=1e-10)
    np.testing.assert_allclose(why.std_err, 0, atol=1e-8)


def test_exact_is_the_mean_over_all_orders():
    background, x = table(5, 3)
    why = bx.ExactShapley().explain(net(5), x, bx.TabularMasker(background))
    np.testing.assert_allclose(why.values, brute_force(net(5), x, background), atol=1e-12)


@pytest.mark.parametrize("estimator", [bx.KernelShap, bx.LeverageShapley])
@pytest.mark.parametrize("d", [2, 3, 6, 7])
def test_all_coalitions_give_exact_values(estimator, d):
    background, x = table(d, 3)
    masker = bx.TabularMasker(background)
    exact = bx.ExactShapley().explain(net(d), x, masker)
    why = estimator(budget=2**d * 3).explain(net(d), x, masker)
    np.testing.assert_allclose(why.values, exact.values, atol=1e-8)
    np.testing.assert_allclose(why.std_err, 0, atol=1e-8)


@pytest.mark.parametrize("estimator", SAMPLED)
def test_rows_are_counted_and_never_exceed_the_budget(estimator):
    background, x = table(12, 5)
    for budget in (150, 333, 1000, 4001):
        spy = Spy(net(12))
        why = estimator(budget=budget).explain(spy, x, bx.TabularMasker(background))
        assert spy.rows == why.cost.rows <= budget
        if estimator is not bx.PermutationShapley:  # whose chains meet near their ends
            assert spy.rows > budget - 2 * 5


@settings(max_examples=25, deadline=None)
@given(
    d=st.integers(2, 8),
    r=st.integers(1, 4),
    seed=st.integers(0, 10**6),
    estimator=st.sampled_from(ESTIMATORS),
)
def test_axioms(d, r, seed, estimator):
    background, x = table(d, r, seed)
    background[:, 0] = x[0]
    model = net(d, seed=seed)
    why = estimator(random_state=seed).explain(model, x, bx.TabularMasker(background))
    np.testing.assert_allclose(why.values.sum(axis=0) + why.base, why.scores, atol=1e-10)
    np.testing.assert_allclose(why.base, model(background).mean(axis=0), atol=1e-12)
    assert (why.values[0] == 0).all()


@pytest.mark.parametrize("estimator", SAMPLED)
def test_errors_shrink_and_are_covered(estimator):
    background, x = table(11, 2)
    masker = bx.TabularMasker(background)
    exact = bx.ExactShapley().explain(net(11), x, masker).values
    inside, errors = [], []
    for seed in range(30):
        why = estimator(budget=600, random_state=seed).explain(net(11), x, masker)
        inside.append(abs(why.values - exact) <= 1.96 * why.std_err)
        errors.append((abs(why.values - exact).mean(), why.std_err.mean()))
    assert 0.88 <= np.mean(inside) <= 0.995
    actual, predicted = np.mean(errors, axis=0)
    assert 0.8 < predicted / actual * np.sqrt(2 / np.pi) < 1.5


@pytest.mark.parametrize("estimator", [bx.KernelShap, bx.LeverageShapley])
@pytest.mark.parametrize("more", [0, 4, 5, 12])
def test_few_pairs_have_errors_that_hold_or_none(estimator, more):
    masker, inside = bx.TabularMasker(np.zeros((1, 8))), []
    for seed in range(40):
        x, model = np.random.default_rng(seed).normal(size=8), net(8, seed=seed)
        exact = bx.ExactShapley().explain(model, x, masker).values
        why = estimator(budget=2 + 2 * (8 + more), random_state=seed).explain(model, x, masker)
        assert (why.std_err is None) == (more < 5)
        if why.std_err is not None:
            inside.append(abs(why.values - exact) <= 1.96 * why.std_err)
    assert not inside or 0.92 <= np.mean(inside) <= 0.99


@pytest.mark.parametrize("estimator", SAMPLED)
def test_too_small_a_budget_says_how_much_is_needed(estimator):
    background, x = table(10, 4)
    rows = []

    def model(inputs):
        rows.append(len(inputs))
        return net(10)(inputs)

    with pytest.raises(BudgetError, match=r"needs at least (\d+) model rows.*is 20") as error:
        estimator(budget=20).explain(model, x, bx.TabularMasker(background))
    assert rows == [1]  # that of the input; none of the background
    needed = int(str(error.value).split("at least ")[1].split()[0])
    estimator(budget=needed).explain(net(10), x, bx.TabularMasker(background))
    with pytest.raises(BudgetError):
        estimator(budget=needed - 1).explain(net(10), x, bx.TabularMasker(background))


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_nothing_varies(estimator):
    x = np.arange(3.0)
    why = estimator().explain(net(3), x, bx.TabularMasker(np.tile(x, (2, 1))))
    assert (why.values == 0).all()
    assert (why.std_err == 0).all()
    np.testing.assert_allclose(why.base, why.scores)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_single_feature(estimator):
    why = estimator().explain(net(1), np.ones(1), bx.TabularMasker(np.zeros((2, 1))))
    np.testing.assert_allclose(why.values[0], why.scores - why.base)


def test_exact_refuses_what_it_cannot_pay():
    background, x = table(17, 1)
    with pytest.raises(InputError, match=r"2\*\*17 coalitions .* max_features is 16"):
        bx.ExactShapley().explain(net(17), x, bx.TabularMasker(background))


@pytest.mark.parametrize("budget", [0, -5, 2.5, True, "many"])
def test_budget_must_be_a_positive_integer(budget):
    background, x = table(3, 1)
    with pytest.raises(InputError, match="budget must be"):
        bx.KernelShap(budget=budget).explain(net(3), x, bx.TabularMasker(background))


def test_orders_of_two_features_are_the_whole_game():
    masker, x = bx.TabularMasker(np.array([[0.0, 0.0], [1.0, -1.0]])), np.array([2.0, 3.0])
    why = bx.PermutationShapley(budget=7).explain(lambda z: z[:, 0] * z[:, 1] ** 2, x, masker)
    exact = bx.ExactShapley().explain(lambda z: z[:, 0] * z[:, 1] ** 2, x, masker)
    np.testing.assert_allclose(why.values, exact.values, atol=1e-12)
    np.testing.assert_array_equal(why.std_err, 0)
    assert why.cost.rows == 7
