"""Budgets, rates, preflight and canaries, Ctrl-C, forks: what must never happen."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import shutil
import signal
import ssl
import subprocess
import threading
import time
import warnings

import numpy as np
import pytest
from servers.faulty import Faulty, Plan, truth

from blackbox_xai.adapters.http import (
    Budget,
    CustomJson,
    HttpModel,
    Limits,
    MLflow,
    Secret,
)
from blackbox_xai.adapters.http.run import Run
from blackbox_xai.errors import (
    AnswerError,
    BudgetError,
    InputError,
    Interrupted,
    LoadError,
)

X = np.random.default_rng(1).normal(size=(4096, 4))


def connect(server, **settings):
    limits = {"max_parallel": 8} | settings.pop("limits", {})
    settings = {"batch_size": 16, "preflight": False, "canary_every": 0} | settings
    return HttpModel(server.url, limits=Limits(**limits), **settings)


def wait_for(fact):
    patience = time.monotonic() + 30
    while not fact():
        assert time.monotonic() < patience
        time.sleep(0.005)


# ---- budgets and rates


@pytest.mark.parametrize(
    ("budget", "word"),
    [
        (Budget(rows=99), "rows to 100"),
        (Budget(requests=6), "requests to 7"),
        (Budget(money=0.99, per_row=0.01), "money to 1"),
    ],
)
def test_budgets_are_checked_before_sending(budget, word):
    with Faulty() as server:
        model = connect(server, budget=budget)
        with pytest.raises(BudgetError, match=word):
            model.predict(X[:100])
        assert server.requests == 0


def test_repeats_count_against_the_budget_and_keep_what_was_answered():
    with Faulty(Plan(faults={"lost": 0.5})) as server:
        with pytest.raises(BudgetError, match="not sent") as caught:
            connect(server, budget=Budget(requests=20)).predict(X[:320])
        assert server.requests <= 20
    answered = [i for i, row in enumerate(caught.value.partial) if row is not None]
    assert answered
    np.testing.assert_array_equal([caught.value.partial[i] for i in answered], truth(X[answered]))


def test_a_budget_of_seconds_ends_a_run():
    with Faulty(Plan(delay=0.05)) as server:
        with pytest.raises(BudgetError, match="seconds"):
            connect(server, budget=Budget(seconds=0.3)).predict(X)
        assert server.requests < 100


def test_prices_are_in_the_ledger():
    with Faulty() as server:
        model = connect(server, budget=Budget(per_row=0.5, per_request=1.0))
        assert model.predict_counted(X[:32])[1].cost == pytest.approx(32 * 0.5 + 2)


@pytest.mark.parametrize("limits", [{"max_per_second": 40}, {"max_rows_per_second": 640}])
def test_rates_are_kept(limits):
    with Faulty() as server:
        began = time.monotonic()
        connect(server, limits=limits).predict(X[:320])
        assert time.monotonic() - began >= 19 / 40


def test_no_more_in_flight_than_allowed_over_several_calls():
    busy, most, calls = [0], [0], itertools.count()
    lock, three = threading.Lock(), threading.Event()

    def slow(rows):
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
            if most[0] == 3:
                three.set()
        if next(calls) > 0:  # the first goes alone: its size is tried out
            three.wait(20)
        with lock:
            busy[0] -= 1
        return truth(rows)

    with Faulty(model=slow) as server:
        model = connect(server, limits={"max_parallel": 3})
        threads = [threading.Thread(target=model.predict, args=(X[:160],)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most[0] == 3


# ---- preflight and canaries


def test_preflight_costs_at_most_eight_rows_once():
    with Faulty() as server:
        model = connect(server, preflight=True)
        model.predict(X[:1])
        model.predict(X[:30])
        model.predict(X[:30])
        assert server.rows <= 61 + 8
    assert model.deterministic is True


@pytest.mark.filterwarnings("ignore:The model at:RuntimeWarning")
def test_noise_is_found():
    with Faulty(Plan(noise=0.1)) as server:
        model = connect(server, preflight=True)
        model.predict(X[:10])
    assert model.deterministic is False


def test_noise_warns():
    with Faulty(Plan(noise=0.1)) as server, pytest.warns(RuntimeWarning, match="not deterministic"):
        connect(server, preflight=True).predict(X[:10])


def test_rows_in_another_order_are_found():
    with Faulty(Plan(reverse=True)) as server, pytest.raises(AnswerError, match="another order"):
        connect(server, preflight=True).predict(X[:100])


def test_scores_that_depend_on_the_batch_are_found():
    with (
        Faulty(model=lambda rows: truth(rows - rows.mean(axis=0))) as server,
        pytest.warns(RuntimeWarning, match="depend on the rows beside them"),
    ):
        connect(server, preflight=True).predict(X[:100])


@pytest.mark.parametrize("change", ["order", "drift"])
def test_a_change_midway_is_found_by_the_canary(change):
    plan = Plan()
    calls = [0]

    def model(rows):
        calls[0] += 1
        if calls[0] < 20:
            return truth(rows)
        return truth(rows)[::-1] if change == "order" else truth(rows * 1.1)

    with Faulty(plan, model=model) as server:
        with pytest.raises(AnswerError, match="A row sent before scored") as caught:
            connect(server, preflight=True, canary_every=200).predict(X)
        assert server.rows < 1500
    assert any(row is not None for row in caught.value.partial)


def test_another_version_midway_is_an_error():
    plan = Plan(version="1")
    with Faulty(plan) as server:
        model = connect(server)
        model.predict(X[:16])
        plan.version = "2"
        with pytest.raises(AnswerError, match="changed its version from '1' to '2'"):
            model.predict(X[:16])


def test_labels_are_refused_with_the_fix():
    with Faulty(Plan(labels=True, metadata=False)) as server:
        for preflight in (True, False):
            with pytest.raises(AnswerError, match='output="predict_proba"'):
                connect(server, preflight=preflight).predict(X[:16])
        assert server.requests <= 3
        quantities = connect(server, scale="value").predict(X[:16])
    np.testing.assert_array_equal(quantities[:, 0], truth(X[:16]).argmax(axis=1))


def test_logits_are_refused_as_probabilities_and_turned_into_them_when_said():
    with Faulty(Plan(logits=True)) as server:
        with pytest.raises(AnswerError, match="logits=True"):
            connect(server, scale="probability").predict(X[:16])
        model = connect(server, logits=True)
        np.testing.assert_allclose(model.predict(X[:16]), truth(X[:16]), rtol=1e-12)
    assert model.scale == "probability"


def test_negative_probabilities_are_errors_and_negative_scores_are_not():
    with Faulty(Plan(faults={"negative": 1.0})) as server:
        with pytest.raises(AnswerError, match="no distribution"):
            connect(server, scale="probability").predict(X[:16])
        assert connect(server, scale="score").predict(X[:16]).min() == -0.5


def test_negative_probabilities_that_sum_to_one_are_errors():
    def odd(rows):
        return np.tile([-0.5, 1.2, 0.3], (len(rows), 1))

    with Faulty(model=odd) as server, pytest.raises(AnswerError, match="no distribution"):
        connect(server, scale="probability").predict(X[:16])


def test_another_number_of_classes_midway_is_asked_again():
    with Faulty(Plan(faults={"fewer classes": 0.2})) as server:
        model = connect(server)
        server.plan.faults, faults = {}, server.plan.faults
        model.predict(X[:16])
        server.plan.faults = faults
        np.testing.assert_array_equal(model.predict(X[:512]), truth(X[:512]))
        assert server.kinds["fewer classes"]


def test_output_names_of_another_number_are_refused():
    with (
        Faulty() as server,
        pytest.raises(AnswerError, match="expected 2 columns from output_names"),
    ):
        connect(server, output_names=["no", "yes"]).predict(X[:16])


# ---- stopping, forking


def press_ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def test_ctrl_c_stops_at_once_and_keeps_answers(monkeypatch):
    calls, stopped, landed = itertools.count(), threading.Event(), Run._landed

    def model(rows):
        call = next(calls)
        if call == 60 + 7:
            press_ctrl_c()
        if call >= 60:
            stopped.wait(20)  # eight are in flight until the key has been heard
        return truth(rows)

    def wait_for_what_is_in_flight(run, seconds):
        assert 0 < seconds < 1
        stopped.set()
        return landed(run, 60.0)  # a machine may be busy

    monkeypatch.setattr(Run, "_landed", wait_for_what_is_in_flight)
    with Faulty(model=model) as server:
        model = connect(server)
        with pytest.raises(Interrupted) as caught:
            model.predict(X)
        assert stopped.is_set()
        kept = [i for i, row in enumerate(caught.value.partial) if row is not None]
        assert len(kept) == 16 * (60 + 8)
        time.sleep(0.2)
        assert server.requests == 60 + 8
    np.testing.assert_array_equal([caught.value.partial[i] for i in kept], truth(X[kept]))


def test_ctrl_c_does_not_wait_for_a_server_that_hangs():
    calls, let_go, hanging = itertools.count(), threading.Event(), set()

    def model(rows):
        call = next(calls)
        if call == 20 + 7:
            press_ctrl_c()
        if call >= 20:
            hanging.add(call)
            let_go.wait(20)
            hanging.discard(call)
        return truth(rows)

    with Faulty(model=model) as server:
        with pytest.raises(Interrupted):
            connect(server).predict(X)
        assert len(hanging) == 8
        let_go.set()


def test_a_model_goes_on_after_ctrl_c():
    calls = itertools.count()

    def model(rows):
        if next(calls) == 20:
            press_ctrl_c()
        return truth(rows)

    with Faulty(Plan(delay=0.05), model=model) as server:
        model = connect(server)
        with pytest.raises(Interrupted):
            model.predict(X)
        np.testing.assert_array_equal(model.predict(X[:64]), truth(X[:64]))


def _score_in_child(model, queue):
    queue.put(model.predict(X[:4]))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_makes_a_connection_of_its_own():
    with Faulty() as server:
        model = connect(server)
        model.predict(X[:20])
        context = multiprocessing.get_context("fork")
        queue = context.Queue()
        child = context.Process(target=_score_in_child, args=(model, queue))
        known = server.accepted
        child.start()
        np.testing.assert_array_equal(queue.get(timeout=600), truth(X[:4]))
        child.join(300)
        assert server.accepted > known
        np.testing.assert_array_equal(model.predict(X[:20]), truth(X[:20]))


def test_a_stream_left_early_leaves_the_model_usable():
    with Faulty() as server:
        model = connect(server)
        stream = model.stream(X)
        next(stream)
        stream.close()
        np.testing.assert_array_equal(model.predict(X[:64]), truth(X[:64]))


def test_a_stream_that_nobody_reads_holds_up_no_other_call():
    with Faulty() as server:
        model = connect(server)
        stream = model.stream(X)
        first = next(stream)
        np.testing.assert_array_equal(model.predict(X[:512]), truth(X[:512]))
        asked_for = 512 + 16 * 8
        wait_for(lambda: server.rows >= asked_for)
        time.sleep(0.1)
        assert server.rows == asked_for  # what is not read is not sent for
        parts = dict([first, *stream])
    np.testing.assert_array_equal(np.concatenate([parts[i] for i in sorted(parts)]), truth(X))


def test_a_call_whose_answers_nobody_writes_down_waits_for_nobody():
    with Faulty() as server:
        model = connect(server)
        model.predict(X[:16])
        before = server.rows
        steps = model._steps(X)
        first = next(steps)
        wait_for(lambda: server.rows - before >= len(X))  # though nothing more is taken
        parts = dict([first, *steps])
    np.testing.assert_array_equal(np.concatenate([parts[i] for i in sorted(parts)]), truth(X))


# ---- settings


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: HttpModel("ftp://host/m"), "http:// or https://"),
        (lambda: HttpModel("http://host:port/m"), "cannot be parsed"),
        (lambda: HttpModel("http://h/m", protocol="v3"), "protocol must be one of 'v2'"),
        (lambda: HttpModel("http://h/m", headers={"A": "b\r\nC: d"}), "one line"),
        (lambda: HttpModel("http://h/m", canary_every=-1), "canary_every"),
        (lambda: Limits(max_parallel=0), "max_parallel must be at least 1"),
        (lambda: Limits(timeout=0), "timeout must be a number above 0"),
        (lambda: Budget(money=3.0), "money needs a price"),
        (lambda: CustomJson(request={"a": 1}), "request must hold one of"),
        (lambda: CustomJson(answer="a["), "no JMESPath"),
        (
            lambda: CustomJson(request={"t": float("nan"), "x": "$rows"}),
            "request must be JSON with",
        ),
        (lambda: CustomJson(request={"t": {1, 2}, "x": "$rows"}), "request must be JSON with"),
        (lambda: MLflow(params=(("t", float("inf")),)), "params must be JSON with finite"),
        (lambda: Secret("a", env="B"), "not both"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_tls_is_verified(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1"
    names = [
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with Faulty(tls=context) as server:
        with pytest.raises(LoadError, match="TLS with"):
            HttpModel(server.url).predict(X[:4])
        trusting = HttpModel(server.url, verify=str(certificate))
        np.testing.assert_array_equal(trusting.predict(X[:40]), truth(X[:40]))


def test_no_warning_on_the_straight_way():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Faulty() as server:
            found = connect(server, preflight=True).predict(X[:64])
    np.testing.assert_array_equal(found, truth(X[:64]))
