"""Recorded models: equal rows once, nothing paid for twice, nothing wrong after a fault."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
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
from recording import Killed, Paid, X, recorded, truth
from servers import faulty

from blackbox_xai.adapters import CallableModel, RecordedModel
from blackbox_xai.adapters.http import HttpModel
from blackbox_xai.adapters.recorded.keys import row_keys
from blackbox_xai.adapters.recorded.log import PredictionLog
from blackbox_xai.errors import InputError, PredictError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.sqlite"


# --- equal rows ----------------------------------------------------------------------------------


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


# --- models that are not deterministic -----------------------------------------------------------


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


# --- servers -------------------------------------------------------------------------------------


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


# --- any order of sends, faults, crashes and resumes ---------------------------------------------


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
