"""Shapley values that go on: the same numbers from a prediction log, and nothing asked in vain."""

from __future__ import annotations

import numpy as np
import pytest

import blackbox_xai as bx
from blackbox_xai.errors import InputError


def model(inputs):
    return np.tanh(inputs @ np.arange(1.0, 7.0) / 4) + inputs[:, 0] * inputs[:, 1]


def table():
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 6)), np.ones(6)


def logged(path):
    return bx.RecordedModel(bx.as_model(model), path, fingerprint="one", probe=False)


@pytest.mark.parametrize("tol", [None, 0.01, 1e-9])
def test_a_run_that_a_log_answers_gives_the_same_bits(tmp_path, tol):
    background, x = table()
    masker, path = bx.TabularMasker(background), tmp_path / "scores.sqlite"
    explainer = bx.Shapley(budget=3_000, tol=tol)
    plain = explainer.explain(model, x, masker)
    assert plain.cost.rows <= 3_000
    assert plain.diagnostics["rows"] == plain.cost.rows
    more = explainer.refine(plain, model, x, masker)
    for paid in (True, False):
        why = explainer.explain(logged(path), x, masker)
        again = explainer.refine(why, logged(path), x, masker)
        assert (why.cost.rows > 0) == (again.cost.rows > 0) == paid
        for found, expected in ((why, plain), (again, more)):
            np.testing.assert_array_equal(found.values, expected.values)
            np.testing.assert_array_equal(found.std_err, expected.std_err)
            np.testing.assert_array_equal(found.base, expected.base)


def test_what_is_exact_is_not_asked_again():
    background, x = table()
    masker = bx.TabularMasker(background)
    explainer = bx.Shapley(budget=5_000)
    why = explainer.explain(model, x, masker)
    assert why.diagnostics["design"] == "all coalitions"

    def refuse(inputs):
        raise AssertionError(f"{len(inputs)} rows were asked in vain")

    assert explainer.refine(why, refuse, x, masker) is why


def test_a_link_after_the_mean_cannot_be_refined():
    background, x = table()
    masker = bx.TabularMasker(background[:3])
    explainer = bx.Shapley(link=np.cbrt, link_after_mean=True)
    why = explainer.explain(model, x, masker)
    with pytest.raises(InputError, match="link_after_mean=True cannot be refined"):
        explainer.refine(why, model, x, masker)
