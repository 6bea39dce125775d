"""Measured settings: the smallest good batch, and whether threads help."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest

import blackbox_xai as bx
import blackbox_xai.adapters.tuning as tuning_module
from blackbox_xai.errors import InputError

X = np.zeros((600, 2))


class Machine:
    """A model and the machine it runs on, with a clock of their own: no load moves it.

    A call with n rows takes ``cost(n)`` seconds. The threads of a pool work in step; of their
    calls, ``at_once`` are worked on together.
    """

    def __init__(self, cost, *, at_once=2):
        self.cost, self.at_once = cost, at_once
        self.now, self.calls = 0.0, 0
        self.pool(1)

    def pool(self, workers):
        self.rounds = -(-workers // self.at_once)
        self.step = threading.Barrier(workers)
        return ThreadPoolExecutor(workers)

    def __call__(self, batch):
        if self.step.wait(60) == 0:
            self.now += self.rounds * self.cost(len(batch))
            self.calls += self.step.parties
        return batch[:, 0]


@pytest.fixture
def tune(monkeypatch):
    """Tune a machine by its own clock."""

    def tuned(machine, inputs, seconds):
        clock = SimpleNamespace(perf_counter=lambda: machine.now)
        monkeypatch.setattr(tuning_module, "time", clock)
        monkeypatch.setattr(tuning_module, "ThreadPoolExecutor", machine.pool)
        return bx.tune(bx.as_model(machine), inputs, seconds=seconds)

    return tuned


def test_a_model_that_pays_for_each_call_wants_large_batches(tune):
    found = tune(Machine(lambda n: 0.02), X, seconds=0.1)
    assert found.batch_size == 512
    assert found.seconds_per_row == pytest.approx({n: 0.02 / n for n in (1, 8, 64, 512)})
    assert (found.parallel, found.thread_speed_up) == ("threads", pytest.approx(2))


def test_a_model_that_outgrows_the_cache_wants_small_ones(tune):
    assert tune(Machine(lambda n: 0.005 * n**1.5), X[:8], seconds=0.1).batch_size == 1


@pytest.mark.parametrize(("seconds_a_row", "best"), [(1.09, 8), (1.11, 64)])
def test_the_smallest_batch_within_a_tenth_of_the_best_is_taken(tune, seconds_a_row, best):
    a_row = {1: 2.0, 8: seconds_a_row, 64: 1.0, 512: 1.0}
    assert tune(Machine(lambda n: n * a_row[n]), X, seconds=1e6).batch_size == best


def test_a_model_that_lets_one_thread_in_needs_processes(tune):
    found = tune(Machine(lambda n: 0.03, at_once=1), X[:8], seconds=0.1)
    assert (found.parallel, found.thread_speed_up) == ("processes", pytest.approx(1))


def test_a_slow_model_is_asked_no_more_often_than_it_must_be(tune):
    machine = Machine(lambda n: 60.0)
    tune(machine, X, seconds=0.1)
    assert machine.calls == 4 * 2 + 2 + 2  # once to warm up, once measured; two by each pool


def test_what_was_spent_is_booked_and_the_model_is_left_as_it_was():
    rows = []
    model = bx.as_model(lambda batch: (rows.append(len(batch)), batch[:, 0])[1])
    found = bx.tune(model, X, seconds=0.05)
    assert (found.cost.rows, found.cost.calls) == (sum(rows), len(rows))
    assert model.batch_size is None


def test_what_was_found_is_applied_to_a_copy():
    model = bx.as_model(lambda batch: batch[:, 0])
    found = bx.tune(model, X, seconds=0.02)
    tuned = found.apply(model)
    assert (tuned.batch_size, tuned.parallel) == (found.batch_size, found.parallel)
    assert tuned.predict_counted(X)[1].calls == -(-600 // found.batch_size)
    assert (model.batch_size, model.parallel) == (None, "threads")


def test_what_cannot_be_tuned():
    model = bx.as_model(lambda batch: batch[:, 0])
    with pytest.raises(InputError, match="at least one row"):
        bx.tune(model, X[:0])
    with pytest.raises(InputError, match="Tune the model inside"):
        bx.tune(bx.RecordedModel(model), X)
    with pytest.raises(InputError, match="seconds must be a number above 0"):
        bx.tune(model, X, seconds=0)
