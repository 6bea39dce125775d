"""RISE against written-out masks and regressions: slopes, streaming, errors, memory."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import blackbox_xai as bx
from blackbox_xai.coalitions.soft_masks import SoftGrid, interpolation_matrix
from blackbox_xai.errors import InputError
from blackbox_xai.explainers import rise
from blackbox_xai.solvers.slopes import SlopeSums, slopes
from toys import Spy, block_mean


@pytest.mark.parametrize("prior", [None, "gp"])
@pytest.mark.parametrize("first", [False, True])
def test_a_planted_block_is_found_whatever_its_label(first: bool, prior: Any) -> None:
    image = np.random.default_rng(0).random((32, 32, 3)) + 0.5
    image = np.ascontiguousarray(np.moveaxis(image, -1, 0)) if first else image
    labels = np.kron(np.arange(16).reshape(4, 4), np.ones((8, 8), int))
    for k in range(16) if prior is None else (0, 6, 11):
        masker = bx.ImageMasker((labels, labels + 1, 3 * labels + 5)[k % 3], fill=0.0)
        why = bx.Rise(n_samples=200, prior=prior).explain(block_mean(k, first), image, masker)
        assert np.argmax(why.values[:, 0]) == k
        assert why.cost.rows == 200


def test_a_planted_word_and_column_are_found() -> None:
    words = [f"w{i}" for i in range(16)]
    background = np.zeros((1, 16))
    for k in range(16):
        text = bx.Rise(n_samples=120).explain(
            lambda texts, k=k: np.array([0.5 * (words[k] in t.split()) for t in texts]),
            " ".join(words),
            bx.TextMasker(),
        )
        assert np.argmax(text.values[:, 0]) == k
        row = bx.Rise(n_samples=120).explain(
            lambda X, k=k: X[:, k], np.ones(16), bx.TabularMasker(background)
        )
        assert np.argmax(row.values[:, 0]) == k


def test_masks_are_the_enlarged_and_shifted_grids() -> None:
    grid = SoftGrid(20, 30, 5)
    grids, shifts = grid.draw(6, 0.5, np.random.default_rng(0))
    assert grids.shape == (6, 6, 6)
    masks = grid.masks(grids, shifts)
    down, across = interpolation_matrix(6, 24), interpolation_matrix(6, 36)
    for mask, nodes, (dy, dx) in zip(masks, grids, shifts, strict=True):
        whole = down @ nodes @ across.T
        np.testing.assert_allclose(mask, whole[dy : dy + 20, dx : dx + 30], atol=1e-6)
    assert 0 <= masks.min() <= masks.max() <= 1
    means = grid.averages(grids, shifts, 4, 5).reshape(6, 4, 5)
    expected = masks.reshape(6, 4, 5, 5, 6).mean(axis=(2, 4))
    np.testing.assert_allclose(means, expected, atol=1e-6)


def test_interpolation_agrees_with_linear_resizing() -> None:
    transform = pytest.importorskip("skimage.transform")
    grid = np.random.default_rng(0).random((4, 5))
    ours = interpolation_matrix(4, 40) @ grid @ interpolation_matrix(5, 30).T
    theirs = transform.resize(grid, (40, 30), order=1, mode="edge", anti_aliasing=False)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_streamed_sums_are_the_regression_slopes() -> None:
    rng = np.random.default_rng(0)
    z, y = rng.random((90, 7)), rng.normal(size=(90, 2)) + 1e6
    z[:, 6] = 0.25
    sums = SlopeSums(7, 2, 3)
    for i, part in enumerate(np.array_split(np.arange(90), 9)):
        sums.add(i % 3, z[part], y[part])
    direct, _ = slopes(z, y)
    np.testing.assert_allclose(sums.slopes().T, direct, atol=1e-6)
    np.testing.assert_allclose(sums.mean, y.mean(axis=0))
    assert (direct[6] == 0).all()
    for j in range(6):
        line = np.polyfit(z[:, j], y[:, 0] - 1e6, 1)
        assert direct[j, 0] == pytest.approx(line[0], abs=1e-8)
    kept = np.concatenate(
        [part for i, part in enumerate(np.array_split(np.arange(90), 9)) if i % 3]
    )
    np.testing.assert_allclose(sums.slopes(0).T, slopes(z[kept], y[kept])[0], atol=1e-6)


def test_error_bars_hold_the_value_of_many_masks() -> None:
    rng = np.random.default_rng(0)
    image = rng.random((16, 16)) + 0.5
    labels = np.kron(np.arange(16).reshape(4, 4), np.ones((4, 4), int))
    w, pairs = rng.normal(size=16), rng.normal(size=(16, 16)) / 4

    def model(images: Any) -> Any:
        z = images.reshape(-1, 4, 4, 4, 4).mean(axis=(2, 4)).reshape(-1, 16)
        return z @ w + np.einsum("ni,ij,nj->n", z, pairs, z)

    masker = bx.ImageMasker(labels, fill=0.0)
    rise = [bx.Rise(n_samples=200, cells=4, random_state=s) for s in range(12)]
    truth = bx.Rise(n_samples=20_000, cells=4, random_state=99).explain(model, image, masker)
    runs = [one.explain(model, image, masker) for one in rise]
    hits = [np.abs(run.values - truth.values) <= 1.96 * run.std_err for run in runs]
    assert 0.87 <= np.mean(hits) <= 0.995
    words = bx.Rise(n_samples=400).explain(
        lambda z: z @ w, np.ones(16), bx.TabularMasker([[0] * 16])
    )
    assert np.mean(np.abs(words.values[:, 0] - w) <= 2.6 * words.std_err[:, 0]) >= 0.8


def test_memory_does_not_grow_with_the_number_of_masks() -> None:
    image = np.random.default_rng(0).random((96, 96, 3)).astype(np.float32)
    masker = bx.ImageMasker(bx.Grid(rows=4, columns=4), fill=0.0)
    model = bx.CallableModel(lambda x: x.mean(axis=(1, 2, 3)), batch_size=32)
    peaks = []
    for n in (400, 400, 900):
        tracemalloc.start()
        bx.Rise(n_samples=n).explain(model, image, masker)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.1 * peaks[1]


@pytest.mark.parametrize("shape", [(1, 1), (5, 40), (7, 3, 3), (9, 9, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_images_of_any_size_and_type(shape: Any, dtype: Any) -> None:
    image = (np.random.default_rng(0).random(shape) * 200).astype(dtype)
    spy = Spy(lambda x: x.reshape(len(x), -1).mean(axis=1).astype(float) / 7)
    masker = bx.ImageMasker(bx.Grid(rows=2, columns=2), fill=0, channels="last")
    why = bx.Rise(n_samples=40).explain(spy, image, masker)
    assert why.heatmap.shape == (*shape[:2], 1)
    assert np.isfinite(why.heatmap).all()
    assert spy.rows == 40


def test_same_seed_same_bits_for_any_batch_size() -> None:
    image = np.random.default_rng(0).random((16, 16))
    masker = bx.ImageMasker(bx.Grid(rows=2, columns=2), fill=0.0)
    bits = set()
    for size in (1, 7, None):
        model = bx.CallableModel(lambda x: np.array([i[3:9].sum() for i in x]), batch_size=size)
        why = bx.Rise(n_samples=60).explain(model, image, masker)
        bits.add((why.values.tobytes(), why.heatmap.tobytes(), why.std_err.tobytes()))
    assert len(bits) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_samples": 1}, "n_samples must be at least 3, got 1"),
        ({"cells": 0}, "cells must be at least 1"),
        ({"p_keep": 1.0}, "p_keep must lie between 0 and 1"),
        ({"prior": "spline"}, "prior must be one of 'gp'"),
        ({"prior": "gp"}, "prior='gp' needs an image, got an input of kind 'tabular'"),
    ],
)
def test_settings_that_cannot_be_used_are_named(settings: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        bx.Rise(**settings).explain(
            lambda X: X.sum(axis=1), np.ones(3), bx.TabularMasker(np.zeros((1, 3)))
        )


def test_so_many_outputs_that_errors_would_fill_the_memory_have_values_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    image = np.random.default_rng(0).random((24, 32, 3))
    masker = bx.ImageMasker(bx.Grid(rows=3, columns=4), fill=0.0)

    def many(images: Any) -> Any:
        return images.reshape(len(images), -1)[:, ::23]

    def maps() -> Any:
        outputs = list(range(100))
        return bx.Rise(n_samples=200).explain(many, image, masker, outputs=outputs)

    whole = maps()
    monkeypatch.setattr(rise, "_MOST_BYTES", 80 * 24 * 32 * 99)
    bare = maps()
    assert whole.std_err is not None
    assert bare.std_err is None
    np.testing.assert_allclose(bare.values, whole.values, rtol=1e-4, atol=1e-6)
    assert bare.heatmap.shape == (24, 32, 100)


def test_shifts_reach_over_a_whole_cell() -> None:
    grid = SoftGrid(60, 42, 6)
    shifts = grid.draw(2000, 0.5, np.random.default_rng(0))[1]
    assert [set(column.tolist()) for column in shifts.T] == [set(range(10)), set(range(7))]
