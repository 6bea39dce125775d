"""Owen values and interactions against brute force and closed forms."""

from __future__ import annotations

import math
from functools import partial
from itertools import permutations

import matplotlib as mpl
import numpy as np
import pytest

import blackbox_xai as bx
from blackbox_xai.coalitions.shapley import all_subsets
from blackbox_xai.errors import BudgetError, InputError
from blackbox_xai.plotting.interactions import interaction_heatmap

mpl.use("Agg")


def net(d, seed=0):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(d, 5)), rng.normal(size=(5, 2))
    return lambda inputs: np.tanh(inputs @ first / 2) @ second


def table(d, r, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(r, d)), rng.normal(size=d)


def together(order, group):
    places = [order.index(j) for j in group]
    return max(places) - min(places) == len(group) - 1


def owen_by_force(model, x, background, groups):
    """Mean over every order that keeps every group together."""
    found = []
    for order in permutations(range(len(x))):
        if not all(together(order, group) for group in groups):
            continue
        kept = np.zeros(len(x), dtype=bool)
        before, single = model(background).mean(axis=0), {}
        for j in order:
            kept[j] = True
            after = model(np.where(kept, x, background)).mean(axis=0)
            single[j], before = after - before, after
        found.append([single[j] for j in range(len(x))])
    return np.mean(found, axis=0)


def test_owen_values_of_a_nested_hierarchy():
    background, x = table(5, 4)
    truth = owen_by_force(net(5), x, background, [[0, 3], [1, 2, 4], [2, 4]])
    explainer = bx.OwenShapley(hierarchy=[[0, 3], [1, [2, 4]]], budget=20_000)
    why = explainer.explain(net(5), x, bx.TabularMasker(background))
    assert why.cost.rows <= 20_000
    assert (abs(why.values - truth) <= 4 * why.std_err + 1e-12).all()
    assert np.linalg.norm(why.values - truth) < 0.02 * np.linalg.norm(truth)
    np.testing.assert_allclose(why.values.sum(axis=0) + why.base, why.scores, atol=1e-10)
    # The hierarchy matters: these are not the Shapley values.
    flat = bx.ExactShapley().explain(net(5), x, bx.TabularMasker(background)).values
    assert np.linalg.norm(flat - truth) > 0.05 * np.linalg.norm(truth)


def test_a_flat_hierarchy_gives_shapley_values():
    background, x = table(6, 5)
    masker = bx.TabularMasker(background)
    truth = bx.ExactShapley().explain(net(6), x, masker).values
    why = bx.OwenShapley(hierarchy=list(range(6)), budget=20_000).explain(net(6), x, masker)
    assert np.linalg.norm(why.values - truth) < 0.03 * np.linalg.norm(truth)


def test_owen_takes_names():
    masker = bx.TabularMasker(np.zeros((1, 3)), feature_names=["a", "b", "c"])
    why = bx.OwenShapley(hierarchy=[["a", "c"], "b"], budget=50).explain(
        lambda z: z @ np.array([1.0, 2.0, 3.0]), np.ones(3), masker
    )
    np.testing.assert_allclose(why.values[:, 0], [1, 2, 3])


@pytest.mark.parametrize(
    ("hierarchy", "message"),
    [
        ([[0, 1]], "missing"),
        ([[0, 1], [1, 2]], "stands twice"),
        ([[0, 1], [2, 9]], "holds 9"),
        ([["age", 1], 2], "names 'age'"),
        ([[0, 1], 2.5], "names or positions, got 2.5"),
        ("abc", "nested sequences"),
    ],
)
def test_bad_hierarchies(hierarchy, message):
    with pytest.raises(InputError, match=message):
        bx.OwenShapley(hierarchy=hierarchy, budget=100).explain(
            net(3), np.ones(3), bx.TabularMasker(np.zeros((1, 3)))
        )


def interaction_by_force(model, x, background):
    """Mean over orders in which two features enter one after the other, as one."""
    d = len(x)

    def score(kept):
        return model(np.where(np.isin(np.arange(d), kept), x, background)).mean(axis=0)

    found = np.zeros((d, d, 2))
    for i in range(d):
        for j in range(i + 1, d):
            others = [m for m in range(d) if m not in (i, j)]
            changes = []
            for order in permutations([*others, -1]):
                kept = list(order[: order.index(-1)])
                changes.append(
                    score([*kept, i, j]) - score([*kept, i]) - score([*kept, j]) + score(kept)
                )
            found[i, j] = found[j, i] = np.mean(changes, axis=0)
    return found


def test_exact_interactions():
    background, x = table(5, 3)
    explainer = bx.ShapleyInteractions(index="SII")
    why = explainer.explain(net(5), x, bx.TabularMasker(background))
    pairs = explainer.pairs(why)
    truth = interaction_by_force(net(5), x, background)
    np.testing.assert_allclose(pairs.values, truth, atol=1e-12)
    exact = bx.ExactShapley().explain(net(5), x, bx.TabularMasker(background))
    np.testing.assert_allclose(why.values, exact.values, atol=1e-12)
    assert why.diagnostics["exact"]


def best_sum_of_pairs(scores, d):
    """Own parts and pairs of the weighted fit that is right at nothing and everything kept."""
    kept = all_subsets(d)
    rows, columns = np.triu_indices(d, 1)
    design = np.hstack([kept, kept[:, rows] & kept[:, columns]]).astype(float)
    size = kept.sum(axis=1)
    weight = np.array([1 / (math.comb(d, s) * s * (d - s)) if 0 < s < d else 0 for s in size])
    gram = design.T * weight @ design
    border = np.vstack([np.hstack([gram, design[-1:].T]), np.append(design[-1], 0.0)])
    game = scores - scores[0]
    right = np.vstack([design.T * weight @ game, game[-1:]])
    found = np.linalg.solve(border, right)[:-1]
    pairs = np.zeros((d, d, scores.shape[1]))
    pairs[rows, columns] = pairs[columns, rows] = found[d:]
    return found[:d], pairs


