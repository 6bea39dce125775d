"""Recorded models: equal rows once, nothing paid for twice, nothing wrong after a fault."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import time
import tracemalloc
from collections import Counter
from contextlib import closing
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from servers import faulty

import blackbox_xai as bx
from blackbox_xai.adapters import CallableModel, RecordedModel
from blackbox_xai.adapters.http import HttpModel
from blackbox_xai.adapters.recorded.keys import row_keys
from blackbox_xai.adapters.recorded.log import PredictionLog
from blackbox_xai.errors import InputError, LogError, PredictError

X = np.random.default_rng(0).normal(size=(200, 4))


def truth(rows):
    rows = np.asarray(rows, float)
    weighted = rows * [1.0, 2.0, 3.0, 4.0]  # no matrix product: its last bits go with the batch
    return np.c_[weighted[:, 0] + weighted[:, 1] + weighted[:, 2] + weighted[:, 3], rows[:, 0] / 3]


class Paid:
    """Counts how often each row is paid for."""

    def __init__(self):
        self.rows = Counter()
        self.calls = 0
        self.poison = set()
        self.die_after = None

    def __call__(self, batch):
        if self.die_after is not None:
            if self.die_after == 0:
                raise Killed
            self.die_after -= 1
        self.calls += 1
        self.rows.update(map(bytes, np.ascontiguousarray(batch)))
        if any(row[0] in self.poison for row in batch):
            raise ValueError("poisoned")
        return truth(batch)

    @property
    def total(self):
        return sum(self.rows.values())


class Killed(BaseException):
    """Ends a call as the end of the process would: nothing of ours runs on it."""


def recorded(paid, path=None, batch_size=16, **settings):
    settings.setdefault("probe", False)
    model = CallableModel(paid, batch_size=batch_size)
    return RecordedModel(model, path, fingerprint="v1", **settings)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.sqlite"


# --- equal rows -----------------------------------------------------------------------------


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(1, 9))
def test_equal_rows_are_paid_once_and_scores_do_not_move(numbers, size):
    paid = Paid()
    scores, cost = recorded(paid, batch_size=size).predict_counted(X[numbers])
    np.testing.assert_array_equal(scores, truth(X[numbers]))
    assert cost.rows == paid.total == len(set(numbers))
    assert cost.cache_hits == len(numbers) - len(set(numbers))
    assert cost.calls == paid.calls


def test_a_second_call_pays_only_for_new_rows():
    paid = Paid()
    model = recorded(paid)
    model.predict(X[:50])
    scores, cost = model.predict_counted(X[25:75])
    np.testing.assert_array_equal(scores, truth(X[25:75]))
    assert (cost.rows, cost.cache_hits, paid.total) == (25, 25, 75)


def test_scores_are_the_callers_own():
    model = recorded(Paid())
    model.predict(X)[:] = 0
    np.testing.assert_array_equal(model.predict(X), truth(X))


def test_a_small_memory_forgets_the_oldest_rows():
    paid = Paid()
    model = recorded(paid, memory_rows=10)
    model.predict(X[:20])
    assert model.predict_counted(X[10:20])[1].rows == 0
    assert model.predict_counted(X[:10])[1].rows == 10
    np.testing.assert_array_equal(model.predict(X), truth(X))


SAME = {
    "minus zero": (np.array([[0.0, 1.0]]), np.array([[-0.0, 1.0]])),
    "order of memory": (np.ones((1, 3)), np.asfortranarray(np.ones((1, 3)))),
    "texts": (["a b"], ("a b",)),
    "object floats": (np.array([[0.0, "a"]], object), np.array([[-0.0, "a"]], object)),
}
DIFFERENT = {
    "value": (np.array([[1.0]]), np.array([[np.nextafter(1.0, 2.0)]])),
    "dtype": (np.array([[1.0]]), np.array([[1]])),
    "text and number": (np.array([["1"]], object), np.array([[1]], object)),
    "number types": (np.array([[1]], object), np.array([[1.0]], object)),
    "true and one": (np.array([[True]], object), np.array([[1]], object)),
    "none and text": (np.array([[None]], object), np.array([["None"]], object)),
    "cut of texts": (np.array([["as", "b"]], object), np.array([["a", "sb"]], object)),
    "shape of image": ([np.zeros((2, 3))], [np.zeros((3, 2))]),
    "names": (pd.DataFrame({"a": [1.0]}), pd.DataFrame({"b": [1.0]})),
    "order of columns": (
        pd.DataFrame({"a": [1.0], "b": [2.0]}),
        pd.DataFrame({"b": [2.0], "a": [1.0]}),
    ),
    "category": (pd.DataFrame({"c": ["x"]}), pd.DataFrame({"c": ["y"]})),
    "dates": (
        pd.DataFrame({"t": pd.to_datetime(["2020-01-01"])}),
        pd.DataFrame({"t": pd.to_datetime(["2020-01-02"])}),
    ),
    "surrogates": (["\ud800"], ["\ud801"]),
    "empty texts": (["", "a"][:1], [" "]),
    "big numbers": (np.array([[2**53]]), np.array([[2**53 + 1]])),
}


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
def test_rows_of_equal_content_have_equal_keys(pair):
    assert row_keys(pair[0]) == row_keys(pair[1])


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT)
def test_rows_that_a_model_can_tell_apart_have_different_keys(pair):
    assert row_keys(pair[0])[0] != row_keys(pair[1])[0]


@given(
    arrays(np.float64, (7, 3), elements=st.sampled_from([0.0, -0.0, 1.0, np.nan, np.inf, 5e-324]))
)
def test_keys_are_equal_exactly_where_rows_are(rows):
    keys = row_keys(rows)
    for i in range(7):
        for j in range(7):
            assert (keys[i] == keys[j]) == np.array_equal(rows[i], rows[j], equal_nan=True)


def test_keys_do_not_depend_on_the_batch():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": ["x", None, "z"], "c": [1, 2, 3]})
    for inputs in (X, frame, pl.from_pandas(frame), ["a", "b", "c"], list(np.zeros((3, 2, 2)))):
        keys = row_keys(inputs)
        assert row_keys(inputs[1:2])[0] == keys[1]
        assert all(len(key) == 16 for key in keys)


def test_keys_of_many_rows_take_little_memory():
    rows = np.random.default_rng(0).normal(size=(100_000, 30))
    tracemalloc.start()
    keys = row_keys(rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(set(keys)) == len(rows)
    assert keys[77_777] == row_keys(rows[77_777:77_778])[0]
    assert peak < 30e6  # the rows are 24 MB; the keys themselves 6


def test_sparse_rows_are_known_by_their_entries():
    sparse = pytest.importorskip("scipy.sparse")
    rows = sparse.csr_matrix(np.array([[0.0, 1.0], [0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]))
    rows.data[3] = 0.0  # a stored zero: the row is empty
    keys = row_keys(rows)
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3
    assert row_keys(sparse.csr_matrix((1, 2))) == keys[3:]


def test_other_values_with_content_and_without():
    rows = [{"a": 1, "b": [datetime(2020, 1, 1), b"x", pd.NaT, pd.NA]}, {"a": 1, "b": []}]
    assert len(set(row_keys(rows))) == 2
    with pytest.raises(InputError, match="of type function, whose content cannot be compared"):
        row_keys([lambda: 0])


@pytest.mark.parametrize("form", ["pandas", "polars", "sparse", "list", "object", "texts"])
def test_every_container_is_sent_in_its_own_form(form):
    sparse = pytest.importorskip("scipy.sparse")
    forms = {
        "pandas": pd.DataFrame(X),
        "polars": pl.DataFrame(X),
        "sparse": sparse.csc_matrix(X),
        "list": list(X),
        "object": X.astype(object),
        "texts": [str(v) for v in X[:, 0]],
    }
    seen = []

    def model(batch):
        seen.append(batch)
        if form == "texts":
            return np.array([float(text) for text in batch])
        dense = batch.toarray() if form == "sparse" else np.asarray(batch, float)
        return dense[:, 0]

    kept = RecordedModel(CallableModel(model, batch_size=16), probe=False)
    np.testing.assert_array_equal(kept.predict(forms[form])[:, 0], X[:, 0])
    shuffled = np.random.default_rng(1).permutation(200)[:60]
    taken = {"pandas": lambda f: f.iloc[shuffled], "list": lambda f: [f[i] for i in shuffled]}
    taken["texts"] = taken["list"]
    again = taken.get(form, lambda f: f[shuffled])(
        forms[form] if form != "sparse" else forms[form].tocsr()
    )
    assert kept.predict_counted(again)[1].rows == 0
    if form in ("pandas", "polars"):
        assert all(type(batch) is type(forms[form]) for batch in seen)


# --- the log --------------------------------------------------------------------------------


def test_a_log_answers_a_later_run_with_the_same_bits(path):
    paid = Paid()
    scores = recorded(paid, path).predict(X)
    later = Paid()
    again, cost = recorded(later, path).predict_counted(X)
    np.testing.assert_array_equal(again, scores)
    assert (cost.rows, cost.calls, cost.cache_hits, later.total) == (0, 0, 200, 0)


def test_the_log_is_private_and_holds_neither_inputs_nor_names(path):
    rows = X.copy()
    rows[:, 1] = 1234.56789
    recorded(Paid(), path, batch_size=200).predict(rows)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert np.float64(1234.56789).tobytes() not in content
    assert truth(rows)[:1].tobytes() in content
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_open_file_is_made_private(path):
    path.touch(0o644)
    path.chmod(0o644)
    recorded(Paid(), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_log_of_another_model_is_refused(path):
    recorded(Paid(), path).predict(X)
    with pytest.raises(LogError, match=r"holds the scores of another model.*'v1', this model 'v2'"):
        RecordedModel(CallableModel(Paid()), path, fingerprint="v2")


def test_models_that_can_tell_what_they_are_need_no_name(path):
    from sklearn.linear_model import LinearRegression

    fitted = LinearRegression().fit(X, X[:, 0])
    RecordedModel(bx.as_model(fitted), path).predict(X)
    assert RecordedModel(bx.as_model(fitted), path).predict_counted(X)[1].rows == 0
    other = LinearRegression().fit(X, X[:, 1])
    with pytest.raises(LogError, match="another model"):
        RecordedModel(bx.as_model(other), path)
    with pytest.raises(InputError, match="fingerprint must be given: a CallableModel cannot tell"):
        RecordedModel(CallableModel(Paid()), path)


def test_a_newer_format_is_refused(path):
    recorded(Paid(), path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = '7' WHERE name = 'schema'")
    with pytest.raises(
        LogError, match="has format '7'; this version of the library reads format 1"
    ):
        recorded(Paid(), path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p.write_bytes(b"some other file" * 100), "is damaged or no prediction log"),
        (lambda p: p.mkdir(), "cannot be opened: Is a directory"),
        (lambda p: p.symlink_to(p.parent / "elsewhere"), "cannot be opened"),
    ],
)
def test_what_is_no_log_is_refused_and_left_alone(path, make, message):
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(LogError, match=message):
        recorded(Paid(), path)
    assert before is None or path.read_bytes() == before


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(LogError, match="cannot be opened: No such file or directory"):
        recorded(Paid(), tmp_path / "absent" / "log.sqlite")


@pytest.mark.parametrize(
    ("pragma", "message"),
    [
        ("max_page_count = 8", "the disk is full. What was answered is kept in memory"),
        ("query_only = 1", "it is read-only"),
    ],
)
def test_a_log_that_cannot_grow_says_so_and_what_was_paid_is_kept(path, pragma, message):
    paid = Paid()
    model = recorded(paid, path, batch_size=100)
    model._log._connection.execute(f"PRAGMA {pragma}")
    rows = np.random.default_rng(3).normal(size=(2000, 4))
    with pytest.raises(LogError, match=message) as caught:
        model.predict(rows)
    answered = sum(part is not None for part in caught.value.partial)
    assert answered == paid.total > 0
    model._log.close()  # there is room again: the file is opened anew
    scores = model.predict(rows)
    np.testing.assert_array_equal(scores, truth(rows))
    assert paid.total == 2000


def test_a_damaged_log_never_gives_a_wrong_score(path, tmp_path):
    model = recorded(Paid(), path, batch_size=200)
    model.predict(X)
    model.close()
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    outcomes = Counter()
    for i in range(60):
        hurt = tmp_path / f"hurt{i}.sqlite"
        broken = bytearray(content)
        start = int(rng.integers(0, len(content) - 64))
        broken[start : start + 64] = rng.bytes(64)
        hurt.write_bytes(broken if i % 3 else content[:start])
        try:
            scores = recorded(Paid(), hurt).predict(X)
        except LogError as error:
            words = str(error)
            outcomes[
                "refused" if "Move the file away" in words or "cannot be" in words else words
            ] += 1
        else:
            np.testing.assert_array_equal(scores, truth(X))
            outcomes["right"] += 1
    assert outcomes["refused"] >= 20
    assert set(outcomes) <= {"refused", "right"}


def test_a_changed_score_is_seen(path):
    model = recorded(Paid(), path)
    model.predict(X)
    model.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE scores SET scores = zeroblob(20)")
    with pytest.raises(LogError, match=r"does not match its checksum\. Move the file away"):
        recorded(Paid(), path).predict(X)


def test_damaged_notes_are_seen(path):
    model = recorded(Paid(), path)
    model.predict(X)
    model.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = '[' WHERE name = 'model'")
    with pytest.raises(LogError, match="is damaged: its notes cannot be read"):
        recorded(Paid(), path)


def test_a_torn_write_ahead_log_costs_only_what_was_torn(path, tmp_path):
    paid = Paid()
    model = recorded(paid, path, batch_size=20)
    model.predict(X)
    for cut in (0, 100, 5000, 20_000):
        copy = tmp_path / f"cut{cut}"
        copy.mkdir()
        for file in (path, Path(f"{path}-wal")):
            shutil.copy(file, copy / file.name)
        wal = copy / f"{path.name}-wal"
        wal.write_bytes(wal.read_bytes()[: -cut or None])
        later = Paid()
        scores, cost = recorded(later, copy / path.name).predict_counted(X)
        np.testing.assert_array_equal(scores, truth(X))
        assert cost.rows == later.total <= 200
        if cut == 0:
            assert later.total == 0


SCRIPT = """
import itertools, sys, time
import numpy as np
from blackbox_xai.adapters import CallableModel, RecordedModel

