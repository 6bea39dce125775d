"""Samplers of coalitions: counts, distinctness, sizes, and chances against theory."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackbox_xai.coalitions.shapley import (
    all_subsets,
    antithetic_chains,
    kernel_weights,
    n_all_pairs,
    paired_coalitions,
    round_sum,
    water_fill,
)


def test_all_subsets_count_in_binary():
    kept = all_subsets(3)
    assert kept.shape == (8, 3)
    assert (kept @ [1, 2, 4] == np.arange(8)).all()


@given(d=st.integers(2, 40), n=st.integers(1, 300), seed=st.integers(0, 99), even=st.booleans())
def test_pairs_are_all_different(d, n, seed, even):
    design = paired_coalitions(d, n, np.random.default_rng(seed), leverage=even)
    assert len(design.half) == min(n, n_all_pairs(d))
    both = np.concatenate([design.half, ~design.half])
    assert len(np.unique(both, axis=0)) == len(both)
    assert both.any(axis=1).all()
    assert not both.all(axis=1).any()
    assert design.weights.sum() == pytest.approx(1)
    assert (design.chance <= 1 + 1e-9).all()


@pytest.mark.parametrize("d", [2, 3, 6, 7])
def test_all_pairs_have_the_shapley_kernel(d):
    design = paired_coalitions(d, 10**6, np.random.default_rng(0))
    assert (design.chance == 1).all()
    sizes = design.half.sum(axis=1)
    kernel = np.array([(d - 1) / (comb(d, s) * s * (d - s)) for s in sizes])
    np.testing.assert_allclose(design.weights, kernel / kernel.sum())


def test_leverage_spreads_evenly_over_sizes():
    sizes = paired_coalitions(60, 900, np.random.default_rng(0)).half.sum(axis=1)
    counts = np.bincount(sizes, minlength=31)[1:31]
    assert (counts[:29] >= 29).all()
    assert counts[:29].max() <= 32
    assert counts[29] in (15, 16)  # coalitions of 30 pair among themselves


def test_the_kernel_prefers_small_sizes():
    sizes = paired_coalitions(60, 900, np.random.default_rng(0), leverage=False).half.sum(axis=1)
    counts = np.bincount(sizes, minlength=31)
    assert counts[1] == 60
    assert counts[2] > 2 * counts[10]


def test_pairs_are_drawn_by_their_chance():
    rng = np.random.default_rng(0)
    seen = np.zeros(2**8)
    for _ in range(400):
        design = paired_coalitions(8, 40, rng)
        seen[design.half @ (1 << np.arange(8))] += 1
    sizes = all_subsets(8).sum(axis=1)
    for size in (2, 3):
        drawn = seen[sizes == size] / 400
        expected = design.chance[design.half.sum(axis=1) == size][0]
        assert drawn.mean() == pytest.approx(expected, rel=0.03)
        assert drawn.std() < 3 * np.sqrt(expected * (1 - expected) / 400) + 1e-9


def test_chains_grow_by_one_feature():
    chains = antithetic_chains(6, 20, np.random.default_rng(0))
    assert chains.shape == (20, 5, 6)
    assert (chains.sum(axis=2) == np.arange(1, 6)).all()
    assert (np.diff(chains.astype(int), axis=1) >= 0).all()
    assert len(np.unique(chains[:, 0].argmax(axis=1))) == 6


@given(
    whole=st.lists(st.integers(1, 50), min_size=1, max_size=8),
    total=st.integers(1, 200),
    seed=st.integers(0, 99),
)
def test_counts_fill_up_and_round_without_loss(whole, total, seed):
    limits = np.array(whole, dtype=float)
    expected = water_fill(limits, np.ones(len(whole)), total)
    assert expected.sum() == pytest.approx(min(total, limits.sum()))
    assert (expected <= limits + 1e-9).all()
    counts = round_sum(expected, np.random.default_rng(seed))
    assert counts.sum() == min(total, int(limits.sum()))
    assert (np.abs(counts - expected) < 1 + 1e-9).all()


def test_kernel_weights():
    np.testing.assert_allclose(kernel_weights(4), [1, 3 / 4, 1])


def test_more_coalitions_than_floats_can_count():
    design = paired_coalitions(1200, 1300, np.random.default_rng(0))
    assert design.half.shape == (1300, 1200)
    assert np.isfinite(design.weights).all()
    assert (design.chance >= 0).all()
