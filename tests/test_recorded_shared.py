"""Recorded models in several threads, copied, and when the model fails."""

from __future__ import annotations

import os
import pickle
import threading
import time

import numpy as np
import pytest
from recording import Killed, Paid, X, recorded, truth

import blackbox_xai as bx
from blackbox_xai.adapters import CallableModel, RecordedModel
from blackbox_xai.errors import InputError, PredictError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.sqlite"


def test_threads_that_want_the_same_rows_pay_once(path):
    paid, together = Paid(), threading.Barrier(8)

    def slow(batch):
        time.sleep(0.002)
        return paid(batch)

    model = recorded(slow, path, batch_size=10)
    found = [None] * 8
    costs = [None] * 8

    def work(i):
        rows = np.roll(X, 25 * i, axis=0)
        together.wait(600)
        scores, costs[i] = model.predict_counted(rows)
        found[i] = np.array_equal(scores, truth(rows))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(600)
    assert found == [True] * 8
    assert paid.total == 200 == sum(cost.rows for cost in costs)
    assert sum(cost.cache_hits for cost in costs) == 7 * 200


def test_a_thread_that_fails_leaves_its_rows_to_the_others(monkeypatch):
    started, awaited, calls = threading.Event(), threading.Event(), []

    def model(batch):
        calls.append(len(batch))
        if len(calls) == 1:
            started.set()
            assert awaited.wait(600)
            raise Killed
        return truth(batch)

    kept = RecordedModel(CallableModel(model), probe=False)
    wait = kept._memory.wait

    def noted_wait(keys):
        awaited.set()
        wait(keys)

    monkeypatch.setattr(kept._memory, "wait", noted_wait)

    def first():
        with pytest.raises(Killed):
            kept.predict(X)

    thread = threading.Thread(target=first)
    thread.start()
    started.wait()
    np.testing.assert_array_equal(kept.predict(X), truth(X))
    thread.join()


@pytest.mark.parametrize("rows", [X, np.repeat(X, 2, axis=0), np.vstack([X[:30], X])])
def test_the_failing_row_is_named_by_its_place_in_the_inputs(rows):
    paid = Paid()
    model = recorded(paid)
    model.predict(X[:20])
    paid.poison = {X[57, 0]}
    places = np.flatnonzero(rows[:, 0] == X[57, 0])
    with pytest.raises(PredictError) as caught:
        model.predict(rows)
    assert caught.value.rows == tuple(places)
    assert f"Row {places[0]} of the inputs" in str(caught.value) or len(rows) == 200
    before = paid.total
    paid.poison = set()
    np.testing.assert_array_equal(model.predict(rows), truth(rows))
    known = sum(part is not None for part in caught.value.partial)
    assert known > 0
    assert paid.total - before <= 200 - len({r.tobytes() for r in rows[: places[0]]}) + 32


def test_an_input_that_cannot_be_sent_is_named_by_its_place():
    import onnx_models as om

    model = RecordedModel(bx.OnnxModel(om.linear(np.ones((4, 1)))), probe=False)
    model.predict(X[:100])
    rows = X.copy()
    rows[150, 2] = np.nan
    with pytest.raises(InputError, match="inputs row 150, column 2: expected a finite float32"):
        model.predict(rows)


def test_a_copy_starts_empty_but_reads_the_log(path):
    paid = Paid()
    model = recorded(paid, path)
    model.predict(X)
    copy = pickle.loads(pickle.dumps(model))
    scores, cost = copy.predict_counted(X)
    np.testing.assert_array_equal(scores, truth(X))
    assert cost.rows == 0


@pytest.mark.filterwarnings("ignore:This process .*multi-threaded:DeprecationWarning")
def test_a_forked_process_opens_the_log_itself(path):
    model = recorded(Paid(), path)
    model.predict(X)
    opened = model._log._connection
    child = os.fork()
    if child == 0:
        try:
            right = np.array_equal(model.predict(X + 1), truth(X + 1))
            os._exit(0 if right and model._log._connection is not opened else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert model.predict_counted(X + 1)[1].rows == 0


@pytest.mark.parametrize("probe", [True, False])
def test_what_the_model_tells_is_taken_over_also_from_the_log(path, probe):
    import onnx_models as om

    content = om.zipmap(np.ones((4, 2)), ["no", "yes"])
    model = RecordedModel(bx.OnnxModel(content), path)
    model.predict(X)
    other = path.with_name("other")
    late = RecordedModel(bx.OnnxModel(om.linear(np.eye(4))), other, probe=probe)
    rows = np.eye(4)
    late.predict(rows)
    again = RecordedModel(bx.OnnxModel(om.linear(np.eye(4))), other, probe=probe)
    assert again.predict_counted(rows)[1].rows == 0
    assert late.scale == again.scale == "probability"
    assert model.output_names == ("no", "yes")
    assert bx.as_model(model) is model


def test_no_rows_and_settings():
    model = recorded(Paid())
    with pytest.raises(InputError, match="at least one row"):
        model.predict(X[:0])
    with pytest.raises(InputError, match="model must be an adapter, got function"):
        RecordedModel(lambda batch: batch)
    with pytest.raises(InputError, match="memory_rows must be at least 1"):
        recorded(Paid(), memory_rows=0)
