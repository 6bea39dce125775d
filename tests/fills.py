"""Fills with random scores, and beliefs of the process that they are taken for."""

from __future__ import annotations

import numpy as np

from blackbox_xai.solvers.product_kernel import Sight
from blackbox_xai.solvers.shared_process import Belief

D = 4


def paired(half, active):
    """Coalitions, their complements, all and nothing."""
    whole = np.ones((1, len(active)), dtype=bool)
    return np.vstack([half, ~half | ~active, whole, ~whole | ~active])


def sights(f, rng, p=3):
    """Fills with random pairs, of which the last feature of the first does not vary."""
    active = np.ones((f, D), dtype=bool)
    active[0, -1] = False
    made = []
    for own, share in zip(active, rng.dirichlet(np.ones(f)), strict=True):
        kept = paired((rng.random((p, D)) < 0.5) | ~own, own)
        scores = np.vstack([rng.normal(size=(2 * p, 1)), np.zeros((2, 1))])
        made.append(Sight(kept, scores, own, float(share)))
    return made


def closeness(f, rng):
    """Closeness of values ``(D, 1 + f)``, that of ``x`` and of the fill without change equal."""
    values = rng.random((D, 1 + f))
    values[-1, 1] = values[-1, 0]
    return np.exp(-np.abs(values[:, :, None] - values[:, None, :]))


def belief(f, rng, *, even=True, noise=0.005):
    return Belief(closeness(f, rng), rng.uniform(0.1, 2, D), noise, even)
