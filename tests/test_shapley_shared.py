"""All background rows solved by one process: ``Shapley(accuracy="high")``."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import blackbox_xai as bx


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
