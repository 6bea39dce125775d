"""Pooling of alike vectors against the generalised least-squares answer and its limits."""

from __future__ import annotations

import numpy as np
import pytest

from blackbox_xai.solvers.pooling import pool


def _draw(rng, g, d, spread, noise):
    """Vectors about one mean, and measurements whose errors sum to zero."""
    mean = rng.normal(size=d)
    truth = mean + spread * rng.normal(size=(g, d))
    roots = noise * rng.normal(size=(g, d, 2 * d))
    roots -= roots.mean(axis=1, keepdims=True)
    found = truth + np.einsum("gij,gj->gi", roots, rng.normal(size=(g, 2 * d)))
    return truth, found, roots @ roots.transpose(0, 2, 1)


@pytest.mark.parametrize("spread", [0.0, 0.3, 3.0])
def test_pooling_lessens_errors_and_says_by_how_much(spread):
    rng = np.random.default_rng(0)
    share = np.full(20, 1 / 20)
    before, after, claimed = [], [], []
    for _ in range(80):
        truth, found, errors = _draw(rng, 20, 6, spread, 0.5)
        best, shrink = pool(found, errors, np.full(found.shape, True), share)
        before.append(((found - truth).mean(axis=0) ** 2).mean())
        after.append(((best - truth).mean(axis=0) ** 2).mean())
        own = np.diagonal(errors, axis1=1, axis2=2)
        claimed.append((shrink * (share**2 @ own)).mean())
        np.testing.assert_allclose(best.sum(axis=1), found.sum(axis=1), atol=1e-9)
    assert np.mean(after) <= np.mean(before) * (0.95 if spread < 1 else 1.02)
    assert 0.7 < np.mean(claimed) / np.mean(after) < 1.5


def test_exact_measurements_stay():
    rng = np.random.default_rng(1)
    found = rng.normal(size=(8, 4))
    best, shrink = pool(found, np.zeros((8, 4, 4)), np.full((8, 4), True), np.full(8, 1 / 8))
    np.testing.assert_array_equal(best, found)
    np.testing.assert_array_equal(shrink, 1)


def test_coordinates_that_are_not_there_stay_zero():
    rng = np.random.default_rng(2)
    active = rng.random((12, 5)) < 0.7
    active[:, :2] = True
    centring = active[:, :, None] * (np.eye(5) - 1 / active.sum(axis=1)[:, None, None])
    errors = centring * active[:, None, :]
    found = np.where(active, rng.normal(size=(12, 5)), 0.0)
    best, _ = pool(found, errors, active, np.full(12, 1 / 12))
    np.testing.assert_allclose(best[~active], 0, atol=1e-12)
    np.testing.assert_allclose(best.sum(axis=1), found.sum(axis=1), atol=1e-9)


@pytest.mark.parametrize("noise", [0.0, 1e-16, 1e-12, 1e-9, 1e-7, 1e-5])
def test_errors_far_below_the_values_leave_them_as_they_are(noise: float) -> None:
    rng = np.random.default_rng(0)
    found = rng.normal(size=(8, 5))
    centring = np.eye(5) - 0.2
    errors = np.broadcast_to(noise**2 * centring, (8, 5, 5)).copy()
    best, shrink = pool(found, errors, np.full((8, 5), True), np.full(8, 1 / 8))
    np.testing.assert_allclose(best, found, atol=10 * noise)
    assert np.isfinite(shrink).all()
