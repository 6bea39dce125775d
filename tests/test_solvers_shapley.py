"""Solvers against closed forms: exact maps, kriging read-outs, interactions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from blackbox_xai.coalitions.shapley import all_subsets, n_all_pairs, paired_coalitions
from blackbox_xai.solvers.interactions import (
    _interactions_of_kernel,
    even_map,
    exact_interactions,
    pairs_needed,
)
from blackbox_xai.solvers.kriging import (
    ChainMap,
    _shapley_of_kernel,
    exact_map,
    leave_one_out_map,
    odd_map,
)
from blackbox_xai.solvers.scales import _likelihood, _without_linear, fit_scales
from blackbox_xai.solvers.shapley import exact_values, paired_values


def signs_of(kept):
    return np.where(kept, 1.0, -1.0)


def test_exact_values_of_a_product():
    kept = all_subsets(5)
    values = exact_values(kept[:, :3].all(axis=1)[:, None].astype(float))[:, 0]
    np.testing.assert_allclose(values, [1 / 3, 1 / 3, 1 / 3, 0, 0], atol=1e-12)


def test_read_out_is_the_exact_shapley_value_of_each_kernel_game():
    rng = np.random.default_rng(0)
    theta = rng.random(6) / 2
    points, everywhere = signs_of(rng.random((4, 6)) < 0.5), signs_of(all_subsets(6))
    games = np.sinh((everywhere * theta) @ points.T) / np.cosh(theta).prod()
    np.testing.assert_allclose(_shapley_of_kernel(points, theta), exact_values(games).T, atol=1e-12)


@pytest.mark.parametrize("faithful", [False, True])
def test_read_out_of_interactions_is_exact(faithful):
    points = signs_of(np.random.default_rng(0).random((3, 5)) < 0.5)
    games = np.cosh(0.3 * signs_of(all_subsets(5)) @ points.T) / np.cosh(0.3) ** 5
    truth = exact_interactions(games, faithful=faithful)[np.triu_indices(5, 1)]
    found = _interactions_of_kernel(points, 0.3, faithful=faithful)
    np.testing.assert_allclose(found, truth, atol=1e-12)


@pytest.mark.parametrize("n", [4, 7])
def test_all_pairs_give_exact_values(n):
    game = np.random.default_rng(n).normal(size=(2**n, 2))
    design = paired_coalitions(n, n_all_pairs(n), np.random.default_rng(0))
    code = design.half @ (1 << np.arange(n))
    odd = (game[code] - game[2**n - 1 - code]) / 2
    values, std_err = paired_values(design, odd, game[-1] - game[0])
    np.testing.assert_allclose(values, exact_values(game), atol=1e-10)
    np.testing.assert_allclose(std_err, 0, atol=1e-10)
    half = signs_of(design.half) / 2
    each = (game[-1] - game[0]) / n
    beyond = exact_map(design).apply(odd - half.sum(axis=1)[:, None] * each)
    np.testing.assert_allclose(beyond + each, exact_values(game), atol=1e-10)


def test_maps_keep_what_is_linear_and_sum_to_nothing():
    rng = np.random.default_rng(0)
    design = paired_coalitions(12, 40, rng)
    made = odd_map(design, rng.random(12) / 5, 0.01)
    np.testing.assert_allclose(made.weights.sum(axis=0), 0, atol=1e-9)
    slope = rng.normal(size=12)
    slope -= slope.mean()
    np.testing.assert_allclose(made.apply(signs_of(design.half) / 2 @ slope), slope, atol=1e-8)


def test_kriging_beats_least_squares_on_a_smooth_game():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(12, 4)) / 2, rng.normal(size=4)
    kept = all_subsets(12)
    game = (np.tanh(kept @ first) @ second)[:, None]
    truth, total = exact_values(game), game[-1] - game[0]
    ratios = []
    for seed in range(5):
        design = paired_coalitions(12, 120, np.random.default_rng(seed))
        code = design.half @ (1 << np.arange(12))
        odd = (game[code] - game[2**12 - 1 - code]) / 2
        plain = paired_values(design, odd, total)[0]
        left = odd - (signs_of(design.half) / 2).sum(axis=1)[:, None] * total / 12
        smooth = odd_map(design, np.full(12, 0.07), 0.01).apply(left) + total / 12
        ratios.append(np.linalg.norm(smooth - truth) / np.linalg.norm(plain - truth))
    assert np.median(ratios) < 0.8


def test_chain_map_walks_forth_and_back():
    game = np.random.default_rng(0).normal(size=2**4)
    order = np.array([2, 0, 3, 1])
    place = np.argsort(order)
    kept = ChainMap(4).kept(place[None], 0, 3)[:, 0]
    code = kept @ (1 << np.arange(4))
    odd = (game[code] - game[15 - code]) / 2
    each = (game[15] - game[0]) / 4
    added = ChainMap(4).apply((odd - (np.arange(1, 4) - 2) * each)[:, None])[:, 0] + each
    forth, back = np.zeros(4), np.zeros(4)
    for walked, where in ((order, forth), (order[::-1], back)):
        code = 0
        for j in walked:
            where[j] = game[code + (1 << j)] - game[code]
            code += 1 << j
    np.testing.assert_allclose(added, ((forth + back) / 2)[order])


def test_leave_one_out_residuals_are_those_of_refits():
    rng = np.random.default_rng(0)
    root, basis, y = rng.normal(size=(9, 9)), rng.normal(size=(9, 2)), rng.normal(size=9)
    covariance = root @ root.T + np.eye(9)
    _, precision = leave_one_out_map(covariance, basis)
    for i in range(9):
        rest = np.arange(9) != i
        inner = covariance[np.ix_(rest, rest)]
        coef, _ = leave_one_out_map(inner, basis[rest])
        slope = coef @ y[rest]
        weight = np.linalg.solve(inner, covariance[rest, i])
        guess = basis[i] @ slope + weight @ (y[rest] - basis[rest] @ slope)
        assert y[i] - guess == pytest.approx((precision @ y)[i] / precision[i, i])


def test_even_map_keeps_games_of_pairs():
    rng = np.random.default_rng(0)
    design = paired_coalitions(8, pairs_needed(8), rng)
    products = np.triu(rng.normal(size=(8, 8)), 1)
    kept = design.half.astype(float)

    def game(z):
        return np.einsum("ni,ij,nj->n", z, products, z)

    even = (game(kept) + game(1 - kept) - game(np.ones((1, 8)))) / 2
    made = even_map(design, 0.1, 0.01)
    np.testing.assert_allclose(made.weights @ even, products[np.triu_indices(8, 1)], atol=1e-8)


@settings(max_examples=20, deadline=None)
@given(n=st.integers(6, 9), seed=st.integers(0, 10**6))
def test_interactions_of_any_game_have_the_sums_that_single_features_show(n, seed):
    rng = np.random.default_rng(seed)
    game = rng.normal(size=(1 << n, 2))
    truth = exact_interactions(game).sum(axis=1)
    alone, whole = 1 << np.arange(n), (1 << n) - 1
    np.testing.assert_allclose(truth, game[whole] - game[whole - alone] - game[alone] + game[0])
    design = paired_coalitions(n, min(pairs_needed(n), n_all_pairs(n) - 1), rng)
    code = design.half @ alone
    even = (game[code] + game[whole - code] - game[0] - game[whole]) / 2
    found, _, of_sums = even_map(design, 0.1, 0.01).solve(even)
    sums, (rows, columns) = np.zeros((n, 2)), np.triu_indices(n, 1)
    np.add.at(sums, rows, found)
    np.add.at(sums, columns, found)
    np.testing.assert_allclose(sums, truth, atol=1e-9)
    assert not of_sums.any()


def test_slope_of_the_likelihood():
    rng = np.random.default_rng(0)
    signs = signs_of(rng.random((25, 4)) < 0.5)
    data = [_without_linear(signs, rng.normal(size=(25, 2)))]
    point = np.array([-1.0, -1.5, -0.7, -2.0, 0.3, -1.0])
    slope = _likelihood(data, point)[1]
    for i in range(6):
        step = np.zeros(6)
        step[i] = 1e-5
        rise = _likelihood(data, point + step)[0] - _likelihood(data, point - step)[0]
        assert slope[i] == pytest.approx(rise / 2e-5, rel=1e-4, abs=1e-6)


def test_scales_find_the_features_that_matter():
    rng = np.random.default_rng(0)
    signs = signs_of(rng.random((120, 8)) < 0.5)
    odd = (signs[:, 0] * signs[:, 1] * signs[:, 2])[:, None] + signs[:, [3]]
    theta, noise = fit_scales([signs], [odd], np.full(8, 0.1))
    assert theta[:3].min() > 2 * theta[3:].max()
    assert noise > 0


def test_interactions_of_a_unanimity_game():
    game = all_subsets(5)[:, :3].all(axis=1)[:, None].astype(float)
    found = exact_interactions(game)[:, :, 0]
    truth = np.zeros((5, 5))
    truth[:3, :3] = 1 / 2  # 1 / (3 - 2 + 1)
    np.fill_diagonal(truth, 0)
    np.testing.assert_allclose(found, truth, atol=1e-12)


def test_kriging_reads_off_a_game_of_its_own_kind_exactly():
    rng = np.random.default_rng(0)
    design = paired_coalitions(7, 30, rng)
    theta, everywhere = rng.random(7) / 2 + 0.1, signs_of(all_subsets(7))

    def kernel(points):
        return np.sinh((everywhere * theta) @ points.T)

    points, top = signs_of(design.half), np.ones((1, 7))
    reach = np.sinh(points @ theta) / np.sinh(theta.sum())
    contrasts = points - points.mean(axis=1, keepdims=True)
    weights = rng.normal(size=30)
    weights -= contrasts @ np.linalg.pinv(contrasts) @ weights  # the flat prior takes that part
    game = (kernel(points) - kernel(top) * reach) @ weights + everywhere @ rng.normal(size=7)
    code = design.half @ (1 << np.arange(7))
    odd = (game[code] - game[127 - code])[:, None] / 2
    each = (game[-1] - game[0]) / 7
    beyond = odd_map(design, theta, 1e-11).apply(odd - points.sum(axis=1)[:, None] * each / 2)
    np.testing.assert_allclose(beyond + each, exact_values(game[:, None]), rtol=1e-4)
