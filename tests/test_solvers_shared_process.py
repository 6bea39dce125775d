"""One process for all fills: its parts against brute force, and what it is worth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackbox_xai.coalitions.shapley import all_subsets, paired_coalitions
from blackbox_xai.solvers import shared_process
from blackbox_xai.solvers.shapley import exact_values
from blackbox_xai.solvers.shared_process import Sight, shared_values

D = 4


def sights(f, rng, p=3):
    """Fills with random pairs, of which the last feature of the first does not vary."""
    active = np.ones((f, D), dtype=bool)
    active[0, -1] = False
    shares = rng.dirichlet(np.ones(f))
    made = []
    for own, share in zip(active, shares, strict=True):
        kept = (rng.random((p, D)) < 0.5) | ~own
        made.append(Sight(kept, rng.normal(size=(p, 1)), own, float(share)))
    return made


def closeness(f, rng):
    """Closeness of values ``(D, 1 + f)``, that of ``x`` and of the fill without change equal."""
    values = rng.random((D, 1 + f))
    values[-1, 1] = values[-1, 0]
    return np.exp(-np.abs(values[:, :, None] - values[:, None, :]))


def random_factors(rng):
    """Factors of three fills, 1 where both features are those of ``x``."""
    factors = 1 + rng.uniform(0.1, 2, D)[:, None, None] * closeness(3, rng)
    return factors / factors[:, :1, :1]


def product_kernel(kept, fill, others, other_fill, factors):
    """The kernel between two lists of coalitions of two fills, row by row."""
    out = np.empty((len(kept), len(others)))
    for i, a in enumerate(kept):
        for j, b in enumerate(others):
            at, bt = np.where(a, 0, fill + 1), np.where(b, 0, other_fill + 1)
            out[i, j] = factors[np.arange(D), at, bt].prod()
    return out


def odd_kernel(kept, active, fill, others, other_active, other_fill, factors):
    both = [kept, ~kept | ~active], [others, ~others | ~other_active]
    signs = [(1, both[0][0], both[1][0]), (-1, both[0][0], both[1][1])]
    signs += [(-1, both[0][1], both[1][0]), (1, both[0][1], both[1][1])]
    parts = [s * product_kernel(a, fill, b, other_fill, factors) for s, a, b in signs]
    return sum(parts) / 4


@given(seed=st.integers(0, 10_000))
def test_covariances_are_those_of_the_product_kernel(seed):
    rng = np.random.default_rng(seed)
    seen = sights(3, rng)
    factors = random_factors(rng)
    kernel = shared_process._kernel([s.signs for s in seen], np.log(factors))
    full = np.ones((1, D), dtype=bool)
    at = 0
    for i, a in enumerate(seen):
        below = 0
        rows = np.vstack([a.kept, full])
        for j, b in enumerate(seen):
            columns = np.vstack([b.kept, full])
            truth = odd_kernel(rows, a.active, i, columns, b.active, j, factors)
            part = kernel[at : at + len(rows), below : below + len(columns)]
            np.testing.assert_allclose(part, truth, rtol=1e-9, atol=1e-12)
            below += len(columns)
        at += len(rows)


@given(seed=st.integers(0, 10_000))
def test_gains_and_prior_are_shapley_values_of_the_kernel(seed):
    rng = np.random.default_rng(seed)
    seen = sights(3, rng)
    factors = random_factors(rng)
    subsets, full = all_subsets(D), np.ones((1, D), dtype=bool)
    columns, gains, prior = [], [], np.zeros(D)
    for j, b in enumerate(seen):
        columns = np.vstack([b.kept, full])
        game = 0.0
        for i, a in enumerate(seen):
            rows = product_kernel(subsets, i, columns, j, factors)
            rows -= product_kernel(subsets, i, ~columns | ~b.active, j, factors)
            game = game + a.share * rows / 2
            square = product_kernel(subsets, i, subsets, j, factors)
            twice = exact_values(exact_values(square).T)
            prior += a.share * b.share * np.diag(twice)
        gains.append(exact_values(game).T)
    found = shared_process._gains(seen, [s.signs for s in seen], factors)
    np.testing.assert_allclose(found, np.concatenate(gains), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(shared_process._prior(seen, factors), prior, rtol=1e-9, atol=1e-12)


def model(rows):
    return rows[:, 0] * rows[:, 1] * rows[:, 2] + np.sin(rows[:, 3] + rows[:, 4]) * rows[:, 5]


def test_fills_serve_each_other():
    """One process is nearer the truth than as many alone, and knows how near."""
    d, f, p = 6, 20, 8
    rng = np.random.default_rng(3)
    x, fills = np.full(d, 1.5), rng.normal(size=(f, d))
    game = np.mean([model(np.where(all_subsets(d), x, b)) for b in fills], axis=0)
    truth = exact_values(game[:, None])
    seen, guess = [], np.zeros((d, 1))
    for b in fills:
        kept = paired_coalitions(d, p, rng).half
        scores, others = (model(np.where(rows, x, b)) for rows in (kept, ~kept))
        split = np.full((d, 1), (model(x[None]) - model(b[None])) / d)
        guess += split / f
        odd = ((scores - others) / 2)[:, None] - np.where(kept, 0.5, -0.5) @ split
        seen.append(Sight(kept, odd, np.ones(d, dtype=bool), 1 / f))
    rank = np.argsort(np.argsort(np.vstack([x, fills]), axis=0), axis=0).T / f
    near = np.exp(-np.abs(rank[:, :, None] - rank[:, None, :]))
    scales = np.full(d, 1.5)
    more, variance = shared_values(seen, near, scales)
    alone = np.zeros((d, 1))
    for i, sight in enumerate(seen):
        two = np.ix_(range(d), [0, i + 1], [0, i + 1])
        alone += shared_values([sight], near[two], scales)[0]
    off = np.abs(guess + more - truth)
    assert np.linalg.norm(off) < 0.8 * np.linalg.norm(guess + alone - truth)
    assert 0.5 < np.linalg.norm(np.sqrt(variance)) / np.linalg.norm(off) < 3
    assert abs(more.sum()) < 1e-12


def test_nothing_is_added_to_a_right_guess():
    rng = np.random.default_rng(0)
    seen = [Sight(s.kept, 0 * s.odd, s.active, s.share) for s in sights(3, rng)]
    values, variance = shared_values(seen, closeness(3, rng), np.ones(D))
    assert not values.any()
    assert not variance.any()


@pytest.mark.parametrize("factor", [1e-9, 1e9])
def test_units_do_not_matter(factor):
    rng = np.random.default_rng(1)
    seen, near = sights(3, rng), closeness(3, rng)
    values, variance = shared_values(seen, near, np.ones(D))
    scaled = [Sight(s.kept, factor * s.odd, s.active, s.share) for s in seen]
    more, larger = shared_values(scaled, near, np.ones(D))
    np.testing.assert_allclose(more, factor * values, rtol=1e-6)
    np.testing.assert_allclose(larger, factor**2 * variance, rtol=1e-6)
