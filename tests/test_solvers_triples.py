"""Triples of leading features against a game made of them, and against brute force."""

from itertools import combinations

import numpy as np

from blackbox_xai.coalitions.shapley import all_subsets, paired_coalitions
from blackbox_xai.solvers.kriging import leave_one_out_map, odd_map
from blackbox_xai.solvers.shapley import exact_values
from blackbox_xai.solvers.triples import N_LEADING, N_TRIPLES, see_triples, triple_weights

D = 12


def design(p=100, seed=0):
    pairs = paired_coalitions(D, p, np.random.default_rng(seed))
    return odd_map(pairs, np.full(D, 0.25 / np.sqrt(D)), 0.01)


def odd_parts(game, mapped):
    """Odd parts of the pairs less an equal split of the total, and that split."""
    half = mapped.design.half
    ends = game(np.array([[True] * D, [False] * D]))
    each = (ends[0] - ends[1]) / D
    odd = (game(half) - game(~half)) / 2 - (half.sum(axis=1) - D / 2) * each
    return odd[:, None], each


def leading_triples(mapped):
    """Odd parts of the games of all triples of the first features, less equal splits."""
    signs = np.where(mapped.design.half, 1.0, -1.0)
    triples = np.array(list(combinations(range(N_LEADING), 3)))
    return signs[:, triples].prod(axis=2) - signs.mean(axis=1)[:, None]


def test_a_game_of_leading_triples_is_found():
    def game(kept):
        z = np.where(kept, 1.0, -1.0)
        return z[:, 0] + 3 * z[:, 1] * z[:, 4] * z[:, 6] - 2 * z[:, 0] * z[:, 4] * z[:, 7]

    mapped = design()
    odd, each = odd_parts(game, mapped)
    truth = exact_values(game(all_subsets(D))[:, None])
    seen = see_triples(mapped, np.arange(N_LEADING), odd)
    fit = triple_weights([seen])
    plain = mapped.weights @ odd + each
    better = plain + seen.gain @ fit.weights[0]
    assert np.linalg.norm(better - truth) < 0.4 * np.linalg.norm(plain - truth)
    np.testing.assert_allclose(better.sum(), truth.sum(), rtol=1e-9)
    assert 0 < fit.spent[0, 0] < N_TRIPLES


def test_what_triples_take_is_what_the_kernel_did_not_see():
    """A weight's gain is the Shapley value of its triple less what the map makes of it."""
    mapped = design(seed=1)
    leading = np.array([3, 11, 0, 5, 7, 2, 9, D])  # the last does not vary
    seen = see_triples(mapped, leading, np.ones((100, 1)))
    for at, members in ((0, [3, 11, 0]), (20, [11, 0, D])):
        there = D not in members

        def game(kept, members=members, there=there):
            z = np.where(kept, 1.0, -1.0)
            return z[:, members].prod(axis=1) if there else np.zeros(len(kept))

        odd, each = odd_parts(game, mapped)
        truth = exact_values(game(all_subsets(D))[:, None])
        gain = truth - each - mapped.weights @ odd
        if there:
            np.testing.assert_allclose(seen.gain[:, [at]], gain, atol=1e-5)
    without = [i for i in range(N_TRIPLES) if not seen.pulled[:, i].any()]
    assert len(without) == 21  # pairs of the other seven
    assert not seen.gain[:, without].any()


def test_nothing_is_taken_from_noise_or_from_linear_games():
    mapped = design(seed=2)
    rng = np.random.default_rng(3)
    signs = np.where(mapped.design.half, 0.5, -0.5)
    linear = signs @ rng.normal(size=(D, 1))
    for odd in (rng.normal(size=(100, 1)), linear - linear.mean(axis=1, keepdims=True)):
        seen = see_triples(mapped, np.arange(N_LEADING), odd)
        found = triple_weights([seen])
        assert found is None or abs(seen.gain @ found.weights[0]).max() < 1e-4


def test_units_do_not_matter():
    mapped = design(seed=4)
    rng = np.random.default_rng(5)
    columns = leading_triples(mapped)
    odd = columns @ rng.normal(size=(N_TRIPLES, 2))
    seen = [see_triples(mapped, np.arange(N_LEADING), odd * unit) for unit in (1.0, 1e-9, 1e9)]
    weights = [triple_weights([s]).weights[0] for s in seen]
    np.testing.assert_allclose(weights[1] * 1e9, weights[0], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(weights[2] * 1e-9, weights[0], rtol=1e-4, atol=1e-6)


def test_weights_are_as_uncertain_as_their_posterior_says():
    """Weights drawn from the prior lie as far from the fit as the fit says."""
    mapped, rng = design(seed=6), np.random.default_rng(7)
    columns = leading_triples(mapped)
    sharp, directions = np.linalg.eigh(mapped.precision.astype(float))
    seen = sharp > 1e-4 * sharp.max()  # the others are linear games
    root = directions[:, seen] / np.sqrt(sharp[seen])
    truth = rng.normal(size=(N_TRIPLES, 40))
    odd = columns @ truth + root @ rng.normal(size=(seen.sum(), 40))
    off, said = [], []
    for j in range(40):
        fit = triple_weights([see_triples(mapped, np.arange(N_LEADING), odd[:, [j]])])
        off.append(((fit.axes[0].T @ (fit.weights[0][:, 0] - truth[:, j])) ** 2).sum())
        said.append(fit.spread.sum())
    assert 0.8 < np.mean(off) / np.mean(said) < 1.25


def test_a_map_with_triples_is_that_of_a_kernel_with_triples():
    """Values are those of a process whose covariance has the triples' in it, and so are errors."""
    mapped, rng = design(seed=8), np.random.default_rng(9)
    columns = leading_triples(mapped)
    odd = columns @ rng.normal(size=(N_TRIPLES, 1)) + rng.normal(size=(100, 1)) / 3
    seen = see_triples(mapped, np.arange(N_LEADING), odd)
    fit = triple_weights([seen])
    lead = fit.lead(0, 0, seen)
    np.testing.assert_allclose(lead @ odd, fit.weights[0], rtol=1e-3, atol=1e-3)
    signs = np.where(mapped.design.half, 0.5, -0.5)
    axes = np.linalg.svd(np.eye(D) - 1 / D)[0][:, :-1]
    sharp, directions = np.linalg.eigh(mapped.precision.astype(float))
    there = sharp > 1e-4 * sharp.max()  # the others are linear games
    kernel = (directions[:, there] / sharp[there]) @ directions[:, there].T
    covariance = kernel + 1e3 * signs @ axes @ axes.T @ signs.T
    covariance += fit.strength[0] * columns @ columns.T
    expected = leave_one_out_map(covariance, signs @ axes)[1]
    found = mapped.precision - seen.pulled @ lead
    np.testing.assert_allclose(found, expected, atol=2e-3 * abs(expected).max())
