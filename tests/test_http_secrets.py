"""Secrets of a model behind a server are found nowhere: not in messages, reports or files."""

from __future__ import annotations

import base64
import json
import logging
import pickle
import traceback
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from servers.faulty import Faulty, Plan, truth

import blackbox_xai as bx
from blackbox_xai.adapters.http import (
    HttpModel,
    Limits,
    OpenInference,
    Secret,
)
from blackbox_xai.errors import (
    BlackboxError,
    InputError,
    LoadError,
    PredictError,
)

X = np.random.default_rng(1).normal(size=(4096, 4))
CANARY = "s3cr3tc4n4ry"


def connect(server, **settings):
    limits = {"max_parallel": 8} | settings.pop("limits", {})
    settings = {"batch_size": 16, "preflight": False, "canary_every": 0} | settings
    return HttpModel(server.url, limits=Limits(**limits), **settings)


def secretive(server, way):
    host = server.origin.removeprefix("http://")
    if way == "user":
        return HttpModel(f"http://me:{CANARY}@{host}/v2/models/m")
    if way == "query":
        return HttpModel(f"{server.url}?api_key={CANARY}")
    if way == "header":
        return HttpModel(server.url, headers={"X-Api-Key": CANARY})
    if way == "env":
        return HttpModel(server.url, auth="MODEL_TOKEN")
    return HttpModel(server.url, auth=Secret(CANARY))


@pytest.mark.parametrize("way", ["user", "query", "header", "env", "secret"])
def test_secrets_are_found_nowhere(way, monkeypatch, caplog):
    monkeypatch.setenv("MODEL_TOKEN", CANARY)
    caplog.set_level(logging.DEBUG)
    said = []
    with Faulty() as server:
        model = secretive(server, way)
        model.predict(X[:4])
        sent = json.dumps([headers for _, _, headers in server.seen])
        assert (CANARY in sent) == (way not in ("user", "query"))
        said += [repr(model), str(vars(model)), str(model.probe()), str(model.fingerprint())]
        said += [repr(pickle.dumps(model)), repr(cloudpickle.dumps(model))]
        server.plan.faults = {"500": 1.0}
        server.plan.seed = 9
        try:
            model.predict(X[5:8])
        except PredictError as error:
            said += [str(error), repr(error), repr(vars(error)), *traceback.format_exception(error)]
    try:
        model.predict(X[:4])
    except LoadError as error:
        said += [str(error), *traceback.format_exception(error)]
    else:
        pytest.fail("nobody is there any more")
    assert CANARY not in "\n".join(said)
    assert CANARY not in caplog.text
    assert caplog.text  # urllib3 did speak


def everything_in(error):
    """An error and all behind it, with the local variables of every frame of the library."""
    behind, seen = [error], []
    while behind:
        one = behind.pop()
        if one is not None and one not in seen:
            seen.append(one)
            behind += [one.__cause__, one.__context__]
            steps = traceback.TracebackException.from_exception(one, capture_locals=True)
            yield "".join(steps.format())


@pytest.mark.parametrize(
    ("way", "fault"),
    [
        *((way, fault) for way in ("user", "query", "env") for fault in ("nobody", "reset")),
        *(("header", fault) for fault in ("500", "reset", "302", "nan", "bomb", "gone", "nobody")),
    ],
)
def test_secrets_are_in_no_frame_that_an_error_carries(way, fault, monkeypatch):
    monkeypatch.setenv("MODEL_TOKEN", CANARY)
    with Faulty() as server:
        model = secretive(server, way)
        if fault != "nobody":
            model.predict(X[:3])
        server.plan.faults = {fault: 1.0} if fault not in ("gone", "nobody") else {}
        if fault not in ("gone", "nobody"):
            with pytest.raises(BlackboxError) as caught:
                model.predict(X[:1] + 9)
    if fault in ("gone", "nobody"):
        with pytest.raises(BlackboxError) as caught:
            model.predict(X[:1] + 9)
    said = "".join(everything_in(caught.value))
    assert "adapters/http" in said
    assert CANARY not in said
    assert base64.b64encode(f"me:{CANARY}".encode()).decode() not in said


@pytest.mark.parametrize("fault", ["echo", "echo cut", "echo 200"])
def test_a_server_that_echoes_the_token_does_not_get_it_into_messages(fault):
    with Faulty(Plan(faults={fault: 1.0})) as server:
        model = connect(server, auth=Secret(CANARY), limits={"retries": 0})
        with pytest.raises(PredictError, match="not shown, because it repeats") as caught:
            model.predict(X[:2])
    said = "".join(everything_in(caught.value))
    assert not any(CANARY[:length] in said for length in range(4, len(CANARY)))


