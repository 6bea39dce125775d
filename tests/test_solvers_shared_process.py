"""One process for all fills: its parts against brute force, and what it is worth."""

import numpy as np
import pytest
from fills import D, belief, paired, sights
from hypothesis import given
from hypothesis import strategies as st

from blackbox_xai.coalitions.shapley import all_subsets, paired_coalitions
from blackbox_xai.solvers.product_kernel import (
    Sight,
    prior_variance,
    product_kernel,
    shapley_gains,
)
from blackbox_xai.solvers.shapley import exact_values
from blackbox_xai.solvers.shared_process import Belief, joint, shared_values, unfold


def by_hand(kept, fill, others, other_fill, factors):
    """The kernel between two lists of coalitions of two fills, row by row."""
    out = np.empty((len(kept), len(others)))
    for i, a in enumerate(kept):
        for j, b in enumerate(others):
            at, bt = np.where(a, 0, fill + 1), np.where(b, 0, other_fill + 1)
            out[i, j] = factors[np.arange(D), at, bt].prod()
    return out


@given(seed=st.integers(0, 10_000))
def test_covariances_are_those_of_the_product_kernel(seed):
    rng = np.random.default_rng(seed)
    seen, factors = sights(3, rng), belief(3, rng).factors
    rows = [
        np.hstack([by_hand(a.kept, i, b.kept, j, factors) for j, b in enumerate(seen)])
        for i, a in enumerate(seen)
    ]
    np.testing.assert_allclose(product_kernel(seen, factors), np.vstack(rows), rtol=1e-9)