def test_faithful_interactions_are_the_best_sum_over_features_and_pairs():
    background, x = table(6, 3)
    explainer = bx.ShapleyInteractions(index="FSII")
    why = explainer.explain(net(6), x, bx.TabularMasker(background))
    rows = np.where(all_subsets(6)[:, None], x, background).reshape(-1, 6)
    own, pairs = best_sum_of_pairs(net(6)(rows).reshape(64, 3, 2).mean(axis=1), 6)
    np.testing.assert_allclose(explainer.pairs(why).values, pairs, atol=1e-10)
    np.testing.assert_allclose(why.values, own, atol=1e-10)
    np.testing.assert_allclose(why.std_err, 0)


@pytest.mark.parametrize("index", ["k-SII", "FSII"])
@pytest.mark.parametrize("budget", [None, 800])
def test_own_parts_and_interactions_sum_to_the_score(budget, index):
    background, x = table(9, 3)
    explainer = bx.ShapleyInteractions(budget=budget, index=index)
    why = explainer.explain(net(9), x, bx.TabularMasker(background))
    halves = explainer.pairs(why).values.sum(axis=(0, 1)) / 2
    np.testing.assert_allclose(why.values.sum(axis=0) + halves + why.base, why.scores, atol=1e-10)


@pytest.mark.parametrize("index", ["k-SII", "FSII"])
def test_estimated_interactions_have_honest_errors(index):
    background, x = table(12, 2)
    masker, explainer = bx.TabularMasker(background), partial(bx.ShapleyInteractions, index=index)
    truth = explainer(budget=2**12 * 2).pairs(
        explainer(budget=2**12 * 2).explain(net(12), x, masker)
    )
    above = np.triu_indices(12, 1)
    inside = []
    for seed in range(5):
        why = explainer(budget=1_200, random_state=seed).explain(net(12), x, masker)
        assert why.cost.rows <= 1_200
        found = explainer().pairs(why)
        off = abs(found.values - truth.values)[above]
        inside.append(off <= 1.96 * found.std_err[above])
        assert np.linalg.norm(off) < 0.4 * np.linalg.norm(truth.values[above])
    assert 0.88 < np.mean(inside) <= 1


@pytest.mark.parametrize("index", ["k-SII", "FSII"])
def test_games_of_pairs_are_estimated_exactly(index):
    rng = np.random.default_rng(0)
    products = np.triu(rng.normal(size=(13, 13)), 1)

    def model(z):
        return np.einsum("ni,ij,nj->n", z, products, z)

    explainer = bx.ShapleyInteractions(budget=600, index=index)
    why = explainer.explain(model, np.ones(13), bx.TabularMasker(np.zeros((1, 13))))
    pairs = explainer.pairs(why)
    np.testing.assert_allclose(pairs.values[:, :, 0], products + products.T, atol=1e-8)
    np.testing.assert_allclose(why.values, 0, atol=1e-8)


def test_interactions_say_what_they_need():
    background, x = table(20, 4)
    masker = bx.TabularMasker(background)
    with pytest.raises(BudgetError, match=r"needs at least \d+ model rows for the pairs of 20"):
        bx.ShapleyInteractions(budget=300).explain(net(20), x, masker)
    with pytest.raises(InputError, match="at most 40 varying features, got 50"):
        bx.ShapleyInteractions().explain(net(50), np.ones(50), bx.TabularMasker(np.zeros((1, 50))))
    with pytest.raises(InputError, match="must come from ShapleyInteractions"):
        bx.ShapleyInteractions().pairs(bx.KernelShap().explain(net(20), x, masker))
    with pytest.raises(InputError, match="index must be one of"):
        bx.ShapleyInteractions(index="STI").explain(net(20), x, masker)


def test_features_that_do_not_vary_have_no_interactions():
    background, x = table(6, 3)
    background[:, 2] = x[2]
    explainer = bx.ShapleyInteractions()
    pairs = explainer.pairs(explainer.explain(net(6), x, bx.TabularMasker(background)))
    assert (pairs.values[2] == 0).all()
    assert (pairs.main[2] == 0).all()


def test_heat_map_shows_the_strongest_and_brackets_the_unsure():
    values = np.array([[0.0, 2.0, 0.1], [2.0, 0.0, 0.0], [0.1, 0.0, 0.0]])
    std_err = np.full((3, 3), 0.2)
    axes = interaction_heatmap(values, np.array([1.0, -3.0, 0.5]), "abc", std_err=std_err, top=3)
    texts = [text.get_text() for text in axes.texts]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["b", "a", "c"]
    assert sum(text.startswith("(") for text in texts) == 4
    assert len(texts) == 9
    mpl.pyplot.close(axes.figure)
    few = interaction_heatmap(values, np.array([1.0, -3.0, 0.5]), "abc", top=2)
    assert len(few.texts) == 4
    mpl.pyplot.close(few.figure)


def test_interactions_draw_themselves():
    background, x = table(5, 3)
    explainer = bx.ShapleyInteractions()
    pairs = explainer.pairs(explainer.explain(net(5), x, bx.TabularMasker(background)))
    axes = pairs.plot(output=1, top=4)
    assert len(axes.texts) == 16
    mpl.pyplot.close(axes.figure)


def test_without_groups_the_way_out_is_named():
    with pytest.raises(InputError, match=r"OwenShapley needs hierarchy=.*use Shapley"):
        bx.OwenShapley().explain(lambda z: z.sum(axis=1), np.ones(3), bx.TabularMasker(np.eye(3)))
