"""A model behind a server: right scores, books that agree, inputs that cannot be sent."""

from __future__ import annotations

import gzip
import json
import threading
import time
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from servers.faulty import Faulty, Plan, Refused, split_body, truth

import blackbox_xai as bx
import blackbox_xai.adapters.http.gate as gate_module
import blackbox_xai.adapters.http.sizes as sizes_module
from blackbox_xai.adapters.http import CustomJson, HttpModel, Limits, OpenInference, probe
from blackbox_xai.adapters.http.codecs.tensors import Tensor
from blackbox_xai.adapters.http.faults import Fault, Reply, Verdict
from blackbox_xai.adapters.http.gate import Gate
from blackbox_xai.adapters.http.pieces import Piece
from blackbox_xai.adapters.http.policy import decide
from blackbox_xai.adapters.http.retry import RetryBudget, retry_after
from blackbox_xai.adapters.http.rows import as_rows
from blackbox_xai.adapters.http.sizes import BatchSize
from blackbox_xai.errors import InputError, PredictError

X = np.random.default_rng(0).normal(size=(200, 4))


def test_scores_are_those_of_the_model():
    with Faulty() as server:
        model = HttpModel(server.url, batch_size=16)
        scores, cost = model.predict_counted(X)
    np.testing.assert_array_equal(scores, truth(X))
    assert (cost.calls, cost.rows) == (server.requests, server.rows)
    assert cost.rows == len(X) + 7  # the preflight


@pytest.mark.parametrize(
    "protocol",
    [
        OpenInference(output="scores"),
        OpenInference(output="scores", binary=True),
        CustomJson(request={"input": "$rows"}, answer="output"),
    ],
    ids=["json", "binary", "custom"],
)
def test_protocols_agree(protocol):
    with Faulty() as server:
        url = server.url if isinstance(protocol, OpenInference) else server.origin + "/predict"
        scores = HttpModel(url, protocol=protocol, preflight=False).predict(X[:10])
    np.testing.assert_array_equal(scores, truth(X[:10]))


def test_probe_tells_what_the_server_tells_and_sends_no_rows():
    with Faulty(Plan(max_batch_size=12)) as server:
        about = probe(server.url)
        assert server.requests == 0
    assert about["protocol"] == "v2"
    assert about["inputs"] == [{"name": "X", "datatype": "FP64", "shape": (-1, 4)}]
    assert about["batch_size"] == 12


# ---- what can be sent


def frame_of(values=X):
    pd = pytest.importorskip("pandas")
    return pd.DataFrame(values, columns=list("abcd"))


def through(server, **settings):
    return HttpModel(server.url, preflight=False, **settings)


def _read_only(array):
    copy = array.copy()
    copy.flags.writeable = False
    return copy


@pytest.mark.parametrize(
    "form",
    [
        np.asfortranarray,
        lambda X: np.repeat(X, 2, axis=0)[::2],
        lambda X: X.tolist(),
        lambda X: X.astype(object),
        lambda X: pytest.importorskip("scipy.sparse").csr_matrix(X),
        _read_only,
    ],
    ids=["fortran", "strided", "lists", "objects", "sparse", "read-only"],
)
def test_forms_of_the_same_rows_score_the_same(form):
    with Faulty() as server:
        np.testing.assert_array_equal(through(server).predict(form(X[:40])), truth(X[:40]))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_are_arranged_by_name(library):
    frame = frame_of()
    if library == "polars":
        frame = pytest.importorskip("polars").DataFrame({n: frame[n].to_numpy() for n in "dcba"})
    else:
        frame = frame[list("dcba")]
    with Faulty() as server:
        scores = through(server, columns=list("abcd")).predict(frame)
    np.testing.assert_array_equal(scores, truth(X))


def test_frames_without_a_known_order_are_refused():
    with Faulty() as server:
        with pytest.raises(InputError, match=r"Pass columns=\[\.\.\.\] in the model's order"):
            through(server).predict(frame_of())
        assert server.requests == 0


def test_protocols_with_names_need_no_order():
    with Faulty() as server:
        model = HttpModel(server.origin + "/invocations")
        np.testing.assert_array_equal(model.predict(frame_of()[list("bdca")]), truth(X))
    assert model.probe()["protocol"] == "mlflow"


