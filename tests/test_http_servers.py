"""Real model servers, each in its own environment, on the loopback address."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from servers.start import installed, running

from blackbox_xai.adapters.http import HttpModel, KServeV1, OpenInference, probe
from blackbox_xai.adapters.http.codecs.tensors import Tensor
from blackbox_xai.errors import AnswerError, InputError, PredictError

pytestmark = pytest.mark.servers

PATHS = {
    "mlserver": "/v2/models/bc",
    "kserve": "/v2/models/bc",
    "litserve": "/predict",
    "mlflow": "/invocations",
    "triton": "/v2/models/bc",
    "bentoml": "/predict",
    "torchserve": "/predictions/bc",
}
PROTOCOLS = {
    "mlserver": "v2",
    "kserve": "v2",
    "litserve": "litserve",
    "mlflow": "mlflow",
    "triton": "v2",
    "bentoml": "bentoml",
    "torchserve": "torchserve",
}


class Peer:
    """A running server, and models made for it."""

    def __init__(self, name, served):
        self.name = name
        self.served = served
        self.url = served.origin + PATHS[name]
        self.frame = pd.DataFrame(served.X, columns=served.names)

    def model(self, **settings):
        if self.name == "mlserver":
            settings = {"output": "predict_proba"} | settings
        if self.name == "mlflow":
            settings = {"columns": self.served.names} | settings
        return HttpModel(self.url, **settings)


def start(name, request, factory, kind):
    if "servers" not in request.config.getoption("markexpr"):
        pytest.skip("starts real servers: run `make test-servers`")
    if not installed(name):
        pytest.skip(f"{name} is not installed: run `python tests/servers/install.py {name}`")
    return running(name, factory.mktemp(f"{name}-{kind}"), kind=kind)


@pytest.fixture(scope="module", params=PATHS)
def peer(request, tmp_path_factory):
    with start(request.param, request, tmp_path_factory, "probabilities") as served:
        yield Peer(request.param, served)


@pytest.fixture(scope="module", params=PATHS)
def labelling(request, tmp_path_factory):
    with start(request.param, request, tmp_path_factory, "labels") as served:
        yield Peer(request.param, served)


def test_probabilities_are_those_of_the_local_model(peer):
    scores = peer.model(scale="probability").predict(peer.served.X)
    np.testing.assert_allclose(scores, peer.served.p, rtol=0, atol=1e-12)


def test_the_protocol_is_found_out(peer):
    about = probe(peer.url)
    assert about["protocol"] == PROTOCOLS[peer.name]
    if peer.name == "triton":
        assert about["max_batch_size"] == about["batch_size"] == 16
        assert "binary_tensor_data" in about["extensions"]


def test_permuted_columns_are_right_or_refused(peer):
    permuted = peer.frame.iloc[:40, ::-1]
    scores = peer.model(columns=peer.served.names).predict(permuted)
    np.testing.assert_allclose(scores, peer.served.p[:40], rtol=0, atol=1e-12)
    if peer.name == "mlflow":
        scores = peer.model(columns=None).predict(permuted)
        np.testing.assert_allclose(scores, peer.served.p[:40], rtol=0, atol=1e-12)
    else:
        with pytest.raises(InputError, match="columns="):
            peer.model().predict(permuted)


def test_a_wrong_width_costs_at_most_three_requests(peer):
    model = peer.model(columns=None)
    with pytest.raises((InputError, PredictError)):
        model.predict(peer.served.X[:64, :5])
    assert model.spent["requests"] <= 3
    model = peer.model()
    model.predict(peer.served.X[:4])
    before = model.spent["requests"]
    with pytest.raises(InputError):
        model.predict(peer.served.X[:64, :5])
    assert model.spent["requests"] == before


def test_labels_are_refused_with_the_fix(labelling):
    url = labelling.url
    columns = labelling.served.names if labelling.name == "mlflow" else None
    model = HttpModel(url, columns=columns)
    with pytest.raises(AnswerError, match='output="predict_proba"'):
        model.predict(labelling.served.X[:32])
    assert model.spent["requests"] <= 3


def test_other_ways_to_speak_to_one_server_agree(peer):
    if peer.name == "kserve":
        ways = [
            HttpModel(peer.served.origin + "/v1/models/bc", protocol=KServeV1()),
            HttpModel(peer.url, protocol=OpenInference(binary=True)),
        ]
    elif peer.name == "triton":
        tensor = Tensor("X", "FP64", (-1, 30))
        ways = [HttpModel(peer.url, protocol=OpenInference(inputs=(tensor,)), batch_size=16)]
    else:
        pytest.skip(f"{peer.name} has one way")
    for model in ways:
        scores = model.predict(peer.served.X)
        np.testing.assert_allclose(scores, peer.served.p, rtol=0, atol=1e-12)


def test_a_limit_that_is_not_told_is_learnt(peer):
    if peer.name != "triton":
        pytest.skip(f"{peer.name} has no limit of rows")
    protocol = OpenInference(inputs=(Tensor("X", "FP64", (-1, 30)),), binary=True)
    model = HttpModel(peer.url, protocol=protocol, batch_size=64)
    scores = model.predict(np.tile(peer.served.X, (4, 1)))
    np.testing.assert_allclose(scores, np.tile(peer.served.p, (4, 1)), rtol=0, atol=1e-12)


def test_missing_values_reach_a_model_only_when_said(peer):
    rows = peer.served.X[:3].copy()
    rows[1, 2] = np.nan
    with pytest.raises(InputError, match="row 1, column"):
        peer.model().predict(rows)
