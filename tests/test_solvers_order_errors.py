"""What orders of interaction do to a map, against sums over all sets and simulated games."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from blackbox_xai.coalitions.shapley import all_subsets, n_all_pairs, paired_coalitions
from blackbox_xai.solvers.interactions import even_map, exact_interactions
from blackbox_xai.solvers.kriging import odd_map
from blackbox_xai.solvers.order_errors import OrderErrors
from blackbox_xai.solvers.shapley import paired_map


def levelled_map(n, p, seed=0):
    pairs = paired_coalitions(n, p, np.random.default_rng(seed))
    return odd_map(pairs, np.full(n, 0.25 / np.sqrt(n)), 0.01, level=True)


def errors_of(mapped) -> OrderErrors:
    assert mapped.errors is not None
    return mapped.errors


def games_of(mapped, order):
    """Odd parts ``(p, sets)`` of the product of each set's signs, and values, less equal splits."""
    half = mapped.design.half
    n = half.shape[1]
    signs = np.where(half, 1.0, -1.0)
    sets = np.array(list(combinations(range(n), order)))
    odd = signs[:, sets].prod(axis=2) - signs.sum(axis=1)[:, None] / n
    values = np.full((n, len(sets)), -2 / n)
    values[sets, np.arange(len(sets))[:, None]] += 2 / order
    return odd, values


@pytest.mark.parametrize(("kind", "order"), [(0, 3), (1, 5), (2, 7)])
def test_the_error_of_an_order_is_the_mean_over_all_its_sets(kind, order):
    mapped = levelled_map(9, 60)
    odd, values = games_of(mapped, order)
    off = mapped.weights @ odd - values
    np.testing.assert_allclose(errors_of(mapped).errors[kind], (off**2).mean(), rtol=1e-5)


def test_what_residuals_say_of_an_order_is_the_mean_over_all_its_sets():
    mapped = levelled_map(9, 60)
    odd, _ = games_of(mapped, 3)
    left_out = mapped.precision @ odd / np.diag(mapped.precision)[:, None]
    seen = (mapped.weights**2 @ left_out**2).mean()
    np.testing.assert_allclose(errors_of(mapped).seen[0], seen, rtol=1e-3)


def test_noise_of_each_pair_by_itself():
    n, p = 6, 20
    mapped = levelled_map(n, p)
    whole = paired_coalitions(n, n_all_pairs(n), np.random.default_rng(0))
    exact, _ = paired_map(whole)
    asked = np.zeros_like(exact)
    for i, pair in enumerate(mapped.design.half):
        same, other = (whole.half == pair).all(axis=1), (whole.half == ~pair).all(axis=1)
        at = np.flatnonzero(same | other)
        asked[:, at[0]] = mapped.weights[:, i] * (1 if same[at[0]] else -1)
    error = ((asked - exact) ** 2).sum(axis=1).mean()
    np.testing.assert_allclose(errors_of(mapped).errors[-1], error, rtol=1e-8)


@pytest.mark.parametrize("unit", [1e-8, 1.0, 1e8])
@pytest.mark.parametrize(("kind", "order"), [(0, 3), (1, 5)])
def test_residuals_tell_orders_apart(kind, order, unit):
    """However strong games are, their kind shows, and with it how far values are off."""
    mapped, rng = levelled_map(12, 150), np.random.default_rng(1)
    odd, _ = games_of(mapped, order)
    games = odd @ rng.normal(size=(odd.shape[1], 40)) * unit
    pulled = mapped.precision @ games
    energy = (games * pulled).sum(axis=0) / (150 - 12 + 1)
    found = errors_of(mapped).composition(pulled, energy)
    assert found[kind] > 0.8 * found.sum()
    ratio = errors_of(mapped).errors[kind] / errors_of(mapped).seen[kind]
    assert errors_of(mapped).factor(pulled, energy) == pytest.approx(ratio, rel=0.1)


def test_strong_games_say_of_what_kind_the_error_is():
    """A few strong games of five among many weak ones of three: errors are those of five."""
    mapped, rng = levelled_map(12, 150), np.random.default_rng(2)
    threes, fives = games_of(mapped, 3)[0], games_of(mapped, 5)[0]
    weak = threes @ rng.normal(size=(threes.shape[1], 30)) / np.sqrt(threes.shape[1])
    strong = 10 * fives @ rng.normal(size=(fives.shape[1], 10)) / np.sqrt(fives.shape[1])
    games = np.hstack([weak, strong])
    pulled = mapped.precision @ games
    energy = (games * pulled).sum(axis=0) / (150 - 12 + 1)
    ratio = errors_of(mapped).errors[1] / errors_of(mapped).seen[1]
    assert errors_of(mapped).factor(pulled, energy) == pytest.approx(ratio, rel=0.1)


