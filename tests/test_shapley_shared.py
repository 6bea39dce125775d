"""All background rows solved by one process: ``Shapley(accuracy="high")``."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import blackbox_xai as bx
from blackbox_xai.explainers.shapley.choosing import choose, few_pairs
from blackbox_xai.solvers.product_kernel import Sight


def smooth(inputs):
    return np.tanh(inputs[:, :4].sum(axis=1)) * inputs[:, 4] + inputs[:, 5:].prod(axis=1)


def trial(seed, r=24, d=9):
    rng = np.random.default_rng(seed)
    return rng.normal(size=d), bx.TabularMasker(rng.normal(size=(r, d)))


def test_one_process_is_nearer_the_truth_and_knows_how_near():
    gain, inside, ratio = [], [], []
    for seed in range(6):
        x, masker = trial(seed)
        exact = bx.ExactShapley().explain(smooth, x, masker).values
        fast, high = (
            bx.Shapley(budget=24 * 90, random_state=seed, accuracy=accuracy).explain(
                smooth, x, masker
            )
            for accuracy in ("fast", "high")
        )
        assert fast.diagnostics["kernel"] == "common"
        assert high.diagnostics["kernel"] == "shared"
        assert high.cost.rows == fast.cost.rows <= 24 * 90
        off = np.linalg.norm(high.values - exact)
        gain.append(np.log(off / np.linalg.norm(fast.values - exact)))
        inside.append((abs(high.values - exact) <= 1.96 * high.std_err).mean())
        ratio.append(np.linalg.norm(high.std_err) / off)
    assert np.exp(np.mean(gain)) < 0.8
    assert np.mean(inside) >= 0.92
    assert 0.8 < np.median(ratio) < 1.8


def test_efficiency_null_features_and_many_outputs():
    rng = np.random.default_rng(1)
    background = rng.normal(size=(20, 9))
    background[:, 6] = 0.5  # never varies
    background[::2, 3] = 0.5  # nor does this one, under every second row

    def model(inputs):
        return np.column_stack([smooth(inputs), inputs[:, 0] * inputs[:, 3]])

    why = bx.Shapley(budget=20 * 60, accuracy="high").explain(
        model, np.full(9, 0.5), bx.TabularMasker(background)
    )
    assert why.diagnostics["kernel"] == "shared"
    np.testing.assert_allclose(why.values.sum(axis=0) + why.base, why.scores, atol=1e-12)
    np.testing.assert_array_equal(why.values[6], 0)
    np.testing.assert_array_equal(why.std_err[6], 0)


@pytest.mark.parametrize("accuracy", ["fast", "high"])
@pytest.mark.parametrize("per_row", [16, 33, 60, 150])
def test_linear_models_stay_exact(accuracy, per_row):
    rng = np.random.default_rng(2)
    background, x = 50 * rng.normal(size=(30, 8)) + 700, 50 * rng.normal(size=8)
    weights = rng.normal(size=8) * np.logspace(-3, 3, 8)
    explainer = bx.Shapley(budget=30 * (per_row + 1), accuracy=accuracy)
    why = explainer.explain(lambda inputs: inputs @ weights, x, bx.TabularMasker(background))
    truth = weights * (x - background.mean(axis=0))
    assert why.diagnostics["fills_used"] == 30
    np.testing.assert_allclose(why.values[:, 0], truth, rtol=0, atol=1e-10 * abs(truth).max())
    assert why.std_err.max() <= 1e-10 * abs(truth).max()


def test_categories_missing_values_and_groups():
    rng = np.random.default_rng(3)
    n = 25
    frame = pd.DataFrame(
        {
            "kind": pd.Categorical(rng.choice(list("abc"), n)),
            "age": np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n)),
            **{f"hot_{c}": (rng.integers(0, 3, n) == c) * 1 for c in range(3)},
            **{f"z{j}": rng.normal(size=n) for j in range(6)},
        }
    )

    def model(inputs):
        z = inputs[[f"z{j}" for j in range(6)]].to_numpy()
        bonus = (inputs["kind"] == "a") * 1.0 + inputs["age"].isna() * z[:, 0]
        return bonus * z[:, 1] + np.sin(z).prod(axis=1) + inputs["hot_1"] * z[:, 2] * z[:, 3]

    masker = bx.TabularMasker(frame, groups={"hot": ["hot_0", "hot_1", "hot_2"]})
    exact = bx.ExactShapley().explain(model, frame.iloc[0], masker)
    why = bx.Shapley(budget=n * 60, accuracy="high").explain(model, frame.iloc[0], masker)
    assert why.diagnostics["kernel"] == "shared"
    off = np.linalg.norm(why.values - exact.values) / np.linalg.norm(exact.values)
    assert off < 0.1


def test_same_bits_for_any_batch_size():
    def model(z):  # no sums over rows, whose last bits depend on the batch
        return np.tanh(z[:, 0] * z[:, 1]) + z[:, 2] * z[:, 3] * z[:, 4]

    x, masker = trial(5)
    explainer = bx.Shapley(budget=24 * 60, accuracy="high")
    whole = explainer.explain(model, x, masker)
    cut = explainer.explain(bx.as_model(model, batch_size=17), x, masker)
    np.testing.assert_array_equal(whole.values, cut.values)
    np.testing.assert_array_equal(whole.std_err, cut.std_err)


def test_rows_whose_own_coalitions_leave_little_open_are_solved_alone():
    x, masker = trial(7, r=12, d=8)
    for per_row, kernel in ((60, "shared"), (140, "common")):
        explainer = bx.Shapley(budget=12 * per_row, accuracy="high")
        assert explainer.explain(smooth, x, masker).diagnostics["kernel"] == kernel


def ands(z):
    """Products of two to four columns: features matter where they come together."""
    members = [[0, 1], [2, 3, 4], [1, 5, 6], [0, 7, 8, 9], [3, 10], [4, 6, 11], [2, 9]]
    signs = (1, -1, 1, 1, -1, 1, 1)
    return sum(c * z[:, m].prod(axis=1) for c, m in zip(signs, members, strict=True))


def test_features_that_matter_together_are_known_for_it():
    """Against zeros each product is there only when all its features are kept."""
    x, masker = np.ones(12), bx.TabularMasker(np.zeros((1, 12)))
    exact = bx.ExactShapley().explain(ands, x, masker).values
    fast, high, inside = [], [], []
    for seed in range(4):
        common, fitted = (
            bx.Shapley(budget=400, accuracy=accuracy, random_state=seed).explain(ands, x, masker)
            for accuracy in ("fast", "high")
        )
        assert fitted.diagnostics["kernel"] == "fitted"
        fast.append(np.linalg.norm(common.values - exact))
        high.append(np.linalg.norm(fitted.values - exact))
        inside.append((abs(fitted.values - exact) <= 1.96 * fitted.std_err).mean())
        np.testing.assert_allclose(fitted.values.sum() + fitted.base, fitted.scores)
    assert np.median(high) < 0.8 * np.median(fast)
    assert np.mean(inside) >= 0.92


@pytest.mark.parametrize(("turned", "shape"), [(False, 1), (True, -1)])
def test_the_choice_tells_ands_from_ors(turned, shape):
    """A game and its dual, where features matter while others are hidden."""
    d = 12
    half = np.random.default_rng(0).random((60, d)) < 0.5
    whole = np.ones((1, d), dtype=bool)
    kept = np.vstack([half, ~half, whole, ~whole])
    scores = ands(np.where(kept ^ turned, 1.0, 0.0))
    scores -= scores[-1] + kept.mean(axis=1) * (scores[-2] - scores[-1])
    alike = np.full((d, 2, 2), 0.3)
    alike[:, [0, 1], [0, 1]] = 1
    sight = Sight(kept, scores[:, None], whole[0], 1.0)
    guess, tilt = choose([sight], alike, np.ones(d), even=True, by_feature=True)
    assert (guess.shape - 2) * shape > 0
    assert len(np.unique(tilt)) > 1
    even_tilt = choose([few_pairs(sight, 20)], alike, np.ones(d), even=True, by_feature=False)[1]
    np.testing.assert_array_equal(even_tilt, 1)


def test_few_pairs_keep_their_complements_and_the_ends():
    kept = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]], bool)
    kept = np.vstack([kept, np.ones((1, 3), bool), np.zeros((1, 3), bool)])
    sight = Sight(kept, np.arange(8.0)[:, None], np.ones(3, bool), 1.0)
    few = few_pairs(sight, 2)
    np.testing.assert_array_equal(few.scores[:, 0], [0, 2, 3, 5, 6, 7])
    np.testing.assert_array_equal(few.kept, kept[[0, 2, 3, 5, 6, 7]])
    assert few_pairs(sight, 3) is sight


def test_large_designs_are_solved_by_their_odd_parts(monkeypatch):
    x, masker = trial(3, r=10)
    exact = bx.ExactShapley().explain(smooth, x, masker).values
    explainer = bx.Shapley(budget=10 * 60, accuracy="high")
    both = explainer.explain(smooth, x, masker)
    monkeypatch.setattr("blackbox_xai.explainers.shapley.together._MOST_PARTS", 80)
    odd = explainer.explain(smooth, x, masker)
    monkeypatch.setattr("blackbox_xai.explainers.shapley.together._MOST_PARTS", 50)
    none = explainer.explain(smooth, x, masker)
    kernels = [why.diagnostics["kernel"] for why in (both, odd, none)]
    assert kernels[:2] == ["shared", "shared"]
    assert kernels[2] != "shared"
    assert abs(odd.values - both.values).max() > 0
    off = np.linalg.norm(odd.values - exact)
    assert off < 1.2 * np.linalg.norm(none.values - exact)
    assert 0.4 < np.linalg.norm(odd.std_err) / off < 3


def test_closeness_that_is_no_covariance_is_not_used(monkeypatch):
    def closeness(self, fills):
        rng = np.random.default_rng(0)
        square = rng.random((9, len(fills) + 1, len(fills) + 1))
        return (square + square.transpose(0, 2, 1)) / 2

    monkeypatch.setattr("blackbox_xai.maskers.tabular.MaskedRow.closeness", closeness)
    x, masker = trial(4, r=10)
    why = bx.Shapley(budget=10 * 60, accuracy="high").explain(smooth, x, masker)
    assert why.diagnostics["kernel"] != "shared"
    np.testing.assert_allclose(why.values.sum() + why.base, why.scores)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_same_bits_for_any_n_jobs(n_jobs):
    x, masker = trial(6, r=8)
    explainer = bx.Shapley(budget=8 * 40, accuracy="high")
    xs = np.stack([x, x + 1])
    model = bx.as_model(toys_model)
    alone = [explainer.explain_many(model, xs[:1], masker)[0]]
    both = explainer.explain_many(model, xs, masker, n_jobs=n_jobs)
    np.testing.assert_array_equal(both[0].values, alone[0].values)
    np.testing.assert_array_equal(both[0].std_err, alone[0].std_err)


def toys_model(z):
    """Without sums over rows, whose last bits depend on the batch."""
    return np.tanh(z[:, 0] * z[:, 1]) + z[:, 2] * z[:, 3] * z[:, 4]
