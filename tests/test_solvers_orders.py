"""What maps make of interactions of an order, against every set of features of that size."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

import blackbox_xai as bx
from blackbox_xai.coalitions.shapley import paired_coalitions
from blackbox_xai.solvers.kriging import odd_map
from blackbox_xai.solvers.orders import order_response


def mapped(n, p, *, level):
    design = paired_coalitions(n, p, np.random.default_rng(n))
    return odd_map(design, np.full(n, 0.25 / np.sqrt(n)), 0.01, level=level)


def shares(made, order):
    """What the members of each set get of their Shapley values, all beyond an equal split."""
    signs = np.where(made.design.half, 1.0, -1.0)
    n, found = signs.shape[1], []
    for members in combinations(range(n), order):
        odd = signs[:, members].prod(axis=1) - signs.mean(axis=1)
        mine = (made.weights @ odd)[list(members)].mean()
        found.append(mine / (2 / order - 2 / n))
    return np.array(found)


@pytest.mark.parametrize("order", [3, 5])
def test_response_is_the_mean_over_all_sets(order):
    made = mapped(8, 25, level=False)
    response = (made.weights * order_response(made.design.half, order)).sum()
    assert response == pytest.approx(shares(made, order).mean(), abs=1e-12)


@pytest.mark.parametrize(("n", "p"), [(4, 6), (6, 20), (10, 49), (10, 199)])
def test_levelled_maps_get_orders_right_on_average_and_linear_games_exactly(n, p):
    plain, level = (mapped(n, p, level=level) for level in (False, True))
    for order in (3, 5):
        if order < n:
            off = [abs(shares(made, order).mean() - 1) for made in (plain, level)]
            assert off[1] < 0.02
            assert off[1] <= off[0]
    signs = np.where(level.design.half, 0.5, -0.5)
    slopes = np.arange(n) - (n - 1) / 2
    np.testing.assert_allclose(level.weights @ (signs @ slopes), slopes, atol=1e-9)
    np.testing.assert_allclose(level.weights.sum(axis=0), 0, atol=1e-9)


def test_three_features_have_no_order_to_level():
    plain, level = (mapped(3, 2, level=level) for level in (False, True))
    np.testing.assert_array_equal(level.weights, plain.weights)


def test_many_background_rows_leave_no_error_in_common():
    """Errors of rows average out: with a hundred rows, seeds differ more than they share."""
    rng = np.random.default_rng(0)
    centres, heights = rng.normal(size=(60, 9)), rng.normal(size=60)

    def smooth(inputs):
        apart = ((inputs[:, None] - centres) ** 2).sum(axis=-1)
        return np.exp(-apart / 18) @ heights

    x, masker = rng.normal(size=9), bx.TabularMasker(rng.normal(size=(100, 9)))
    exact = bx.ExactShapley().explain(smooth, x, masker).values[:, 0]
    off = []
    for seed in range(6):
        why = bx.Shapley(budget=100 * 90, accuracy="fast", random_state=seed)
        found = why.explain(smooth, x, masker)
        off.append(found.values[:, 0] - exact)
    common = (np.mean(off, axis=0) ** 2).sum()
    assert common < 0.3 * np.square(off).sum(axis=1).mean()