def spoil(row, column, value):
    rows = X[:20].copy()
    rows[row, column] = value
    return rows


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: spoil(7, 2, np.nan), r"row 7, column 2 is nan\. Fill it, or pass allow_missing"),
        (lambda: spoil(7, 2, np.inf), "row 7, column 2 is inf. Only finite"),
        (lambda: frame_of(spoil(3, 1, np.nan)), "row 3, column 'b' is nan"),
        (lambda: [[1, 2, 3, None]], "row 0, column 3 is nan|row 0, column '?3'? is"),
        (lambda: [[1, 2, 3, 10**400]], "row 0, column '3' is 1000.*too large"),
        (lambda: [[1, 2, 3, "x"]], "columns of several types|several types"),
        (lambda: [[1, 2], [3]], "rows of equal length"),
        (lambda: np.array(["2020-01-01"], "M8[D]"), "must be numbers or texts"),
        (lambda: ["fine", 3], "must be texts|numbers or texts|row 1"),
        (lambda: ["\ud800"], "lone surrogate"),
        (lambda: "a text", "Put it in a list"),
        (lambda: X[:, :3], r"shape \[-1, 4\]"),
        (lambda: np.array([[1 + 2j]]), "complex128"),
    ],
)
def test_inputs_that_cannot_be_sent(make, message):
    with Faulty() as server:
        inputs = make()
        model = through(server, columns=list("abcd") if hasattr(inputs, "columns") else None)
        with pytest.raises(InputError, match=message):
            model.predict(inputs)
        assert server.requests == 0


@pytest.mark.parametrize(
    ("columns", "message"),
    [("abca", "same name"), ("abcx", "missing: .'d'., unknown: .'x'."), ("abc", "missing: .'d'.")],
)
def test_columns_that_do_not_fit_are_named(columns, message):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X[:, : len(columns)], columns=list(columns))
    with Faulty() as server:
        with pytest.raises(InputError, match=message):
            through(server, columns=list("abcd")).predict(frame)
        assert server.requests == 0


def test_no_rows_need_no_call():
    with Faulty() as server:
        with pytest.raises(InputError, match="at least one row"):
            through(server).predict(X[:0])
        assert through(server, output_names=["p", "q"]).predict(X[:0]).shape == (0, 2)
        assert list(through(server).stream(X[:0])) == []
        assert server.requests == 0


@pytest.mark.parametrize(
    ("datatype", "value", "message"),
    [("FP32", 1e300, "FP32 cannot hold"), ("INT64", 0.5, "INT64 cannot hold")],
)
def test_casts_that_lose_are_refused(datatype, value, message):
    protocol = OpenInference(inputs=(Tensor("X", datatype, (-1, 4)),))
    with Faulty() as server:
        rows = np.ones((20, 4))
        rows[3, 1] = value
        with pytest.raises(InputError, match=f"row 3, column 1 is .*{message}"):
            through(server, protocol=protocol, batch_size=2).predict(rows)
        assert server.requests == 0


def test_missing_values_go_as_null_when_the_model_takes_them():
    rows = spoil(1, 2, np.nan)
    codec = OpenInference()
    body = codec.encode(as_rows(rows, allow_missing=True), "t").body
    assert json.loads(body)["inputs"][0]["data"][6] is None
    assert b"NaN" not in body
    with pytest.raises(InputError, match="Only finite"):
        as_rows(spoil(1, 2, np.inf), allow_missing=True)


def test_width_is_remembered_where_the_server_does_not_tell():
    with Faulty(Plan(metadata=False)) as server:
        model = through(server)
        model.predict(X)
        before = server.requests
        with pytest.raises(InputError, match="4 columns as before, got 3"):
            model.predict(X[:, :3])
        assert server.requests == before


# ---- finding out


def test_roots_lead_to_the_only_model():
    with Faulty() as server:
        np.testing.assert_array_equal(HttpModel(server.origin).predict(X[:9]), truth(X[:9]))


def test_what_cannot_be_found_out_is_said():
    with Faulty() as server, pytest.raises(InputError, match="Pass protocol="):
        HttpModel(server.origin + "/home/made").predict(X)


