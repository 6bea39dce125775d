"""Measured settings: the smallest good batch, and whether threads help."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

import blackbox_xai as bx
from blackbox_xai.errors import InputError

X = np.zeros((600, 2))


def test_a_model_that_pays_for_each_call_wants_large_batches():
    def model(batch):
        time.sleep(0.02)
        return batch[:, 0]

    found = bx.tune(bx.as_model(model), X, seconds=0.1)
    assert found.batch_size == 512
    assert sorted(found.seconds_per_row) == [1, 8, 64, 512]
    assert found.parallel == "threads"  # it sleeps: two threads sleep at once
    assert found.thread_speed_up > 1.2


def test_a_model_that_outgrows_the_cache_wants_small_ones():
    def model(batch):
        time.sleep(0.005 * len(batch) ** 1.5)
        return batch[:, 0]

    assert bx.tune(bx.as_model(model), X[:8], seconds=0.1).batch_size == 1


def test_a_model_that_lets_one_thread_in_needs_processes():
    lock = threading.Lock()

    def model(batch):
        with lock:
            time.sleep(0.03)
        return batch[:, 0]

    found = bx.tune(bx.as_model(model), X[:8], seconds=0.1)
    assert found.parallel == "processes"
    assert 0.7 < found.thread_speed_up < 1.2


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
