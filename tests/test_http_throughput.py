"""Many inputs through one slow server: coalitions share batches and the server is kept busy."""

from __future__ import annotations

import gc
import resource
import time

import numpy as np
import pytest
from servers.faulty import Faulty, Plan, truth

import blackbox_xai as bx
from blackbox_xai.adapters.http import HttpModel, Limits
from blackbox_xai.errors import AnswerError

X = np.random.default_rng(0).normal(size=(400, 4))
PAUSE = 0.05


@pytest.mark.slow
def test_explaining_many_inputs_keeps_the_server_busy():
    masker = bx.TabularMasker(X[200:216])
    with Faulty(Plan(delay=PAUSE)) as server:
        limits = Limits(max_parallel=16)
        model = HttpModel(server.url, scale="probability", batch_size=16, limits=limits)
        model.predict(X[:256])
        before, began = server.requests, time.monotonic()
        bx.ExactShapley().explain_many(model, X[:200], masker)
        seconds, requests = time.monotonic() - began, server.requests - before
    # The server shares this process, so the bound is loose; a benchmark measures the real one.
    assert requests / seconds >= 0.75 * 16 / PAUSE


def test_a_bomb_costs_no_memory():
    with Faulty(Plan(faults={"bomb": 1.0})) as server:
        limits = Limits(retries=1, answer_bytes=1 << 20)
        model = HttpModel(server.url, preflight=False, limits=limits)
        model.probe()
        gc.collect()
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(AnswerError, match="longer than the 1048576 bytes allowed"):
            model.predict(X[:4])
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    assert grown <= (1 << 20) + (16 << 20)


def test_overhead_of_one_call_is_small():
    with Faulty(Plan(delay=PAUSE)) as server:
        model = HttpModel(server.url, batch_size=16, preflight=False)
        model.predict(X[:16])
        began = time.monotonic()
        for _ in range(10):
            np.testing.assert_array_equal(model.predict(X[:16]), truth(X[:16]))
        assert time.monotonic() - began <= 10 * PAUSE * 1.1 + 0.2