def test_a_pickled_model_reads_its_token_from_the_environment(monkeypatch):
    monkeypatch.setenv("MODEL_TOKEN", CANARY)
    with Faulty(Plan(token=CANARY)) as server:
        model = pickle.loads(pickle.dumps(connect(server, auth="MODEL_TOKEN")))
        np.testing.assert_array_equal(model.predict(X[:20]), truth(X[:20]))
        literal = pickle.loads(pickle.dumps(connect(server, auth=Secret(CANARY))))
        with pytest.raises(InputError, match=r"Secret\(env=NAME\)"):
            literal.predict(X[:20])


def test_a_text_that_is_no_variable_is_refused_unseen():
    with pytest.raises(InputError, match="environment variable") as caught:
        HttpModel("http://localhost/v2/models/m", auth=CANARY)
    assert CANARY not in str(caught.value)


def test_refused_credentials_are_not_tried_again():
    with Faulty(Plan(token="right")) as server:
        with pytest.raises(LoadError, match="refuses the credentials"):
            connect(server, protocol=OpenInference(), auth=Secret("wrong")).predict(X)
        assert len(server.seen) == 1


def test_a_token_that_expires_is_renewed_once():
    tokens = ["old"]

    def sign(method, url, headers, body):
        assert method == "POST"
        assert url.endswith("/infer")
        return {"Authorization": f"Bearer {tokens[-1]}"}

    with Faulty(Plan(token="old")) as server:
        model = connect(server, protocol=OpenInference(), auth=sign)
        model.predict(X[:16])
        server.plan.token = "new"
        seen = len(server.seen)
        with pytest.raises(LoadError):
            model.predict(X[:16])
        assert len(server.seen) == seen + 2
        tokens.append("new")
        np.testing.assert_array_equal(model.predict(X[:16]), truth(X[:16]))


def test_credentials_over_plain_http_are_warned_of():
    with pytest.warns(RuntimeWarning, match="plain http"):
        HttpModel("http://models.example/v2/models/m", auth=Secret("t0ken"))
    with pytest.warns(RuntimeWarning, match="verify=False"):
        HttpModel("https://models.example/v2/models/m", verify=False)


def test_redirects_do_not_carry_headers_elsewhere():
    with Faulty() as other, Faulty(Plan(faults={"302": 1.0})) as server:
        server.elsewhere = other.url + "/infer"
        with pytest.raises(LoadError, match="Redirects are not followed"):
            connect(server, auth=Secret(CANARY)).predict(X[:4])
        assert server.kinds["302"] == 1
        assert not other.seen


def test_environment_proxies_and_netrc_are_ignored(monkeypatch, tmp_path):
    netrc = tmp_path / ".netrc"
    netrc.write_text("machine 127.0.0.1 login me password netrcsecret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Faulty() as server:
        connect(server, auth=Secret("mine1234")).predict(X[:4])
        assert {h["authorization"] for _, _, h in server.seen} == {"Bearer mine1234"}


@pytest.mark.parametrize("way", ["query", "header", "secret"])
def test_secrets_are_in_no_report_log_file_or_temporary_folder(way, tmp_path, monkeypatch):
    monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path / "joblib"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    rows = np.random.default_rng(0).normal(size=(24, X.shape[1]))
    with Faulty() as server:
        model = bx.RecordedModel(secretive(server, way), tmp_path / "log.sqlite", probe=False)
        report = bx.audit(
            model, rows, background=rows[:4], sections=["rows", "unusual"], n_explain=2
        )
        report.save(tmp_path / "audit.html")
        report.save(tmp_path / "audit.json")
        many = bx.KernelShap().explain_many(model, rows[:2], bx.TabularMasker(rows[:4]), n_jobs=2)
        (tmp_path / "many.json").write_text(many.to_json())
        with (tmp_path / "model.pickle").open("wb") as file:
            pickle.dump(model, file)
        arguments = Path("/proc/self/cmdline").read_bytes() if Path("/proc").exists() else b""
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"log.sqlite", "audit.html", "audit.json"} <= {path.name for path in files}
    assert all(CANARY.encode() not in path.read_bytes() for path in files)
    assert CANARY.encode() not in arguments
