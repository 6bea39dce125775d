"""What centroids do to attributions: closed forms of separable games."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import blackbox_xai as bx
from blackbox_xai.errors import InputError

ROWS = np.random.default_rng(0).normal(size=(200, 3)) * [1.0, 2.0, 0.5]
X = np.array([1.0, -2.0, 0.5])


def squares(rows):
    return rows**2 @ [1.0, 1.0, 4.0]


def test_a_separable_game_is_off_by_the_spread_within_clusters():
    masker = bx.TabularMasker(ROWS, n_centroids=8)
    assert masker.n_background == 8
    assert masker.behind is not None
    assert masker.behind.n_background == 200
    bias = bx.centroid_bias(squares, X, masker)
    masked = masker.bind(X)
    batch = masked.allocate(8)
    masked.write(batch, 0, np.zeros((8, 3), bool), np.arange(8))
    centres = masked.inputs(batch, 8)
    spread = (ROWS**2).mean(axis=0) - masked.fill_weights @ centres**2
    np.testing.assert_allclose(bias.values[:, 0], spread * [1.0, 1.0, 4.0], atol=1e-9)
    exact = (X**2 - (ROWS**2).mean(axis=0)) * [1.0, 1.0, 4.0]
    length = np.linalg.norm(bias.values) / np.linalg.norm(exact)
    assert bias.relative[0] == pytest.approx(length, rel=1e-9)
    assert (bias.values > 0).all()


def test_a_linear_game_is_not_off():
    bias = bx.centroid_bias(lambda rows: rows @ X, X, bx.TabularMasker(ROWS, n_centroids=5))
    np.testing.assert_allclose(bias.values, 0.0, atol=1e-9)
    assert bias.relative[0] < 1e-9


def test_errors_say_what_noise_explains():
    rng = np.random.default_rng(1)
    rows, x = rng.normal(size=(300, 12)), rng.normal(size=12)
    weights = rng.normal(size=12)
    masker = bx.TabularMasker(rows, n_centroids=10)
    hits = []

    def game(r):
        return np.tanh(r @ weights) + r[:, 0] ** 2

    for seed in range(4):
        bias = bx.centroid_bias(game, x, masker, budget=3000, random_state=seed)
        exact = bx.centroid_bias(game, x, masker, budget=4_000_000)
        hits.append(np.abs(bias.values - exact.values) <= 1.96 * bias.std_err + 1e-9)
    assert np.mean(hits) >= 0.85


def test_rows_behind_are_drawn_by_weight_and_bounded():
    frame = pd.DataFrame({"a": np.r_[np.zeros(3000), np.ones(3000)], "b": np.arange(6000.0)})
    weights = np.r_[np.full(3000, 3.0), np.full(3000, 1.0)]
    behind = bx.TabularMasker(frame, weights=weights, n_centroids=4).behind
    assert behind.n_background == 2000
    assert behind.n_centroids is None
    base = bx.Occlusion().explain(lambda rows: rows["a"].to_numpy(), frame.iloc[0], behind)
    assert base.base[0] == pytest.approx(0.25, abs=0.05)


def test_a_masker_without_centroids_is_refused():
    with pytest.raises(InputError, match="n_centroids"):
        bx.centroid_bias(squares, X, bx.TabularMasker(ROWS))
