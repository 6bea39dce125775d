"""The Shapley engine against closed forms, brute force, axioms and counted rows."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import blackbox_xai as bx
from blackbox_xai.errors import BudgetError, InputError
from blackbox_xai.explainers.shapley.blocks import Block
from blackbox_xai.explainers.shapley.grid import fewest_rows
from blackbox_xai.explainers.shapley.maps import shared_map
from blackbox_xai.explainers.shapley.plan import default_rows
from blackbox_xai.solvers.kriging import ChainMap
from blackbox_xai.solvers.shapley import exact_values


class Spy:
    """A model that counts the rows it scores."""

    def __init__(self, function):
        self.function = function
        self.rows = 0
        self.calls = 0

    def __call__(self, inputs):
        self.rows += len(inputs)
        self.calls += 1
        return self.function(inputs)


def net(d, k=2, seed=0):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(d, 6)) / np.sqrt(d), rng.normal(size=(6, k))
    return lambda inputs: np.tanh(inputs @ first) @ second


def table(d, r, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(r, d)), rng.normal(size=d)


def far(why, truth):
    return np.linalg.norm(why.values - truth) / np.linalg.norm(truth)


def exact(model, x, masker):
    return bx.ExactShapley().explain(model, x, masker).values


@pytest.mark.parametrize("budget", [40, 90, 200, 500, 5_000])
def test_linear_models_are_exact_at_any_budget_that_reaches_all_rows(budget):
    background, x = table(6, 4)
    weights = np.random.default_rng(2).normal(size=(6, 3))
    why = bx.Shapley(budget=budget).explain(lambda z: z @ weights, x, bx.TabularMasker(background))
    if why.diagnostics["fills_used"] == 4:
        truth = weights * (x - background.mean(axis=0))[:, None]
        np.testing.assert_allclose(why.values, truth, atol=1e-9)
    else:
        assert budget == 40


def test_enumerates_when_the_budget_allows():
    background, x = table(8, 5)
    background[:2, :4] = x[:4]
    masker, spy = bx.TabularMasker(background), Spy(net(8))
    why = bx.Shapley(budget=5_000).explain(spy, x, masker)
    np.testing.assert_allclose(why.values, exact(net(8), x, masker), atol=1e-10)
    assert (why.std_err == 0).all()
    assert why.diagnostics["design"] == "all coalitions"
    # Rows that share four features with x cost 2**4 coalitions each, not 2**8.
    assert spy.rows == why.cost.rows == 1 + 2 * (2**4 - 1) + 3 * (2**8 - 1)


@settings(max_examples=30, deadline=None)
@given(
    d=st.integers(2, 14),
    r=st.integers(1, 12),
    budget=st.integers(20, 1500),
    seed=st.integers(0, 10**6),
    weighted=st.booleans(),
)
def test_axioms_hold_and_the_budget_is_kept(d, r, budget, seed, weighted):
    background, x = table(d, r, seed)
    background[:, 0] = x[0]
    background[0] = x
    spy = Spy(net(d, seed=seed))
    weights = np.random.default_rng(seed).random(r) + 0.1 if weighted else None
    masker = bx.TabularMasker(background, weights=weights)
    budget = max(budget, 1 + 4 * d)  # two chains
    why = bx.Shapley(budget=budget, random_state=seed % 1000).explain(spy, x, masker)
    assert spy.rows == why.cost.rows <= budget
    np.testing.assert_allclose(why.values.sum(axis=0) + why.base, why.scores, atol=1e-10)
    assert (why.values[0] == 0).all()
    if why.diagnostics["fills_used"] == (background != x).any(axis=1).sum():
        share = masker.bind(x).fill_weights
        np.testing.assert_allclose(why.base, share @ spy.function(background), atol=1e-10)


def test_an_honest_budget_is_named_and_suffices():
    background, x = table(12, 30)
    masker = bx.TabularMasker(background)
    with pytest.raises(BudgetError, match=r"needs at least \d+ model rows.*is 30") as error:
        bx.Shapley(budget=30).explain(net(12), x, masker)
    needed = int(str(error.value).split("at least ")[1].split()[0])
    assert bx.Shapley(budget=needed).explain(net(12), x, masker).cost.rows <= needed
    with pytest.raises(BudgetError):
        bx.Shapley(budget=needed - 1).explain(net(12), x, masker)


def test_far_closer_than_one_design_for_all_rows():
    background, x = table(12, 40)
    masker = bx.TabularMasker(background)
    truth = exact(net(12), x, masker)
    ours, grid = [], []
    for seed in range(6):
        own = bx.Shapley(budget=4_800, random_state=seed).explain(net(12), x, masker)
        ours.append(far(own, truth))
        one = bx.LeverageShapley(budget=4_800, random_state=seed).explain(net(12), x, masker)
        grid.append(far(one, truth))
    assert np.median(ours) < 0.55 * np.median(grid)


@pytest.mark.parametrize("r", [1, 25])
@pytest.mark.parametrize("multiple", [5, 12, 40])
def test_intervals_cover(r, multiple):
    d = 11
    background, x = table(d, r)
    masker = bx.TabularMasker(background)
    truth = exact(net(d), x, masker)
    inside, ratio = [], []
    for seed in range(12):
        why = bx.Shapley(budget=multiple * d * r, random_state=seed).explain(net(d), x, masker)
        inside.append((why.low <= truth) & (truth <= why.high))
        ratio.append(np.linalg.norm(why.std_err) / np.linalg.norm(why.values - truth))
    assert 0.9 <= np.mean(inside) <= 1.0
    assert 0.8 <= np.median(ratio) <= 2.2


def test_whole_background_as_target():
    background, x = table(10, 1500)
    masker = bx.TabularMasker(background)
    truth = exact(net(10), x, masker)
    why = bx.Shapley(budget=20_000).explain(net(10), x, masker)
    sample = bx.TabularMasker(background[:100])
    assert why.cost.rows <= 20_000
    assert far(why, truth) < 0.04
    assert far(bx.ExactShapley().explain(net(10), x, sample), truth) > 0.05
    np.testing.assert_allclose(why.base, net(10)(background).mean(axis=0))


def test_drawn_fills_have_honest_errors():
    background, x = table(10, 400)
    masker = bx.TabularMasker(background)
    truth = exact(net(10), x, masker)
    inside = []
    for seed in range(20):
        why = bx.Shapley(budget=1_600, random_state=seed).explain(net(10), x, masker)
        assert why.diagnostics["fills_used"] < 400
        inside.append(abs(why.values - truth) <= 1.96 * why.std_err)
        np.testing.assert_allclose(why.values.sum(axis=0) + why.base, why.scores, atol=1e-10)
    assert np.mean(inside) > 0.88


def test_symmetric_features_agree_within_their_errors():
    background, x = table(9, 12)
    background[:, 1], x[1] = background[:, 0], x[0]
    why = bx.Shapley(budget=1_500).explain(
        lambda z: np.tanh(z[:, 0] * z[:, 1] + z[:, 2:].sum(1)), x, bx.TabularMasker(background)
    )
    gap = abs(why.values[0] - why.values[1])
    assert (gap <= 3 * np.hypot(why.std_err[0], why.std_err[1])).all()


def test_a_constant_model_gives_zeros():
    background, x = table(9, 5)
    why = bx.Shapley(budget=800, accuracy="high").explain(
        lambda z: np.full(len(z), 2.5), x, bx.TabularMasker(background)
    )
    assert (why.values == 0).all()
    assert (why.std_err == 0).all()
    assert why.base[0] == 2.5


def test_nothing_varies_and_single_features():
    x = np.arange(4.0)
    still = bx.Shapley(budget=50).explain(net(4), x, bx.TabularMasker(np.tile(x, (3, 1))))
    assert (still.values == 0).all()
    np.testing.assert_allclose(still.base, still.scores)
    one = bx.Shapley(budget=50).explain(net(1), x[:1], bx.TabularMasker(np.ones((3, 1))))
    np.testing.assert_allclose(one.values[0], one.scores - one.base)
    assert (one.std_err == 0).all()


def test_missing_values_reach_the_model():
    background, x = table(6, 8)
    background[:3, 2] = np.nan

    def model(z):
        return np.where(np.isnan(z[:, 2]), -1.0, z[:, 2]) + z[:, 0]

    masker = bx.TabularMasker(background)
    truth = exact(model, x, masker)
    why = bx.Shapley(budget=400).explain(model, x, masker)
    np.testing.assert_allclose(why.values, truth, atol=1e-10)


def test_thousands_of_features():
    background, x = table(5_000, 2)
    weights = np.random.default_rng(3).normal(size=5_000)
    spy = Spy(lambda z: z @ weights)
    why = bx.Shapley(budget=20_100).explain(spy, x, bx.TabularMasker(background))
    truth = weights * (x - background.mean(axis=0))
    np.testing.assert_allclose(why.values[:, 0], truth, atol=1e-8)
    assert spy.rows <= 20_100
    with pytest.raises(BudgetError, match="at least 19999 model rows"):
        bx.Shapley(budget=2_000).explain(spy, x, bx.TabularMasker(background))


@pytest.mark.parametrize("batch_size", [1, 7, 333])
def test_same_bits_for_any_batch_size(batch_size):
    background, xs = table(7, 20)[0], np.random.default_rng(5).normal(size=(3, 7))

    def model(z):  # no matrix product, whose last bits depend on the batch
        return np.tanh(z[:, 0] * z[:, 1]) + z[:, 2] * z[:, 3] + z[:, 4]

    masker, explainer = bx.TabularMasker(background), bx.Shapley(budget=900)
    whole = explainer.explain_many(model, xs, masker)
    cut = bx.as_model(model, batch_size=batch_size)
    for a, b in zip(whole, explainer.explain_many(cut, xs, masker), strict=True):
        assert (a.values == b.values).all()
        assert (a.std_err == b.std_err).all()
        assert a.cost.rows == b.cost.rows


@pytest.mark.parametrize("n_jobs", [2, 4])
def test_same_bits_for_any_number_of_jobs(n_jobs):
    background, xs = table(7, 10)[0], np.random.default_rng(5).normal(size=(18, 7))
    masker, explainer = bx.TabularMasker(background), bx.Shapley(budget=300)
    one = explainer.explain_many(net(7), xs, masker)
    many = explainer.explain_many(net(7), xs, masker, n_jobs=n_jobs)
    assert all((a.values == b.values).all() for a, b in zip(one, many, strict=True))


def test_inputs_share_batches():
    background, xs = table(10, 50)[0], np.random.default_rng(5).normal(size=(8, 10))
    spy = Spy(net(10))
    whys = bx.Shapley(budget=9_000).explain_many(
        bx.as_model(spy, batch_size=1000), xs, bx.TabularMasker(background)
    )
    assert spy.rows == sum(why.cost.rows for why in whys)
    assert spy.calls <= spy.rows / 1000 + 2


def test_link_per_row():
    background, x = table(8, 6)
    masker = bx.TabularMasker(background)

    def probability(z):
        return 1 / (1 + np.exp(-net(8)(z)))

    truth = exact(net(8), x, masker)
    why = bx.Shapley(budget=4_000, link="logit").explain(probability, x, masker)
    np.testing.assert_allclose(why.values, truth, atol=1e-9)
    same = bx.Shapley(budget=4_000, link=lambda p: np.log(p / (1 - p))).explain(
        probability, x, masker
    )
    np.testing.assert_allclose(same.values, why.values, atol=1e-9)


def test_certain_probabilities_stay_finite():
    background, x = table(5, 4)
    why = bx.Shapley(budget=500, link="logit").explain(
        lambda z: (z[:, 0] > 0).astype(float), x, bx.TabularMasker(background)
    )
    assert np.isfinite(why.values).all()
    assert abs(why.scores[0]) == pytest.approx(np.log(1e7), rel=1e-6)


def test_link_after_the_mean():
    background, x = table(6, 5)
    masker = bx.TabularMasker(background)

    def probability(z):
        return 1 / (1 + np.exp(-net(6)(z)))

    kept = (np.arange(2**6)[:, None] >> np.arange(6) & 1).astype(bool)
    mean = np.stack([probability(np.where(row, x, background)).mean(axis=0) for row in kept])
    truth = exact_values(np.log(mean / (1 - mean)))
    explainer = bx.Shapley(budget=400, link="logit", link_after_mean=True)
    why = explainer.explain(probability, x, masker)
    np.testing.assert_allclose(why.values, truth, atol=1e-9)
    np.testing.assert_allclose(why.values.sum(axis=0) + why.base, why.scores, atol=1e-9)
    near = bx.Shapley(budget=250, link="logit", link_after_mean=True).explain(
        probability, x, masker
    )
    assert near.cost.rows <= 250
    assert far(near, truth) < 0.1
    with pytest.raises(BudgetError, match="apply the link per row"):
        bx.Shapley(budget=50, link="logit", link_after_mean=True).explain(probability, x, masker)


def test_a_link_after_the_mean_needs_no_budget_however_many_background_rows():
    background, x = table(10, 600)
    explainer = bx.Shapley(link=np.tanh, link_after_mean=True)
    why = explainer.explain(net(10), x, bx.TabularMasker(background))
    assert why.cost.rows == 1 + 600 + 2 * 20 * 600 == fewest_rows(np.ones((600, 10)))
    few = explainer.explain(net(10), x, bx.TabularMasker(background, n_centroids=50))
    assert few.cost.rows == 5_051
    np.testing.assert_allclose(why.values.sum(axis=0) + why.base, why.scores, atol=1e-9)
    with pytest.raises(BudgetError, match=r"at least 24601 model rows.*n_centroids=50"):
        replace(explainer, budget=24_600).explain(net(10), x, bx.TabularMasker(background))


def test_usual_budgets_are_those_that_are_documented():
    masker, x = bx.TabularMasker(table(10, 600)[0]), table(10, 600)[1]
    assert default_rows(np.ones((600, 10), dtype=bool)) == 10_102
    assert 9_800 < bx.Shapley().plan(net(10), x[None], masker).rows <= 10_102
    few = bx.TabularMasker(table(7, 600)[0], n_centroids=50)
    assert bx.ShapleyInteractions().plan(net(7), x[None, :7], few).rows == 6_351


def test_tolerance_stops_early_and_within_the_budget():
    background, x = table(10, 30)
    masker = bx.TabularMasker(background)
    loose = bx.Shapley(budget=20_000, tol=0.02).explain(net(10), x, masker)
    tight = bx.Shapley(budget=20_000, tol=1e-9).explain(net(10), x, masker)
    assert loose.cost.rows < 5_000
    assert loose.std_err.max() <= 0.02
    assert tight.diagnostics["rounds"] > 1
    assert loose.cost.rows < tight.cost.rows <= 20_000
    np.testing.assert_allclose(tight.values.sum(axis=0) + tight.base, tight.scores, atol=1e-10)


def test_refine_pays_nothing_twice():
    background, x = table(10, 30)
    masker = bx.TabularMasker(background)
    truth = exact(net(10), x, masker)
    explainer = bx.Shapley(budget=2_000)
    why = explainer.explain(net(10), x, masker)
    first = far(why, truth)
    for _ in range(4):
        spy = Spy(net(10))
        before = why.cost.rows
        why = explainer.refine(why, spy, x, masker)
        assert spy.rows == why.cost.rows - before <= 2_000
        # 30 background rows' own scores are known: all rows but one go into coalitions.
        assert (spy.rows - 1) % 2 == 0
    assert far(why, truth) < first
    assert why.diagnostics["rounds"] == 5
    np.testing.assert_allclose(why.values.sum(axis=0) + why.base, why.scores, atol=1e-10)


def test_refine_refuses_what_does_not_belong_together():
    background, x = table(6, 5)
    masker = bx.TabularMasker(background)
    explainer = bx.Shapley(budget=200)
    why = explainer.explain(net(6), x, masker)
    with pytest.raises(InputError, match="another model, input or link"):
        explainer.refine(why, net(6), x + 1, masker)
    with pytest.raises(InputError, match=r"must come from Shapley\.explain"):
        explainer.refine(bx.KernelShap().explain(net(6), x, masker), net(6), x, masker)


def test_fitted_kernel_halves_the_error_of_one_background_row(monkeypatch):
    monkeypatch.setattr("blackbox_xai.explainers.shapley.sums.leads", lambda *_: False)
    rng = np.random.default_rng(4)
    first = rng.normal(size=(20, 5)) * (np.arange(20) < 8)[:, None] / 2
    second = rng.normal(size=5)

    def model(z):
        return np.tanh(z @ first) @ second

    x, masker = rng.normal(size=20), bx.TabularMasker(np.zeros((1, 20)))
    relevant = bx.TabularMasker(np.zeros((1, 8)))
    truth = np.zeros((20, 1))
    truth[:8] = exact(lambda z: np.tanh(z @ first[:8]) @ second, x[:8], relevant)
    fast, high = [], []
    for seed in range(2):
        common = bx.Shapley(budget=500, random_state=seed).explain(model, x, masker)
        fast.append(far(common, truth))
        fitted = bx.Shapley(budget=500, random_state=seed, accuracy="high")
        why = fitted.explain(model, x, masker)
        high.append(far(why, truth))
        assert why.diagnostics["kernel"] == "fitted"
        np.testing.assert_allclose(why.values.sum(axis=0) + why.base, why.scores, atol=1e-10)
    assert np.median(high) < 0.6 * np.median(fast)


def test_triples_of_leading_features_are_told_apart(monkeypatch):
    x, masker = table(30, 12)[1], bx.TabularMasker(table(30, 12)[0])

    def model(z):  # 5 of 30 columns
        threes = z[:, 0] * z[:, 1] * z[:, 2] + np.tanh(2 * z[:, 3]) * z[:, 4] * z[:, 0]
        return threes + z[:, 5:].sum(axis=1) / 9

    relevant = exact(
        lambda z: model(np.pad(z, [(0, 0), (0, 25)])),
        x[:5],
        bx.TabularMasker(table(30, 12)[0][:, :5]),
    )
    explainer = bx.Shapley(budget=12 * 600)
    with_them = explainer.explain(model, x, masker)
    monkeypatch.setattr("blackbox_xai.explainers.shapley.sums.leads", lambda *_: False)
    without = explainer.explain(model, x, masker)
    off = [np.linalg.norm(why.values[:5] - relevant) for why in (with_them, without)]
    assert off[0] < 0.7 * off[1]
    assert 0.7 < np.linalg.norm(with_them.std_err[:5]) / off[0] < 2.5
    np.testing.assert_allclose(with_them.values.sum() + with_them.base, with_them.scores)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"budget": 0}, "budget must be at least 1"),
        ({"budget": 1.5}, "budget must be an integer"),
        ({"tol": -1}, "tol must be a number above 0"),
        ({"accuracy": "best"}, "accuracy must be one of 'auto', 'fast', 'high'"),
        ({"link": "probit"}, "link must be one of 'identity', 'logit'"),
        ({"link": "logit", "link_after_mean": True, "tol": 0.1}, "tol must be None"),
    ],
)
def test_bad_settings(settings, message):
    background, x = table(4, 3)
    with pytest.raises(InputError, match=message):
        bx.Shapley(**settings).explain(net(4), x, bx.TabularMasker(background))


def test_default_budget():
    background, x = table(12, 3)
    why = bx.Shapley().explain(net(12), x, bx.TabularMasker(background))
    assert 2_000 < why.cost.rows <= 2_050
    background, x = table(12, 300)
    why = bx.Shapley().explain(net(12), x, bx.TabularMasker(background))
    assert 11_000 < why.cost.rows <= 2 + 100 * 121


@given(seed=st.integers(0, 999), f=st.integers(1, 4), chain=st.booleans())
def test_a_block_writes_the_same_rows_however_it_is_cut(seed, f, chain):
    rng = np.random.default_rng(seed)
    background, x = table(5, 4)
    background[0, 2] = x[2]
    masked = bx.TabularMasker(background).bind(x)
    fills = rng.integers(1, 4, f)
    place = np.stack([rng.permutation(5) for _ in fills])
    if chain:  # of four features; one stays
        fills, place = np.zeros(f, np.intp), np.insert(np.argsort(rng.random((f, 4))), 2, 4, axis=1)
    design = ChainMap(4) if chain else shared_map(5, 9, 0)
    block = Block(design, fills, np.ones(f), np.ones(f), place)
    first = design.kept(place, 0, design.n_pairs)
    both = np.stack([first, ~first | (place == design.n_features)], axis=1)
    expected = np.where(both, x, background[fills]).reshape(-1, 5)
    cuts = sorted({0, len(block), *rng.integers(0, len(block) + 1, 3).tolist()})
    batch = masked.allocate(len(block))
    for start, stop in pairwise(cuts):
        block.write(masked, batch, start, start, stop)
    np.testing.assert_array_equal(batch[0], expected)
    assert len(expected) == len(block)


@pytest.mark.parametrize("rows", [1, 64, 1000])
def test_values_do_not_depend_on_the_rows_of_a_query_or_on_what_writes_them(monkeypatch, rows):
    background, x = table(6, 9)
    model = bx.as_model(lambda inputs: np.sin(inputs).prod(axis=1), batch_size=32)
    explainer, masker = bx.Shapley(budget=700), bx.TabularMasker(background)
    expected = explainer.explain(model, x, masker)
    monkeypatch.setattr("blackbox_xai.explainers.shapley.blocks._QUERY_SCORES", rows)
    np.testing.assert_array_equal(explainer.explain(model, x, masker).values, expected.values)
    monkeypatch.setattr("blackbox_xai.maskers.tabular.MaskedRow.pair_writer", None)
    np.testing.assert_array_equal(explainer.explain(model, x, masker).values, expected.values)