def test_as_model_takes_a_url():
    with Faulty() as server:
        model = bx.as_model(server.url, scale="probability", batch_size=32)
        assert isinstance(model, HttpModel)
        np.testing.assert_array_equal(model.predict(X), truth(X))


def test_images_travel_with_their_shape():
    images = np.random.default_rng(0).random((6, 3, 4, 4)).astype(np.float32)
    tensor = Tensor("X", "FP32", (-1, 3, 4, 4))
    for binary in (False, True):
        codec = OpenInference(inputs=(tensor,), binary=binary)
        payload = codec.encode(codec.prepare(as_rows(images)), "t")
        message, rest = split_body({k.lower(): v for k, v in payload.headers.items()}, payload.body)
        (entry,) = message["inputs"]
        data = np.frombuffer(rest, "<f4") if binary else np.array(entry["data"], np.float32)
        assert entry["shape"] == [6, 3, 4, 4]
        np.testing.assert_array_equal(data, images.ravel())


# ---- pieces


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.78"}, 0.78),
        ({"retry-after": "250ms"}, 0.25),
        ({"retry-after-ms": "120"}, 0.12),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:30 GMT"}, 20.0),
        ({"retry-after": "Thu, 01 Jan 1970 00:00:05 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_retry_after_in_every_form(headers, seconds):
    assert retry_after(Reply(429, headers, b""), now=10.0) == (
        None if seconds is None else pytest.approx(seconds)
    )


@pytest.mark.parametrize("limit", [1, 2, 5, 11, 63, 64])
def test_batch_sizes_close_in_on_the_limit(limit):
    size, sent = BatchSize(64), []
    for _ in range(200):
        rows, trial = size.next("me")
        sent.append(rows)
        (size.good if rows <= limit else size.too_large)(rows, trial)
    refused = [i for i, rows in enumerate(sent) if rows > limit]
    assert max(sent[60:]) <= min(2 * limit, 64)
    assert sent[-1] in (limit, min(2 * limit, 64))
    assert len(refused) <= 7 + 200 / 16 + 2


@pytest.mark.parametrize(("max_parallel", "most"), [(1, 16), (8, 16), (64, 64)])
def test_few_batches_go_beside_a_trial_and_none_waits_long_for_it(max_parallel, most, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(sizes_module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    size = BatchSize(64, max_parallel)
    while size.refused is None or size.refused - size.proven > 1:
        rows, trial = size.next("me")
        (size.good if rows <= 5 else size.too_large)(rows, trial)
    trial = False
    while not trial:
        rows, trial = size.next("slow")
        if not trial:
            size.good(rows, trial=False)
    assert rows == 10
    beside = 0
    while not size.waits:
        assert size.next("me") == (5, False)
        beside += 1
    assert max_parallel <= beside <= most
    clock[0] += 2.0
    assert not size.waits
    size.good(10, trial=True)  # the server has recovered
    assert size.next("me") == (64, True)


def test_requests_in_flight_fall_once_for_each_trouble_and_rise_again():
    gate, never = Gate(Limits(max_parallel=10)), threading.Event()
    began = time.monotonic()
    for _ in range(5):  # all in flight together: one trouble
        gate.busy(began)
    assert gate.limit == 7
    gate.busy(time.monotonic())
    assert gate.limit == 4
    for _ in range(30):
        assert gate.enter(1, never)
        gate.good()
        gate.leave()
    assert gate.limit == 7  # 4.9 rose by one after 5, 6 and 14 good answers: 7 were once too many
    for _ in range(100):
        gate.good()
    assert gate.limit == 10


def test_as_many_go_on_as_were_not_turned_away_and_the_next_trials_are_ever_rarer():
    gate = Gate(Limits(max_parallel=12))
    began = time.monotonic()
    for _ in range(9):  # of twelve
        gate.busy(began, turned_away=True)
    assert gate.limit == 3
    crowded = []
    for answer in range(1000):
        gate.good()
        if gate.limit == 4:
            crowded.append(answer)
            gate.busy(time.monotonic(), turned_away=True)
    assert gate.limit <= 3
    assert len(crowded) <= 15
    assert np.diff(crowded)[-1] >= 20 * 3


def test_a_learnt_rate_grows_by_a_tenth_each_second(monkeypatch):
    clock = [100.0]

    class Condition(threading.Condition):
        def wait(self, timeout=None):
            clock[0] += timeout  # a clock that runs while one waits
            return False

    monkeypatch.setattr(gate_module, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(gate_module, "threading", SimpleNamespace(Condition=Condition))
    gate, never = Gate(Limits(max_parallel=10)), threading.Event()

    def pass_through(times):
        began = clock[0]
        for _ in range(times):
            assert gate.enter(1, never)
            gate.good()
            gate.leave()
        return times / (clock[0] - began + 1e-9)

    pass_through(100)
    gate.close_for(1.0, learn=True)  # 100 were granted in one second
    pass_through(1)
    assert pass_through(50) == pytest.approx(0.95 * 100, rel=0.1)
    pass_through(1000)
    assert pass_through(100) > 150


def test_a_server_that_bears_three_at_once_is_left_to_them():
    busy, refused, lock = [0], [0], threading.Lock()

    def at_most_three(rows):
        with lock:
            busy[0] += 1
            crowded = busy[0] > 3
            refused[0] += crowded
        time.sleep(0.01)
        with lock:
            busy[0] -= 1
        if crowded:
            raise Refused
        return truth(rows)

    with Faulty(model=at_most_three) as server:
        model = through(server, batch_size=8, limits=Limits(max_parallel=12))
        np.testing.assert_array_equal(model.predict(np.tile(X, (8, 1))), truth(np.tile(X, (8, 1))))
    assert refused[0] <= 0.25 * 200


@pytest.mark.parametrize(
    ("encoding", "pack", "message"),
    [
        ("gzip", gzip.compress, None),
        ("deflate", zlib.compress, None),
        ("gzip", lambda b: gzip.compress(b)[:-4], "gzip|JSON|broke"),
        ("gzip", lambda b: b, "not gzip|broke"),
        ("gzip, gzip", lambda b: gzip.compress(gzip.compress(b)), "encoded as gzip, gzip"),
        ("br", lambda b: b, "encoded as br"),
    ],
)
def test_answers_come_plain_or_packed_once(encoding, pack, message):
    with Faulty(Plan(encoding=encoding, pack=pack)) as server:
        protocol = CustomJson(request={"input": "$rows"}, answer="output")
        settings = {"protocol": protocol, "limits": Limits(retries=0), "preflight": False}
        model = HttpModel(server.origin + "/predict", **settings)
        if message is None:
            np.testing.assert_array_equal(model.predict(X[:8]), truth(X[:8]))
        else:
            with pytest.raises(PredictError, match=message):
                model.predict(X[:8])


def test_repeats_are_rationed():
    budget = RetryBudget(share=0.2, allowance=3)
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]
    for _ in range(5):
        budget.earn()
    assert [budget.spend() for _ in range(2)] == [True, False]


def test_explanations_of_several_inputs_share_batches():
    masker = bx.TabularMasker(X[:4])
    with Faulty() as server:
        model = HttpModel(server.url, scale="probability", batch_size=64)
        remote = bx.ExactShapley().explain_many(model, X[:8], masker)
        rows = sum(server.sizes)
        assert len(server.sizes) <= 7 + rows / 64 + 3
    local = bx.ExactShapley().explain_many(bx.as_model(truth), X[:8], masker)
    for far, near in zip(remote, local, strict=True):
        np.testing.assert_allclose(far.values, near.values, atol=1e-12)


def test_bad_luck_in_a_queue_that_moves_is_no_failure():
    client = SimpleNamespace(
        limits=Limits(), answered=9, retries=RetryBudget(), gate=Gate(Limits())
    )
    piece = Piece(0.0, 0, 16, began=time.monotonic())
    away = Fault(Verdict.AGAIN, "slow down", throttled=True, status=429)
    for _ in range(9):  # others are answered between
        todo = decide(piece, away, client)
        assert not todo.fatal
        piece.tries += not todo.free
        client.answered += 1
    assert piece.tries == Limits().retries
    client.answered -= 1
    assert decide(piece, away, client).fatal  # nobody was
    strict = SimpleNamespace(limits=Limits(retries=0), answered=3)
    assert decide(Piece(0.0, 0, 16), away, strict).fatal
