"""Donors that resemble what is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import blackbox_xai as bx
from blackbox_xai.errors import InputError


def twins(n: int = 400) -> Any:
    rng = np.random.default_rng(0)
    first = rng.normal(size=n)
    return np.stack([first, first + 0.1 * rng.normal(size=n), rng.normal(size=n)], axis=1)


def test_hidden_values_go_with_kept_ones() -> None:
    background = twins()
    row = bx.ConditionalMasker(bx.TabularMasker(background), n_draws=30).bind([1.5, 1.5, 0.0])
    near = row.apply([True, False, False])
    assert np.abs(near[:, 1] - 1.5).mean() < 0.4
    assert near[:, 2].std() > 0.5
    free = row.apply([False, False, False])
    assert abs(free[:, 0].mean()) < 0.2
    assert len(np.unique(free[:, 0])) == 30
    full = row.apply([True, True, True])
    assert (full == [1.5, 1.5, 0.0]).all()


def test_a_donor_is_one_row_of_the_background() -> None:
    background = twins()
    row = bx.ConditionalMasker(bx.TabularMasker(background)).bind([9.0, 9.0, 9.0])
    hidden = row.apply([False, True, False])
    known = {tuple(r) for r in background[:, [0, 2]]}
    assert {tuple(r) for r in hidden[:, [0, 2]]} <= known


def test_donors_do_not_depend_on_what_is_written_beside() -> None:
    row = bx.ConditionalMasker(bx.TabularMasker(twins()), n_draws=7).bind([0.3, 0.1, -1.0])
    kept = np.random.default_rng(0).random((600, 3)) < 0.5
    together = row.donors(kept)
    alone = np.concatenate([row.donors(k[None]) for k in kept])
    assert (together == alone).all()
    whole = row.apply(kept)
    draws = np.tile(np.arange(7), 600)
    single = row.apply(np.repeat(kept, 7, axis=0), draws)
    assert (whole == single).all()


def test_conditional_shapley_values_share_the_effect_of_twins() -> None:
    masker = bx.TabularMasker(twins())
    x = np.array([1.5, 1.5, 0.0])
    marginal = bx.ExactShapley().explain(lambda X: X[:, 0], x, masker)
    conditional = bx.ExactShapley().explain(
        lambda X: X[:, 0], x, bx.ConditionalMasker(masker, n_draws=50)
    )
    assert abs(marginal.values[1, 0]) < 1e-12
    assert conditional.values[1, 0] > 0.25 * conditional.values[0, 0]
    total = conditional.values.sum() + conditional.base[0]
    assert total == pytest.approx(conditional.scores[0])


def test_fewer_inputs_are_unlike_the_data() -> None:
    background = twins()
    detector = bx.OODDetector().fit(background)
    masker = bx.TabularMasker(background)
    shares = []
    for chosen in (masker, bx.ConditionalMasker(masker)):
        why = bx.ExactShapley().explain(
            lambda X: X.sum(1), np.array([1.5, 1.5, 0.0]), chosen, detector=detector
        )
        shares.append(why.diagnostics["unlike"]["share"])
    assert shares[1] < 0.7 * shares[0]


def test_frames_categories_groups_and_missing_values() -> None:
    frame = pd.DataFrame(
        {
            "sex": pd.Categorical(["f", "m"] * 50),
            "pregnant": pd.Categorical(["yes", "no"] * 50),
            "age": [np.nan if i % 10 == 0 else float(i % 40) for i in range(100)],
        }
    )
    row = bx.ConditionalMasker(bx.TabularMasker(frame), bandwidth=0.2).bind(frame.iloc[[1]])
    hidden = row.apply([True, False, True])
    assert (hidden.pregnant == "no").all()
    assert hidden.sex.dtype == frame.sex.dtype
    grouped = bx.TabularMasker(frame, groups={"person": ["sex", "pregnant"]})
    assert bx.ConditionalMasker(grouped).bind(frame.iloc[[1]]).feature_names == ("person", "age")


@pytest.mark.parametrize(("name", "bad"), [("n_draws", 0), ("bandwidth", 0.0), ("bandwidth", "a")])
def test_bad_settings_are_named(name: str, bad: Any) -> None:
    with pytest.raises(InputError, match=name):
        bx.ConditionalMasker(bx.TabularMasker(np.zeros((2, 2))), **{name: bad})


@pytest.mark.parametrize("thing", [np.zeros((3, 2)), None, bx.TextMasker()])
def test_what_is_no_masker_of_tables_is_refused(thing):
    with pytest.raises(InputError, match=r"masker must be a TabularMasker\(background\), got"):
        bx.ConditionalMasker(thing)


def test_weights_of_the_background_are_those_of_the_donors() -> None:
    background = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    masker = bx.TabularMasker(background, weights=[0.7, 0.2, 0.1])
    hidden = bx.ConditionalMasker(masker, n_draws=10).bind([5.0, 5.0]).apply([False, False])
    assert np.bincount(hidden[:, 0].astype(int)).tolist() == [7, 2, 1]