@given(seed=st.integers(0, 10_000))
def test_gains_and_prior_are_shapley_values_of_the_kernel(seed):
    rng = np.random.default_rng(seed)
    seen, factors = sights(3, rng), belief(3, rng).factors
    subsets = all_subsets(D)
    gains, prior = [], np.zeros(D)
    for j, b in enumerate(seen):
        game = 0.0
        for i, a in enumerate(seen):
            game = game + a.share * by_hand(subsets, i, b.kept, j, factors)
            square = by_hand(subsets, i, subsets, j, factors)
            prior += a.share * b.share * np.diag(exact_values(exact_values(square).T))
        gains.append(exact_values(game).T)
    found = shapley_gains(seen, factors)
    np.testing.assert_allclose(found, np.concatenate(gains), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(prior_variance(seen, factors), prior, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("even", [True, False])
def test_parts_are_halves_of_differences_and_sums(even):
    rng = np.random.default_rng(0)
    seen, own = sights(2, rng), belief(2, rng, even=even, noise=0.0)
    whole = joint(seen, own)
    at = np.array([0, 1, 2, 6, 8, 9, 10, 14]), np.array([3, 4, 5, 7, 11, 12, 13, 15])
    turn = np.zeros((16, 16))
    turn[np.arange(8), at[0]], turn[np.arange(8), at[1]] = 0.5, -0.5
    turn[np.arange(8) + 8, at[0]], turn[np.arange(8) + 8, at[1]] = 0.5, 0.5
    turn = turn if even else turn[:8]
    process = product_kernel(seen, own.factors)
    inner = np.concatenate([np.arange(6), np.arange(8, 14)])
    process /= np.diag(process)[inner].mean()
    np.testing.assert_allclose(whole.process, process, rtol=1e-12)
    for i, sight in enumerate(seen):
        part = slice(8 * i, 8 * i + 8)
        process[part, part] += 30 * (sight.linear @ sight.linear.T / D + 1)
    np.testing.assert_allclose(whole.covariance, turn @ process @ turn.T, rtol=1e-9, atol=1e-9)
    scores = np.concatenate([sight.scores for sight in seen])
    np.testing.assert_allclose(whole.parts, turn @ scores, atol=1e-12)
    np.testing.assert_array_equal(unfold(seen, np.eye(len(turn))), turn.T)
    assert (~whole.inner).sum() == 2 * (1 + even)


def test_the_root_squares_to_the_inverse_covariance():
    rng = np.random.default_rng(2)
    whole = joint(sights(3, rng, p=40), belief(3, rng))  # more than are inverted at once
    root = whole.root()
    np.testing.assert_array_equal(root, np.tril(root))
    np.testing.assert_allclose(root.T @ root @ whole.covariance, np.eye(len(root)), atol=1e-7)


def model(rows):
    return rows[:, 0] * rows[:, 1] * rows[:, 2] + np.sin(rows[:, 3] + rows[:, 4]) * rows[:, 5]


def seen_of(x, b, half, share):
    """A fill of the model, and the equal split that is its first guess."""
    kept = paired(half, np.ones(len(x), dtype=bool))
    scores = model(np.where(kept, x, b))[:, None]
    split = np.full((len(x), 1), (scores[-2] - scores[-1]) / len(x))
    guess = scores[-1] + kept @ split
    return Sight(kept, scores - guess, np.ones(len(x), dtype=bool), share), split


@pytest.mark.parametrize("even", [True, False])
def test_with_all_pairs_the_values_are_exact(even):
    d = 6
    rng = np.random.default_rng(4)
    x, b = rng.normal(size=(2, d))
    half = all_subsets(d)[1 : 2 ** (d - 1)]
    sight, split = seen_of(x, b, half, 1.0)
    alike = np.full((d, 2, 2), 0.3)
    alike[:, [0, 1], [0, 1]] = 1
    more, variance = shared_values([sight], Belief(alike, np.full(d, 1.5), 1e-9, even))
    truth = exact_values(model(np.where(all_subsets(d), x, b))[:, None])
    np.testing.assert_allclose(split + more, truth, atol=1e-6 * np.abs(truth).max())
    assert np.sqrt(variance).max() < 1e-3 * np.abs(truth).max()


def test_fills_serve_each_other_and_even_parts_odd_ones():
    """One process is nearer the truth than as many alone, and knows how near."""
    d, f, p = 6, 20, 8
    rng = np.random.default_rng(3)
    x, fills = np.full(d, 1.5), rng.normal(size=(f, d))
    game = np.mean([model(np.where(all_subsets(d), x, b)) for b in fills], axis=0)
    truth = exact_values(game[:, None])
    halves = [paired_coalitions(d, p, rng).half for _ in fills]
    made = [seen_of(x, b, half, 1 / f) for b, half in zip(fills, halves, strict=True)]
    seen, guess = [sight for sight, _ in made], sum(split for _, split in made) / f
    rank = np.argsort(np.argsort(np.vstack([x, fills]), axis=0), axis=0).T / f
    near = np.exp(-np.abs(rank[:, :, None] - rank[:, None, :]))
    off, scales = {}, np.full(d, 1.5)
    for even in (True, False):
        more, variance = shared_values(seen, Belief(near, scales, 0.005, even))
        off[even] = np.linalg.norm(guess + more - truth)
        assert 0.5 < np.linalg.norm(np.sqrt(variance)) / off[even] < 3
        assert abs(more.sum()) < 1e-12
    alone = np.zeros((d, 1))
    for i, sight in enumerate(seen):
        two = np.ix_(range(d), [0, i + 1], [0, i + 1])
        alone += shared_values([sight], Belief(near[two], scales, 0.005))[0]
    assert off[True] < 0.9 * off[False]
    assert off[False] < 0.8 * np.linalg.norm(guess + alone - truth)


def with_scores(seen, factor):
    return [Sight(s.kept, factor * s.scores, s.active, s.share) for s in seen]


def test_nothing_is_added_to_a_right_guess():
    rng = np.random.default_rng(0)
    values, variance = shared_values(with_scores(sights(3, rng), 0), belief(3, rng))
    assert not values.any()
    assert not variance.any()


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_units_do_not_matter(factor):
    rng = np.random.default_rng(1)
    seen, own = sights(3, rng), belief(3, rng)
    values, variance = shared_values(seen, own)
    more, larger = shared_values(with_scores(seen, factor), own)
    np.testing.assert_allclose(more, factor * values, rtol=1e-6)
    np.testing.assert_allclose(larger, factor**2 * variance, rtol=1e-6)
