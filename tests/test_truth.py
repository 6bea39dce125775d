"""Known answers, for every explainer on every kind of input."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import blackbox_xai as bx
from toys import Linear, three_players

ONES = np.ones(3)
ZEROS = bx.TabularMasker(np.zeros((1, 3)))
IMAGE_EXPLAINERS = [
    bx.Occlusion(),
    bx.Occlusion(windows=2, stride=1),
    bx.Lime(n_samples=400),
    bx.KernelShap(budget=300),
    bx.LeverageShapley(budget=300),
    bx.PermutationShapley(budget=300),
    bx.Rise(n_samples=1500, cells=4),
]
FEATURE_EXPLAINERS = [
    bx.Occlusion(),
    bx.Lime(n_samples=600),
    bx.ExactShapley(),
    bx.KernelShap(budget=400),
    bx.LeverageShapley(budget=400),
    bx.PermutationShapley(budget=400),
    bx.Rise(n_samples=600),
]


def name(explainer: Any) -> str:
    return type(explainer).__name__


@pytest.mark.parametrize(
    "explainer", [bx.ExactShapley(), bx.KernelShap(), bx.LeverageShapley()], ids=name
)
def test_the_three_player_game(explainer: Any) -> None:
    why = explainer.explain(three_players, ONES, ZEROS)
    np.testing.assert_allclose(why.values[:, 0], [180, 360, 460], atol=1e-8)
    assert why.base[0] == 0
    assert why.scores[0] == 1000


@pytest.mark.parametrize(
    "explainer", [bx.ExactShapley(), bx.KernelShap(), bx.Occlusion()], ids=name
)
def test_a_linear_model_is_explained_by_its_weights(explainer: Any) -> None:
    rng = np.random.default_rng(0)
    background, x, weights = rng.normal(size=(40, 7)), rng.normal(size=7), rng.normal(size=(7, 2))
    why = explainer.explain(Linear(weights), x, bx.TabularMasker(background))
    expected = weights * (x - background.mean(0))[:, None]
    np.testing.assert_allclose(why.values, expected, atol=1e-10)


def test_kernel_shap_with_all_coalitions_is_exact() -> None:
    rng = np.random.default_rng(1)
    background, x = rng.normal(size=(5, 6)), rng.normal(size=6)
    masker = bx.TabularMasker(background)

    def model(X: Any) -> Any:
        return np.stack([np.tanh(X.prod(1)), np.exp(X[:, 0] * X[:, 1] - X[:, 2] ** 2)], 1)

    exact = bx.ExactShapley().explain(model, x, masker)
    kernel = bx.KernelShap(budget=2**6 * 5).explain(model, x, masker)
    np.testing.assert_allclose(kernel.values, exact.values, atol=1e-8)
    for why in (exact, kernel):
        np.testing.assert_allclose(why.base + why.values.sum(0), why.scores, atol=1e-10)


class Block:
    """Mean brightness of one of 16 blocks of an 8 x 8 image, in either channel order."""

    def __init__(self, block: int, channels: str) -> None:
        row, column = divmod(block, 4)
        self.rows = slice(2 * row, 2 * row + 2)
        self.columns = slice(2 * column, 2 * column + 2)
        self.channels = channels

    def __call__(self, images: Any) -> Any:
        if self.channels == "first":
            images = np.moveaxis(images, 1, -1)
        return images[:, self.rows, self.columns].astype(float).mean(axis=(1, 2, 3))


GRID = np.arange(16).reshape(4, 4).repeat(2, 0).repeat(2, 1)
LABELS = {"from 0": GRID, "from 1": GRID + 1, "with gaps": GRID * 7 - 5}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize("channels", ["last", "first"])
@pytest.mark.parametrize("explainer", IMAGE_EXPLAINERS, ids=name)
def test_a_planted_block_is_found(explainer: Any, channels: str, labels: Any) -> None:
    image = np.random.default_rng(0).uniform(0.5, 1, size=(8, 8, 3))
    x = np.moveaxis(image, -1, 0) if channels == "first" else image
    masker = bx.ImageMasker(labels, fill=0.0, channels=channels)
    for block in range(16):
        why = explainer.explain(Block(block, channels), x, masker)
        painted = why.paint()
        shares = np.bincount(GRID.ravel(), np.abs(painted).ravel())
        assert shares.argmax() == block
        assert painted.shape == (8, 8)


@pytest.mark.parametrize("explainer", FEATURE_EXPLAINERS, ids=name)
def test_a_planted_token_is_found(explainer: Any) -> None:
    text = "the plot was thin but actors shone"
    for j, word in enumerate(text.split()):
        why = explainer.explain(
            lambda texts, word=word: (
                np.array([word in t.split() for t in texts], float) * 0.9 + 0.05
            ),
            text,
            bx.TextMasker(),
        )
        assert why.feature_names[int(np.abs(why.values[:, 0]).argmax())] == word
        assert int(np.abs(why.values[:, 0]).argmax()) == j


@pytest.mark.parametrize("explainer", FEATURE_EXPLAINERS, ids=name)
def test_a_planted_column_is_found(explainer: Any) -> None:
    rng = np.random.default_rng(0)
    background = rng.normal(size=(20, 6))
    for j in range(6):
        why = explainer.explain(
            lambda X, j=j: np.tanh(X[:, j]), np.full(6, 2.0), bx.TabularMasker(background)
        )
        assert int(np.abs(why.values[:, 0]).argmax()) == j


MEMORY = """
import resource, sys
import numpy as np
import blackbox_xai as bx
from blackbox_xai.values import ValueFunction
image = np.random.default_rng(0).random((224, 224, 3)).astype(np.float32)
labels = np.arange(224 * 224).reshape(224, 224) // (224 * 4)
def model(images):
    return images[:, 0, 0]
