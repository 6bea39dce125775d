"""What scores say of beliefs: left-out parts, likelihood and its slope, likely scales."""

from dataclasses import replace

import numpy as np
import pytest
from fills import D, belief, paired, sights
from hypothesis import given, settings
from hypothesis import strategies as st

from blackbox_xai.solvers.evidence import evidence, left_out_error, likely_scales
from blackbox_xai.solvers.product_kernel import Sight
from blackbox_xai.solvers.shared_process import Belief, joint


@pytest.mark.parametrize("even", [True, False])
def test_left_out_parts_are_foretold_by_all_others(even):
    rng = np.random.default_rng(0)
    seen, own = sights(3, rng), belief(3, rng, even=even)
    whole = joint(seen, own)
    n = len(whole.parts) // (1 + even)
    off = []
    for i in np.flatnonzero(whole.inner[:n]):
        others = np.arange(len(whole.parts)) != i
        rows = whole.covariance[np.ix_(others, others)]
        told = whole.covariance[i, others] @ np.linalg.solve(rows, whole.parts[others])
        off.append(whole.parts[i] - told)
    assert left_out_error(seen, own) == pytest.approx(np.log(np.mean(np.square(off))))


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), even=st.booleans())
def test_evidence_is_the_likelihood_at_the_best_variance_and_its_slope(seed, even):
    rng = np.random.default_rng(seed)
    seen, own = sights(3, rng), belief(3, rng, even=even, noise=0.05)
    value, slope = evidence(seen, own)
    whole = joint(seen, own)
    n = len(whole.parts)
    square = float((whole.parts.T @ np.linalg.solve(whole.covariance, whole.parts)).item())
    volume = np.linalg.slogdet(whole.covariance)[1]
    assert value == pytest.approx(-0.5 * (n * np.log(square / n) + volume))
    for j in range(D):
        step = np.exp(1e-5 * (np.arange(D) == j))
        ends = [evidence(seen, replace(own, scales=own.scales * step**s))[0] for s in (1, -1)]
        assert slope[j] == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-3, abs=1e-4)


def test_outputs_that_say_nothing_or_the_same_do_not_count():
    rng = np.random.default_rng(1)
    seen, own = sights(2, rng), belief(2, rng)
    value, slope = evidence(seen, own)
    copies = [Sight(s.kept, s.scores * np.array([1.0, -1e6, 0.0]), s.active, s.share) for s in seen]
    units = 0.5 * len(joint(seen, own).parts) * np.log(1e6)
    more, same = evidence(copies, own)
    assert more == pytest.approx(value - units)
    np.testing.assert_allclose(same, slope, rtol=1e-6, atol=1e-9)
    once = left_out_error(seen, own)
    assert left_out_error(copies, own) == pytest.approx(once + np.log(1e6))


def test_features_that_interact_get_large_scales():
    d = 8
    rng = np.random.default_rng(2)
    half = rng.random((60, d)) < 0.5
    kept = paired(half, np.ones(d, dtype=bool))
    signs = np.where(kept, 1.0, -1.0)
    scores = signs[:, 0] * signs[:, 1] * (1 + signs[:, 2]) + signs[:, 3]
    scores -= scores[-1] + kept.mean(axis=1) * (scores[-2] - scores[-1])
    sight = Sight(kept, scores[:, None], np.ones(d, dtype=bool), 1.0)
    alike = np.full((d, 2, 2), 0.3)
    alike[:, [0, 1], [0, 1]] = 1
    start = Belief(alike, np.full(d, 0.5), 0.001)
    found = likely_scales([sight], start)
    assert found.scales[:3].min() > 1.5 * found.scales[5:].max()
    assert evidence([sight], found)[0] > evidence([sight], start)[0]
