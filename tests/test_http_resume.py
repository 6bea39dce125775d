"""A run over HTTP is killed with many requests in flight, and resumed: the server counts."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from servers.faulty import Faulty, Plan, truth

N, BATCH, IN_FLIGHT = 2000, 16, 8
X = np.random.default_rng(5).normal(size=(N, 4))

SCRIPT = """
import sys
import numpy as np
from blackbox_xai.adapters import RecordedModel
from blackbox_xai.adapters.http import HttpModel, Limits

url, path, batch, in_flight, n = *sys.argv[1:3], *map(int, sys.argv[3:])
X = np.random.default_rng(5).normal(size=(n, 4))
limits = Limits(max_parallel=in_flight)
model = HttpModel(url, batch_size=batch, limits=limits, preflight=False, canary_every=0)
print(RecordedModel(model, path, probe=False).predict(X).tobytes().hex())
"""


def run(server, path):
    arguments = [server.url, str(path), str(BATCH), str(IN_FLIGHT), str(N)]
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *arguments], stdout=subprocess.PIPE, text=True
    )


def finished(process):
    said, _ = process.communicate(timeout=600)
    assert process.returncode == 0
    return np.frombuffer(bytes.fromhex(said.strip())).reshape(N, 3)


@pytest.mark.parametrize("answered", [1, 40, 90])
def test_a_killed_run_loses_what_was_in_flight_and_no_more(answered, tmp_path):
    calls, go_on = itertools.count(1), threading.Event()

    def model(rows):
        if next(calls) > answered:
            go_on.wait(300)
        return truth(rows)

    with Faulty(model=model) as server:
        first = run(server, tmp_path / "log")
        while server.requests < answered + IN_FLIGHT:
            assert first.poll() is None
            time.sleep(0.005)
        time.sleep(0.05)  # would more be sent, most of it would be by now
        first.kill()
        first.communicate()
        go_on.set()
        scores = finished(run(server, tmp_path / "log"))
        assert server.rows == N + IN_FLIGHT * BATCH
        np.testing.assert_array_equal(scores, truth(X))
        paid = server.requests
        np.testing.assert_array_equal(finished(run(server, tmp_path / "log")), scores)
        assert server.requests == paid


@pytest.mark.slow
def test_a_fast_server_is_not_ahead_of_the_log(tmp_path):
    """Killed at any moment, while answers come as fast as they can be sent."""
    with Faulty(Plan()) as server:
        for kill_at in (200, 700, 1300):
            running = run(server, tmp_path / "log")
            while server.rows < kill_at and running.poll() is None:
                time.sleep(0.0005)
            running.kill()
            running.communicate()
        scores = finished(run(server, tmp_path / "log"))
        assert server.rows <= N + 3 * IN_FLIGHT * BATCH
    np.testing.assert_array_equal(scores, truth(X))
