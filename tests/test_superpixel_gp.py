"""Superpixel maps: planted segments, exact posteriors, budgets, stop rule, error bars."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

import blackbox_xai as bx
from blackbox_xai.coalitions.fields import spread_levels, subsets_from_fields, top_shares
from blackbox_xai.errors import InputError
from blackbox_xai.solvers import gaussian_process
from blackbox_xai.solvers.gaussian_process import Moments, fit_smooth
from toys import Spy

LABELS = np.kron(np.arange(16).reshape(4, 4), np.ones((4, 4), int))
WEIGHTS = np.random.default_rng(5).normal(size=16)


def additive(images: Any) -> Any:
    """Weighted sum of the block means."""
    return images.reshape(-1, 4, 4, 4, 4).mean(axis=(2, 4)).reshape(-1, 16) @ WEIGHTS


def bent(images: Any) -> Any:
    """Block means with interactions of several orders."""
    z = images.reshape(-1, 4, 4, 4, 4).mean(axis=(2, 4)).reshape(-1, 16)
    return (
        z @ WEIGHTS + np.tanh(z[:, 0] * z[:, 5] * z[:, 9] - z[:, 3]) + z[:, 1] * z[:, 2] * z[:, 7]
    )


@pytest.mark.parametrize("adaptive", [True, False])
def test_a_planted_segment_is_found_whatever_its_label(adaptive: bool) -> None:
    image = np.random.default_rng(0).random((16, 16)) + 0.5
    for k in range(16):
        masker = bx.ImageMasker((LABELS, LABELS + 1, 3 * LABELS + 5)[k % 3], fill=0.0)

        def model(images: Any, k: int = k) -> Any:
            return images[:, k == LABELS].mean(axis=1)

        why = bx.SuperpixelGP(budget=60, adaptive=adaptive).explain(model, image, masker)
        assert np.argmax(why.values[:, 0]) == k
        assert np.argmax(why.heatmap[..., 0].ravel()) in np.flatnonzero(LABELS.ravel() == k)


@pytest.mark.parametrize("first", [False, True])
def test_superpixels_of_like_colour_are_taken_to_be_alike(first: bool) -> None:
    bright = np.random.default_rng(3).permutation(64) < 32
    labels = np.kron(np.arange(64).reshape(8, 8), np.ones((4, 4), int))
    image = np.repeat(np.where(bright, 0.9, 0.1)[labels][..., None], 3, axis=2)
    noise = np.random.default_rng(4).permutation(image)  # rows shuffled: colours that mislead

    def model(shown: Any) -> Any:
        return (shown.max(axis=1 if first else 3) > 0)[:, bright[labels]].mean(axis=1)

    def error(picture: Any) -> float:
        given = np.moveaxis(picture, -1, 0) if first else picture
        masker = bx.ImageMasker(labels, fill=0.0, channels="first" if first else "last")
        why = bx.SuperpixelGP(budget=31, adaptive=False).explain(model, given, masker)
        return float(np.abs(why.values[:, 0] - bright / 32).mean())

    assert error(image) < 0.5 * error(noise)


def test_an_additive_model_is_recovered() -> None:
    image = np.random.default_rng(0).random((16, 16)) + 0.5
    why = bx.SuperpixelGP(budget=200).explain(additive, image, bx.ImageMasker(LABELS, fill=0.0))
    expected = WEIGHTS * image.reshape(4, 4, 4, 4).mean(axis=(1, 3)).ravel()
    np.testing.assert_allclose(why.values[:, 0], expected, atol=1e-3)
    np.testing.assert_allclose(why.base + why.values.sum(axis=0), why.scores, atol=1e-3)
    np.testing.assert_allclose(why.paint()[LABELS == 3], why.values[3, 0] / 16)
    assert why.diagnostics["effect_per_pixel"][3][0] == pytest.approx(why.values[3, 0] / 16)


@pytest.mark.parametrize("adaptive", [True, False])
def test_error_bars_hold_the_value_of_many_masks(adaptive: bool) -> None:
    image = np.random.default_rng(0).random((16, 16)) + 0.5
    masker = bx.ImageMasker(LABELS, fill=0.0)
    runs = [
        bx.SuperpixelGP(budget=150, adaptive=adaptive, random_state=s).explain(bent, image, masker)
        for s in range(15)
    ]
    many = bx.SuperpixelGP(budget=20_000, adaptive=adaptive, random_state=99)
    truth = many.explain(bent, image, masker)
    hits = [np.abs(run.values - truth.values) <= 1.96 * run.std_err for run in runs]
    assert 0.9 <= np.mean(hits) <= 0.99
    assert np.mean(runs[0].std_err) < 0.5 * np.abs(truth.values).mean()


@pytest.mark.parametrize("budget", [3, 4, 15, 16, 33, 120])
def test_the_budget_is_kept_at_any_size(budget: int) -> None:
    spy = Spy(bent)
    why = bx.SuperpixelGP(budget=budget).explain(
        spy, np.ones((16, 16)), bx.ImageMasker(LABELS, fill=0.0)
    )
    assert spy.rows == why.cost.rows <= budget
    assert np.isfinite(why.values).all()
    assert np.isfinite(why.std_err).all()


def test_the_stop_rule_saves_queries() -> None:
    image, masker = np.ones((16, 16)), bx.ImageMasker(LABELS, fill=0.0)
    early = bx.SuperpixelGP(budget=400, reliability=0.9).explain(additive, image, masker)
    assert early.cost.rows < 200
    assert early.diagnostics["reliability"][0] >= 0.9


def test_several_fills_and_outputs_share_the_queries() -> None:
    spy = Spy(lambda x: np.column_stack([additive(x), -additive(x)]))
    masker = bx.ImageMasker(LABELS, fill=[bx.ColourFill(colour=0.0), bx.ColourFill(colour=0.5)])
    why = bx.SuperpixelGP(budget=300).explain(spy, np.ones((16, 16)), masker)
    assert spy.rows <= 300
    np.testing.assert_allclose(why.values[:, 0], -why.values[:, 1], atol=1e-9)
    np.testing.assert_allclose(why.values[:, 0], 0.75 * WEIGHTS, atol=0.5)


def test_later_masks_take_turns_between_the_outputs() -> None:
    """Each output reads a corner of its own; its masks tell the segments of that corner apart."""
    corners = LABELS == 0, LABELS == 15

    def model(images: Any) -> Any:
        return np.column_stack([np.tanh(3 * images[:, c].mean(axis=1)) for c in corners])

    masker = bx.ImageMasker(LABELS, fill=0.0)
    image = np.ones((16, 16))
    both = bx.SuperpixelGP(budget=200).explain(model, image, masker)
    swapped = bx.SuperpixelGP(budget=200).explain(lambda x: model(x)[:, ::-1], image, masker)
    for why in both, swapped:
        ratio = why.std_err[:, 0].mean() / why.std_err[:, 1].mean()
        assert 0.5 < ratio < 2.0
    assert np.argmax(both.values, axis=0).tolist() == [0, 15]


def test_signs_of_eigenvectors_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    signs = np.random.default_rng(0)

    def flipped(matrix: Any) -> Any:
        spectrum, vectors = scipy.linalg.eigh(matrix)
        return spectrum, vectors * signs.choice([-1.0, 1.0], size=len(vectors))

    image = np.random.default_rng(0).random((16, 16)) + 0.5
    masker, explainer = bx.ImageMasker(LABELS, fill=0.0), bx.SuperpixelGP(budget=150)
    plain = explainer.explain(bent, image, masker)
    monkeypatch.setattr(gaussian_process, "eigh", flipped)
    np.testing.assert_allclose(explainer.explain(bent, image, masker).values, plain.values)


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (6, 6, 3), (6, 6, 4)])
def test_single_segments_and_odd_shapes(shape: Any) -> None:
    image = np.random.default_rng(0).random(shape)
    masker = bx.ImageMasker(np.zeros(shape[:2], int), fill=0.0, channels="last", keep_alpha=False)
    why = bx.SuperpixelGP(budget=20).explain(lambda x: x.reshape(len(x), -1).mean(1), image, masker)
    assert why.values[0, 0] == pytest.approx(image.mean(), rel=0.02)


def test_a_constant_model_has_no_effects() -> None:
    masker = bx.ImageMasker(LABELS, fill=0.0)
    why = bx.SuperpixelGP(budget=50).explain(
        lambda x: np.full(len(x), 0.25), np.ones((16, 16)), masker
    )
    assert np.abs(why.values).max() == 0
    assert why.base[0] == 0.25


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"budget": 2}, "budget must be at least 3, got 2. One row is the image itself"),
        ({"adaptive": 1}, "adaptive must be True or False, got 1"),
        ({"reliability": 1.0}, "reliability must lie between 0 and 1"),
        ({}, "SuperpixelGP explains images, got an input of kind 'tabular'"),
    ],
)
def test_settings_that_cannot_be_used_are_named(settings: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        bx.SuperpixelGP(**settings).explain(
            lambda X: X.sum(axis=1), np.ones(3), bx.TabularMasker(np.zeros((1, 3)))
        )


def test_the_posterior_is_that_of_the_textbook() -> None:
    rng = np.random.default_rng(0)
    centres, z = rng.random((6, 2)), rng.normal(size=(30, 6))
    y = z @ rng.normal(size=6) + rng.normal(size=30)
    moments = Moments(6, 1)
    for part in np.array_split(np.arange(30), 4):
        moments.add(z[part], y[part, None])
    fit = fit_smooth(moments, centres, np.ones(6), np.array([0.4]))
    zc, yc = z - z.mean(axis=0), y - y.mean()
    distances = ((centres[:, None] - centres) ** 2).sum(axis=-1)
    prior = np.exp(-distances / (2 * 0.4**2)) + 0.05 * np.eye(6)
    prior /= (prior * (zc.T @ zc)).sum() / 30
    means, variances, evidence = [], [], []
    for ratio in np.logspace(-6, 1.5, 31):
        covariance = zc @ prior @ zc.T + ratio * np.eye(30)
        solved = np.linalg.solve(covariance, yc)
        signal = yc @ solved / 30
        evidence.append(-15 * np.log(signal) - np.linalg.slogdet(covariance)[1] / 2)
        means.append(prior @ zc.T @ solved)
        reduced = prior @ zc.T @ np.linalg.solve(covariance, zc @ prior)
        variances.append(signal * np.diag(prior - reduced))
    share = np.exp(np.array(evidence) - max(evidence))
    share /= share.sum()
    mean = share @ np.array(means)
    spread = share @ (np.array(variances) + (np.array(means) - mean) ** 2)
    np.testing.assert_allclose(fit.effects[:, 0], mean, atol=0.02 * np.abs(mean).max())
    np.testing.assert_allclose(fit.std_err[:, 0], np.sqrt(spread), rtol=0.05)
    drawn = fit.draw(np.zeros(20_000, dtype=np.intp), rng)
    np.testing.assert_allclose(drawn.mean(axis=0), fit.effects[:, 0], atol=0.02)
    np.testing.assert_allclose(drawn.std(axis=0), fit.std_err[:, 0], rtol=0.05)


@given(st.integers(1, 10), st.integers(1, 30), st.integers(0, 1000))
def test_top_shares_keep_the_highest_up_to_the_share(d: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    fields, sizes = rng.normal(size=(n, d)), rng.random(d) + 0.1
    levels = spread_levels(n, 0.1, 0.9, rng)
    kept = top_shares(fields, sizes, levels)
    for row, field, level in zip(kept, fields, levels, strict=True):
        if row.any() and not row.all():
            assert field[row].min() >= field[~row].max()
        assert abs(sizes[row].sum() / sizes.sum() - level) <= sizes.max() / sizes.sum() / 2 + 1e-9


def test_fields_keep_neighbours_together() -> None:
    centres = np.arange(40.0)[:, None] / 40
    rng = np.random.default_rng(0)
    kept = subsets_from_fields(centres, np.ones(40), np.array([0.1]), 300, rng)
    near = (kept[:, 1:] == kept[:, :-1]).mean()
    far = (kept[:, 20:] == kept[:, :20]).mean()
    assert near > 0.9 > 0.75 > far


def test_a_mask_and_its_complement_have_one_fill() -> None:
    seen: list[Any] = []

    def model(images: Any) -> Any:
        seen.extend(images.copy())
        return images.mean(axis=(1, 2))

    masker = bx.ImageMasker(LABELS, fill=[bx.ColourFill(colour=c) for c in (0.0, 9.0, 7.0)])
    bx.SuperpixelGP(budget=41, adaptive=False).explain(model, np.full((16, 16), 3.0), masker)
    assert len(seen) == 41
    for one, other in zip(seen[1::2], seen[2::2], strict=True):
        assert ((one == 3.0) ^ (other == 3.0)).all()
        assert len({*one.ravel(), *other.ravel()}) == 2


def test_the_stop_rule_waits_for_every_output() -> None:
    image = np.random.default_rng(0).random((16, 16)) + 0.5
    noise = np.random.default_rng(1).normal(size=(16, 16))

    def model(images: Any) -> Any:
        rough = np.sin(1e4 * (images * noise).sum(axis=(1, 2)))
        return np.stack([additive(images), rough], axis=1)

    masker = bx.ImageMasker(LABELS, fill=0.0)
    both = bx.SuperpixelGP(budget=200, reliability=0.95).explain(model, image, masker)
    easy = bx.SuperpixelGP(budget=200, reliability=0.95).explain(model, image, masker, outputs=0)
    assert easy.cost.rows < 150 < both.cost.rows