@pytest.mark.parametrize("unit", [1e-200, 1e200])
def test_scores_of_any_size_have_errors(unit):
    mapped = levelled_map(12, 60)
    pulled = unit * np.random.default_rng(3).normal(size=(60, 3))
    with np.errstate(over="ignore"):
        energy = (pulled**2).sum(axis=0)
    assert 0 < errors_of(mapped).factor(pulled, energy) < 2


def test_without_games_the_kernel_stands():
    mapped = levelled_map(12, 60)
    nothing = np.zeros((60, 3))
    found = errors_of(mapped).composition(nothing, np.zeros(3))
    np.testing.assert_allclose(found, errors_of(mapped).prior, rtol=1e-6)
    assert 0 < errors_of(mapped).factor(nothing, np.zeros(3)) < 2


def test_many_features_stay_within_floating_point():
    mapped = levelled_map(200, 320)
    assert np.isfinite(errors_of(mapped).errors).all()
    assert (errors_of(mapped).errors > 0).all()
    assert np.isfinite(errors_of(mapped).factor(np.ones((320, 2)), np.ones(2)))


@pytest.mark.parametrize("faithful", [False, True])
@pytest.mark.parametrize(("kind", "order"), [(0, 4), (1, 6)])
def test_errors_of_interactions_are_the_mean_over_all_sets(kind, order, faithful):
    n = 7
    pairs = paired_coalitions(n, 45, np.random.default_rng(0))
    mapped = even_map(pairs, 0.25 / np.sqrt(n), 0.01, faithful=faithful)
    rows, columns = np.triu_indices(n, 1)
    all_kept, off, off_sums = all_subsets(n), [], []
    for members in combinations(range(n), order):
        z = np.where(all_kept, 1.0, -1.0)[:, members].prod(axis=1)
        truth = exact_interactions(z[:, None], faithful=faithful)[:, :, 0]
        even = np.where(pairs.half, 1.0, -1.0)[:, members].prod(axis=1) - 1
        off.append(mapped.weights @ even - truth[rows, columns])
        off_sums.append(mapped.sums @ even - truth.sum(axis=1))
    found = mapped.errors.errors[kind]
    np.testing.assert_allclose(found, np.square(off).mean(), rtol=1e-4)
    if faithful:
        of_sums = mapped.errors_of_sums.errors[kind]
        np.testing.assert_allclose(of_sums, np.square(off_sums).mean(), rtol=1e-4)
    else:
        np.testing.assert_allclose(off_sums, 0, atol=1e-12)


@pytest.mark.parametrize("faithful", [False, True])
def test_intervals_of_interactions_and_their_sums_hold(faithful):
    n, rng = 10, np.random.default_rng(3)
    all_kept, inside, inside_sums = all_subsets(n), [], []
    rows, columns = np.triu_indices(n, 1)
    for seed in range(12):
        mix = rng.normal(size=(n, 6)) / 2
        scores = np.tanh(np.where(all_kept, 1.0, 0.0) @ mix).sum(axis=1)[:, None]
        truth = exact_interactions(scores, faithful=faithful)[:, :, 0]
        pairs = paired_coalitions(n, 180, np.random.default_rng(seed))
        at = pairs.half @ (1 << np.arange(n))
        even = (scores[at] + scores[(1 << n) - 1 - at] - scores[0] - scores[-1]) / 2
        found, error, of_sums = even_map(pairs, 0.25 / np.sqrt(n), 0.01, faithful=faithful).solve(
            even
        )
        inside.append(abs(found[:, 0] - truth[rows, columns]) <= 1.96 * np.sqrt(error[:, 0]))
        sums = np.zeros(n)
        np.add.at(sums, rows, found[:, 0])
        np.add.at(sums, columns, found[:, 0])
        off = abs(sums - truth.sum(axis=1))
        inside_sums.append(off <= 1.96 * np.sqrt(of_sums[:, 0]) + 1e-9)
        assert faithful == of_sums.any()  # those of k-SII are known
    assert 0.9 <= np.mean(inside) <= 0.995
    assert np.mean(inside_sums) >= 0.88