masked = bx.ImageMasker(labels).bind(image)
v = ValueFunction(bx.as_model(model), masked)
kept = np.random.default_rng(0).random((1000, len(masked.feature_names))) < 0.5
v(kept[:8])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
v(kept)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def test_a_thousand_masked_images_take_little_memory() -> None:
    run = subprocess.run(
        [sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True, timeout=120
    )
    assert float(run.stdout) <= 100


@pytest.mark.parametrize("explainer", FEATURE_EXPLAINERS, ids=name)
def test_one_column_and_a_constant_model(explainer: Any) -> None:
    constant = explainer.explain(
        lambda X: np.full(len(X), 3.0), np.ones(4), bx.TabularMasker(np.zeros((3, 4)))
    )
    np.testing.assert_allclose(constant.values, 0, atol=1e-9)
    single = explainer.explain(
        lambda X: 2 * X[:, 0], np.ones(1), bx.TabularMasker(np.zeros((3, 1)))
    )
    assert np.isfinite(single.values).all()
    np.testing.assert_allclose(single.values[0, 0], 2, atol=0.05)


@pytest.mark.parametrize("explainer", FEATURE_EXPLAINERS, ids=name)
@pytest.mark.parametrize("text", ["", "!!!"])
def test_texts_without_words_give_a_result(explainer: Any, text: str) -> None:
    why = explainer.explain(
        lambda texts: np.array([len(t) * 1.0 for t in texts]), text, bx.TextMasker()
    )
    assert np.isfinite(why.values).all()
    assert why.layout.paint(why.values).shape[0] == len(text)


@pytest.mark.parametrize("explainer", IMAGE_EXPLAINERS, ids=name)
def test_an_image_of_one_segment(explainer: Any) -> None:
    masker = bx.ImageMasker(np.zeros((8, 8), int), fill=0.0)
    why = explainer.explain(lambda images: images.mean(axis=(1, 2)), np.ones((8, 8)), masker)
    assert why.values.shape == (1, 1)
    assert np.isfinite(why.values).all()