path, paid, stop_at = sys.argv[1], open(sys.argv[2], "ab", buffering=0), int(sys.argv[3])
X = np.random.default_rng(0).normal(size=(200, 4))
calls = itertools.count(1)

def model(batch):
    paid.write(np.ascontiguousarray(batch).tobytes())
    if next(calls) == stop_at:
        time.sleep(60)  # paid for, and never answered
    return batch.sum(axis=1) / 3

kept = RecordedModel(CallableModel(model, batch_size=5), path, fingerprint="v1", probe=False)
print(kept.predict(X).tobytes().hex())
"""


def run(path, counted, stop_at=0, **options):
    arguments = [sys.executable, "-c", SCRIPT, str(path), str(counted), str(stop_at)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, **options)


def test_a_killed_run_pays_again_only_for_what_was_in_flight(path, tmp_path):
    counted = tmp_path / "paid"
    counted.touch()
    first = run(path, counted, stop_at=12)
    while counted.stat().st_size < 32 * 60:
        time.sleep(0.005)
        assert first.poll() is None
    first.send_signal(signal.SIGKILL)
    first.communicate()
    second = run(path, counted)
    answer = second.communicate(timeout=600)[0].strip()
    paid = counted.stat().st_size // 32
    assert paid == 200 + 5  # the batch that was in flight is paid twice, and no other
    np.testing.assert_array_equal(np.frombuffer(bytes.fromhex(answer)), X.sum(axis=1) / 3)
    third = run(path, counted)
    assert third.communicate(timeout=600)[0].strip() == answer
    assert counted.stat().st_size // 32 == paid


def test_two_processes_may_share_a_log(path, tmp_path):
    counted = tmp_path / "paid"
    runs = [run(path, counted) for _ in range(2)]
    answers = {one.communicate(timeout=600)[0].strip() for one in runs}
    assert [one.returncode for one in runs] == [0, 0]
    assert len(answers) == 1
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute("SELECT count(*) FROM scores").fetchone() == (200,)


def test_a_log_that_another_process_is_making_is_waited_for(path, monkeypatch):
    """Sqlite itself does not wait when the journal mode changes."""
    waits = []
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        def pause(seconds):
            waits.append(seconds)
            if len(waits) == 3:
                other.execute("COMMIT")

        monkeypatch.setattr(time, "sleep", pause)
        model = recorded(Paid(), path)
        np.testing.assert_array_equal(model.predict(X), truth(X))
    assert len(waits) == 3


# --- threads, copies, errors ----------------------------------------------------------------


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


# --- models that are not deterministic ------------------------------------------------------


def test_the_probe_costs_one_row_once(path):
    paid = Paid()
    model = recorded(paid, path, probe=True)
    cost = model.predict_counted(X)[1]
    assert (cost.rows, cost.cache_hits) == (201, 0)
    assert paid.total == 201
    assert model.predict_counted(X + 1)[1].rows == 200
    later = Paid()
    assert recorded(later, path, probe=True).predict_counted(X + 2)[1].rows == 200
    assert model.deterministic is True


def test_a_model_that_is_not_deterministic_is_not_recorded(path):
    rng = np.random.default_rng(0)
    sizes = []

    def noisy(batch):
        sizes.append(len(batch))
        return batch[:, 0] + rng.normal(size=len(batch))

    model = recorded(noisy, path, probe=True)
    with pytest.warns(UserWarning, match="answered the same row in two ways"):
        model.predict(X)
    assert model.deterministic is False
    first, cost = model.predict_counted(np.repeat(X[:1], 5, axis=0))
    assert cost.rows == 5
    assert len(np.unique(first)) == 5
    with pytest.warns(UserWarning, match="in two ways"):
        later = recorded(noisy, path, probe=True)
    assert later.predict_counted(X)[1].rows == 200
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute("SELECT count(*) FROM scores").fetchone() == (0,)


def test_a_model_that_knows_it_is_asked_no_further():
    paid = Paid()
    inner = CallableModel(paid)
    inner.deterministic = True
    assert RecordedModel(inner).predict_counted(X)[1].rows == 200
    inner.deterministic = False
    with pytest.warns(UserWarning, match="in two ways"):
        RecordedModel(inner).predict(X)


# --- servers --------------------------------------------------------------------------------


def test_a_server_is_paid_once_and_a_later_run_sends_nothing(path):
    with faulty.Faulty() as server:
        model = RecordedModel(HttpModel(server.url, batch_size=16), path)
        scores, cost = model.predict_counted(np.repeat(X, 2, axis=0))
        np.testing.assert_array_equal(scores[::2], faulty.truth(X))
        assert cost.rows == server.rows <= 200 + 8  # the preflight, and no probe of ours
        assert cost.cache_hits == 200
        asked = server.requests
        later = RecordedModel(HttpModel(server.url, batch_size=16), path)
        np.testing.assert_array_equal(later.predict(X), faulty.truth(X))
        assert server.requests == asked


def test_what_a_failing_server_answered_is_kept(path):
    bad = X.copy()
    bad[57, 0] = 666.0
    with faulty.Faulty(faulty.Plan(poison=(tuple(bad[57]),))) as server:
        model = RecordedModel(HttpModel(server.url, batch_size=16, preflight=False), path)
        with pytest.raises(PredictError) as caught:
            model.predict(np.vstack([X[:2], X[:2], bad]))
        assert caught.value.rows == (61,)
        assert sum(part is None for part in caught.value.partial) == 1
        before = server.rows
        np.testing.assert_array_equal(
            model.predict(np.delete(bad, 57, axis=0)), faulty.truth(np.delete(bad, 57, axis=0))
        )
        assert server.rows == before


# --- any order of sends, faults, crashes and resumes ----------------------------------------


class Runs(RuleBasedStateMachine):
    """Two runs on one log that send, fail, die and come back; the books must agree."""

    runs = Bundle("runs")

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp())
        self.paid = Paid()
        self.in_flight = Counter()
        self.models = [None, None]
        self.known = set()

    def teardown(self):
        shutil.rmtree(self.folder)

    def model(self, which, size):
        if self.models[which] is None or self.models[which].rows_per_batch(0) != size:
            self.models[which] = recorded(self.paid, self.folder / "log", batch_size=size)
        return self.models[which]

    @rule(
        which=st.integers(0, 1),
        rows=st.lists(st.integers(0, 30), min_size=1, max_size=30),
        size=st.integers(1, 7),
    )
    def send(self, which, rows, size):
        before = self.paid.total
        clean = not any(X[i, 0] in self.paid.poison for i in set(rows) - self.known)
        try:
            scores, cost = self.model(which, size).predict_counted(X[rows])
        except PredictError as error:
            assert not clean
            self.note_failure(error, rows, before)
            return
        assert clean
        np.testing.assert_array_equal(scores, truth(X[rows]))
        assert cost.rows == len(set(rows) - self.known) == self.paid.total - before
        assert cost.rows + cost.cache_hits == len(rows)
        self.known |= set(rows)

    def note_failure(self, error, rows, before):
        """Only the poisoned row is named; what was answered stays; the search is booked."""
        assert {X[rows[i], 0] for i in error.rows} <= self.paid.poison
        assert len({rows[i] for i in error.rows}) == 1
        assert error.cost.rows == self.paid.total - before
        for i, part in zip(rows, error.partial, strict=True):
            if part is not None:
                np.testing.assert_array_equal(part, truth(X[i : i + 1])[0])
                self.known.add(i)
        self.excuse()

    def excuse(self):
        """Rows that were asked but not answered may be asked again."""
        for i in range(31):
            if i not in self.known:
                self.in_flight[i] = self.paid.rows[X[i].tobytes()]

    @rule(
        which=st.integers(0, 1),
        rows=st.lists(st.integers(0, 30), min_size=1, max_size=30),
        size=st.integers(1, 7),
        after=st.integers(0, 3),
    )
    def die(self, which, rows, size, after):
        """The process ends in the middle of a call, before batch number ``after`` is answered."""
        model = self.model(which, size)
        if any(X[i, 0] in self.paid.poison for i in rows):
            return
        new = list(dict.fromkeys(i for i in rows if i not in self.known))
        self.paid.die_after = after
        try:
            model.predict(X[rows])
        except Killed:
            self.known |= set(new[: after * size])
            self.models[which] = None
        else:
            self.known |= set(new)
        self.paid.die_after = None

    @rule(row=st.integers(0, 30))
    def poison(self, row):
        self.paid.poison = {X[row, 0]}

    @rule()
    def heal(self):
        self.paid.poison = set()

    @rule()
    def both_end(self):
        self.models = [None, None]

    @invariant()
    def nothing_answered_is_paid_again(self):
        for i in self.known:
            assert self.paid.rows[X[i].tobytes()] <= 1 + self.in_flight[i]


Runs.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
TestRuns = Runs.TestCase


def test_the_file_is_closed_with_the_last_user(tmp_path):
    log = PredictionLog(tmp_path / "log.sqlite", "one")
    connection = log._connection
    assert connection is not None
    assert connection.execute("SELECT 1").fetchone() == (1,)
    del log
    with pytest.raises(sqlite3.ProgrammingError, match="closed database"):
        connection.execute("SELECT 1")
