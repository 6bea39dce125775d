"""Known games: never materially worse than regression on coalitions drawn by leverage."""

from __future__ import annotations

import numpy as np
import pytest

import blackbox_xai as bx
from blackbox_xai.coalitions.shapley import all_subsets
from blackbox_xai.explainers.shapley.maps import shared_map, suited_map
from blackbox_xai.solvers.shapley import exact_values


def parity(z):
    return z[:, :5].sum(axis=1) % 2


def majority(z):
    return (z.sum(axis=1) > z.shape[1] / 2) * 1.0


def airport(z):
    return (z * np.linspace(1, 3, z.shape[1]) ** 2).max(axis=1)


def unanimity(z):
    return z[:, :4].prod(axis=1)


def mean_error(explainer, game, d, budget):
    truth = exact_values(game(all_subsets(d).astype(float))[:, None])
    masker, off = bx.TabularMasker(np.zeros((1, d))), []
    for seed in range(12):
        settings = explainer(budget=budget, random_state=seed)
        off.append(((settings.explain(game, np.ones(d), masker).values - truth) ** 2).sum())
    return np.sqrt(np.mean(off))


@pytest.mark.parametrize("game", [parity, majority, airport, unanimity])
@pytest.mark.parametrize(("d", "per_feature"), [(8, 3), (8, 20), (9, 3), (11, 3), (12, 10)])
def test_no_known_game_is_much_better_served_by_leverage(game, d, per_feature):
    budget = 2 + d * per_feature
    ours = mean_error(bx.Shapley, game, d, budget)
    theirs = mean_error(bx.LeverageShapley, game, d, budget)
    assert ours <= 1.35 * theirs + 1e-9


def test_games_of_three_keep_the_kernel_and_games_of_five_do_not():
    d, p = 8, 80
    odd_map = shared_map(d, p, 3)
    signs = np.where(odd_map.design.half, 1.0, -1.0)
    total = np.full((4, 1), 2.0)
    for order in (1, 3, 5):
        odd = np.stack([np.roll(signs, i, axis=1)[:, :order].prod(axis=1) for i in range(4)], 1)
        suited = suited_map(odd_map, odd[:, :, None], total, seed=3)
        assert (suited is odd_map) == (order < 5)
        np.testing.assert_array_equal(suited.design.half, odd_map.design.half)
