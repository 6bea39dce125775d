"""Many inputs through one slow server: coalitions share batches and the server is kept busy."""

from __future__ import annotations

import threading
import time
import tracemalloc

import numpy as np
import pytest
from servers.faulty import Faulty, Plan, truth

import blackbox_xai as bx
from blackbox_xai.adapters.http import HttpModel, Limits
from blackbox_xai.errors import AnswerError

X = np.random.default_rng(0).normal(size=(400, 4))
PAUSE = 0.05


class Busy:
    """The model of a slow server; ``most`` is how many batches it had at once."""

    def __init__(self):
        self.now = self.most = 0
        self.lock = threading.Lock()

    def __call__(self, rows):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(PAUSE)
        with self.lock:
            self.now -= 1
        return truth(rows)


@pytest.mark.slow
def test_explaining_many_inputs_keeps_the_server_busy():
    # By counts, which hold on any machine: every place is taken, and batches are full although
    # one input alone would leave most of them short. A benchmark measures the rate.
    masker, busy = bx.TabularMasker(X[200:216]), Busy()
    with Faulty(Plan(), model=busy) as server:
        limits = Limits(max_parallel=16)
        model = HttpModel(server.url, scale="probability", batch_size=64, limits=limits)
        model.predict(X[:256])
        requests, rows = server.requests, server.rows
        bx.ExactShapley().explain_many(model, X[:200], masker)
        requests, rows = server.requests - requests, server.rows - rows
    assert busy.most == 16
    assert requests <= 1.02 * rows / 64


def test_a_bomb_costs_no_memory():
    with Faulty(Plan(faults={"bomb": 1.0})) as server:
        limits = Limits(retries=1, answer_bytes=1 << 20)
        model = HttpModel(server.url, preflight=False, limits=limits)
        model.probe()
        tracemalloc.start()
        try:
            with pytest.raises(AnswerError, match="longer than the 1048576 bytes allowed"):
                model.predict(X[:4])
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert most <= (1 << 20) + (4 << 20)  # of 20 MB


def test_overhead_of_one_call_is_small(monkeypatch):
    # Nobody waits until it is time to look again: that would now take a minute. The rest is the
    # processor's time, of the server too, which a busy machine does not change much.
    monkeypatch.setattr("blackbox_xai.adapters.http.run._LOOK_SECONDS", 60.0)
    with Faulty(Plan(delay=PAUSE)) as server:
        model = HttpModel(server.url, batch_size=16, preflight=False)
        model.predict(X[:16])
        began, seconds = time.monotonic(), []
        for _ in range(10):
            used = time.process_time()
            np.testing.assert_array_equal(model.predict(X[:16]), truth(X[:16]))
            seconds.append(time.process_time() - used)
        assert time.monotonic() - began < 60
    assert min(seconds) <= 0.1 * PAUSE + 0.01
