"""Standard errors of the solvers, against closed forms and against errors that were made."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest

import blackbox_xai as bx
from blackbox_xai.coalitions.fields import spread_levels
from blackbox_xai.coalitions.shapley import PairDesign, n_all_pairs, paired_coalitions
from blackbox_xai.explainers.shapley.merging import mean_round
from blackbox_xai.explainers.shapley.rounds import Round
from blackbox_xai.solvers.additive import fit_contrasts
from blackbox_xai.solvers.kriging import odd_map
from blackbox_xai.solvers.ridge import fit_ridge, held_out_r2
from blackbox_xai.solvers.shapley import chain_values, exact_values, paired_map, paired_values
from blackbox_xai.solvers.slopes import slopes
from blackbox_xai.solvers.student import student_error, student_factor, student_widths


def odd_parts(game, design):
    """Return odd parts and total of a game over all coalitions, in the order of their bits."""
    places = 1 << np.arange(design.half.shape[1])
    ones, others = design.half @ places, ~design.half @ places
    return (game[ones] - game[others]) / 2, game[-1] - game[0]


def test_errors_of_pairs_come_from_fits_with_and_without_each_pair():
    rng = np.random.default_rng(0)
    game = rng.normal(size=(1 << 7, 2))
    design = paired_coalitions(7, 25, rng)
    odd, total = odd_parts(game, design)
    half = np.where(design.half, 0.5, -0.5)
    half -= half.mean(axis=1, keepdims=True)
    target = odd - (design.half.sum(axis=1) - 3.5)[:, None] * total / 7
    left_out = np.empty_like(odd)
    root = np.sqrt(design.weights)[:, None]
    whole = target - half @ np.linalg.lstsq(half * root, target * root, rcond=None)[0]
    for pair in range(25):
        rest = np.arange(25) != pair
        fit = np.linalg.lstsq((half * root)[rest], (target * root)[rest], rcond=None)[0]
        left_out[pair] = target[pair] - half[pair] @ fit
    share = paired_map(design)[0] ** 2 * (1 - design.chance)
    own = share @ (whole * left_out)  # the square between that of a fit with a pair and without
    deciding = share.sum(axis=1) ** 2 / (share**2).sum(axis=1)
    own *= student_widths(1 / (1 / deciding + 1 / 19 - 1 / 25))[:, None] ** 2
    alike = share.sum(axis=1)[:, None] * (whole**2).sum(axis=0) / 19 * student_factor(20) ** 2
    expected = np.sqrt(np.maximum(own, alike))
    np.testing.assert_allclose(paired_values(design, odd, total)[1], expected, rtol=1e-9)


def test_too_few_pairs_cannot_tell_how_far_they_are_off():
    game, rng = np.random.default_rng(0).normal(size=(1 << 7, 2)), np.random.default_rng(1)
    for n_pairs, told in ((7, False), (11, False), (12, True)):
        design = paired_coalitions(7, n_pairs, rng)
        assert (paired_values(design, *odd_parts(game, design))[1] is not None) == told


def test_a_fit_that_cannot_tell_features_apart_is_the_least_one():
    half = np.array([[True, True, False, False], [True, False, True, True]])
    design = PairDesign(half, np.full(2, 0.5), np.zeros(2))
    centred = half - half.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(paired_map(design)[0], np.linalg.pinv(centred), atol=1e-12)


def test_kriging_is_exact_with_all_pairs_whatever_its_noise():
    rng = np.random.default_rng(1)
    game = rng.normal(size=(1 << 6, 3))
    design = paired_coalitions(6, n_all_pairs(6), rng)
    odd, total = odd_parts(game, design)
    target = odd - (design.half.sum(axis=1) - 3.0)[:, None] * total / 6
    found = odd_map(design, np.full(6, 0.3), 0.2).apply(target) + total / 6
    np.testing.assert_allclose(found, exact_values(game), atol=1e-10)


def test_errors_of_orders_hold_and_few_orders_have_none():
    rng = np.random.default_rng(2)
    game = rng.normal(size=(1 << 4, 1))
    every = np.array(list(permutations(range(4))))
    truth, inside, widths, made = exact_values(game), [], [], []
    for _ in range(400):
        order = every[rng.choice(len(every), 6)]
        ranks = np.argsort(order, axis=1)
        chains = ranks[:, None, :] < np.arange(1, 4)[:, None]
        ones = chains @ (1 << np.arange(4))
        odd = (game[ones] - game[15 - ones]) / 2
        values, errors = chain_values(chains, odd, game[-1] - game[0])
        inside.append(abs(values - truth) <= 1.96 * errors)
        widths.append(errors**2)
        made.append((values - truth) ** 2)
        assert chain_values(chains[:4], odd[:4], game[-1] - game[0])[1] is None
    assert 0.93 <= np.mean(inside) <= 0.995
    assert 1.0 <= np.sqrt(np.mean(widths) / np.mean(made)) <= 1.8


def test_rounds_add_up_their_variances():
    first, second = (
        Round(np.full((2, 1), v), np.full((2, 1), s), np.ones(1))
        for v, s in ((1.0, 4.0), (3.0, 8.0))
    )
    both = mean_round([(100, first), (300, second)])
    np.testing.assert_allclose(both.values, 2.5)
    np.testing.assert_allclose(both.variance, 4 / 16 + 8 * 9 / 16)


def test_more_rounds_of_one_size_have_errors_as_of_independent_ones():
    rng = np.random.default_rng(3)
    background, x = rng.normal(size=(30, 10)), rng.normal(size=10)
    mix, masker = rng.normal(size=(10, 6)) / 2, bx.TabularMasker(background)
    explainer = bx.Shapley(budget=1_500)

    def model(inputs):
        return np.tanh(inputs @ mix).sum(axis=1)

    first = explainer.explain(model, x, masker)
    second = explainer.refine(first, model, x, masker)
    part = first.cost.rows / second.cost.rows
    own = np.sqrt(second.std_err**2 - (part * first.std_err) ** 2) / (1 - part)
    assert 0.7 < np.linalg.norm(own) / np.linalg.norm(first.std_err) < 1.4


@pytest.mark.parametrize("rows", [14, 40])
def test_errors_of_few_rows_are_as_large_as_those_made(rows):
    """Plain least squares, contrasts of two levels, and single slopes, with noise of size 1."""
    rng = np.random.default_rng(4)
    d, found = 6, {"ridge": [], "contrasts": [], "slopes": []}
    truth = np.linspace(-1, 1, d)[:, None]
    for _ in range(300):
        z = rng.random((rows, d)) < 0.5
        if (z.mean(axis=0) % 1 == 0).any():
            continue
        scores = z @ truth + rng.normal(size=(rows, 1))
        fit = fit_ridge(z.astype(float), scores, alpha=1e-9)
        found["ridge"].append((fit.std_err, fit.coef - truth))
        shares, own = np.full((d, 2), 0.5), np.array([[True, False]] * d)
        both = fit_contrasts((~z.T).astype(np.int8), shares, own, scores)
        found["contrasts"].append((both.std_err, both.effects - truth))
        noise = rng.normal(size=(rows, 1))
        values, errors = slopes(z[:, :1].astype(float), noise)
        found["slopes"].append((errors, values))
    for name, pairs in found.items():
        errors, off = (np.array(part) for part in zip(*pairs, strict=True))
        ratio = np.sqrt((errors**2).mean() / (off**2).mean())
        assert 0.8 < ratio < 1.25, (name, ratio)


def test_few_repeats_lean_on_the_spread_of_the_others():
    pattern = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    repeats = np.stack([pattern, 3 * pattern], axis=1)[:, :, None]  # variances 2.5 and 22.5
    found = student_error(repeats)[:, 0]
    pooled = (4 * np.array([2.5, 22.5]) + 4 * np.array([10.0, 12.5])) / 8  # 12.5, at most 4 times
    np.testing.assert_allclose(found, student_factor(5) * np.sqrt(pooled / 5), rtol=1e-12)


def test_skewed_repeats_have_wider_intervals():
    even = np.array([-3.0, -1.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 3.0])
    skewed = np.array([4.0, 1.0, 0.0, 0.0, 0.0, -1.0, -1.0, -1.0, -1.0, -1.0])
    assert even.sum() == skewed.sum() == 0
    assert (even**2).sum() == (skewed**2).sum() == 22
    plain = student_factor(10) * np.sqrt(22 / 9 / 10)
    assert student_error(even[:, None, None])[0, 0] == pytest.approx(plain, rel=1e-12)
    assert student_error(skewed[:, None, None])[0, 0] > 1.1 * plain


@pytest.mark.parametrize(("index", "least"), [("k-SII", 0.55), ("SII", 0.75)])
def test_errors_of_interactions_are_as_large_as_those_made(index, least):
    mix, ratio = np.random.default_rng(6).normal(size=(12, 8)) / np.sqrt(12), []
    masker, whole = bx.TabularMasker(np.zeros((1, 12))), bx.ShapleyInteractions(index=index)

    def model(inputs):
        return np.tanh(inputs @ mix * 2).sum(axis=1)

    for seed in range(6):
        x = np.random.default_rng(seed).choice([-1.0, 1.0], 12)
        truth = replace(whole, budget=2**12).explain(model, x, masker)
        why = replace(whole, budget=400, random_state=seed).explain(model, x, masker)
        assert truth.diagnostics["exact"]
        assert not why.diagnostics["exact"]
        ratio.append(((why.std_err**2).mean(), ((why.values - truth.values) ** 2).mean()))
    predicted, made = np.mean(ratio, axis=0)
    assert least < np.sqrt(predicted / made) < 2.0


@pytest.mark.parametrize("budget", [300, 900])
def test_own_parts_hold_where_interactions_of_all_orders_are_strong(budget):
    masker, whole = bx.TabularMasker(np.zeros((1, 11))), bx.ShapleyInteractions(budget=2**11)

    def model(inputs):
        return np.sin(2 * inputs.sum(axis=1))

    inside, off, of_pairs = [], [], []
    for seed in range(6):
        x = np.random.default_rng(seed).choice([-1.0, 1.0], 11)
        truth = whole.explain(model, x, masker)
        why = replace(whole, budget=budget, random_state=seed).explain(model, x, masker)
        off.append(np.abs(why.values - truth.values).mean() / np.abs(truth.values).mean())
        inside.append(abs(why.values - truth.values) <= 1.96 * why.std_err)
        found, right = (whole.pairs(one).values for one in (why, truth))
        np.testing.assert_allclose(found.sum(axis=1), right.sum(axis=1), atol=1e-9)
        of_pairs.append(((whole.pairs(why).std_err ** 2).mean(), ((found - right) ** 2).mean()))
    assert np.mean(inside) > 0.9
    assert np.mean(off) < 0.5
    predicted, made = np.mean(of_pairs, axis=0)
    assert 0.8 < np.sqrt(predicted / made) < 2.2


def test_a_bias_that_errors_explain_is_no_bias():
    rng = np.random.default_rng(7)
    rows, mix = rng.normal(size=(25, 9)), rng.normal(size=(9, 5))
    masker = bx.TabularMasker(np.repeat(rows, 2, axis=0), n_centroids=25)  # the rows themselves

    def model(inputs):
        return np.tanh(inputs @ mix).sum(axis=1)

    none = 0
    for seed in range(6):
        bias = bx.centroid_bias(model, np.ones(9), masker, budget=1_000, random_state=seed)
        assert (bias.std_err > 0).all()
        assert (bias.values != 0).any()
        none += int(bias.relative[0] == 0)
    assert none >= 3


def test_levels_stand_in_strata_of_their_own():
    levels = spread_levels(50, 0.1, 0.9, np.random.default_rng(8))
    assert sorted(np.floor((levels - 0.1) / 0.8 * 50).astype(int).tolist()) == list(range(50))


def test_the_error_of_one_balanced_slope_is_that_of_the_textbook():
    z = np.array([[0.0], [1.0], [0.0], [1.0], [0.0], [1.0]])
    scores = np.random.default_rng(9).normal(size=(6, 2))
    values, errors = slopes(z, scores)
    left = scores - scores.mean(axis=0) - (z - 0.5) * values[0]
    expected = np.sqrt((left**2).sum(axis=0) / (6 - 2) / (6 * 0.25))
    np.testing.assert_allclose(errors[0], expected, rtol=1e-12)


def test_more_features_than_rows_are_fitted_in_the_space_of_the_rows():
    rng = np.random.default_rng(10)
    z = (rng.random((30, 80)) < 0.5).astype(float)
    scores, weights = rng.normal(size=(30, 2)), rng.random(30)
    groups = np.repeat(np.arange(15), 2)
    fit = fit_ridge(z, scores, alpha=0.7, weights=weights, groups=groups)
    zc = z - weights @ z / weights.sum()
    yc = scores - weights @ scores / weights.sum()
    bread = np.linalg.inv((zc * weights[:, None]).T @ zc + 0.7 * np.eye(80))
    coef = bread @ zc.T @ (yc * weights[:, None])
    np.testing.assert_allclose(fit.coef, coef, atol=1e-10)
    for j in range(2):
        pulls = zc * (weights * (yc - zc @ coef)[:, j])[:, None]
        meat = pulls.reshape(15, 2, 80).sum(axis=1)
        drawn = 15 / 14 * 29 * ((meat @ bread) ** 2).sum(axis=0)
        expected = np.sqrt(drawn + (0.7 * bread @ coef[:, j]) ** 2)
        np.testing.assert_allclose(fit.std_err[:, j], expected, rtol=1e-8)
    left = 0.0
    for at in range(0, 30, 6):  # five folds, each fitted without
        rest = np.setdiff1d(np.arange(30), np.arange(at, at + 6))
        part = fit_ridge(z[rest], scores[rest], alpha=0.7, weights=weights[rest])
        off = scores[at : at + 6] - part.intercept - z[at : at + 6] @ part.coef
        left = left + (weights[at : at + 6, None] * off**2).sum(axis=0)
    power = (weights[:, None] * yc**2).sum(axis=0)
    np.testing.assert_allclose(fit.held_out_r2, 1 - left / power, atol=1e-8)
    alone = held_out_r2(z, scores, alpha=0.7)
    np.testing.assert_allclose(alone, fit_ridge(z, scores, alpha=0.7).held_out_r2, atol=1e-8)
