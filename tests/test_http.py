"""A model behind a server: right scores, books that agree, inputs that cannot be sent."""

from __future__ import annotations

import numpy as np
import pytest
from servers.faulty import Faulty, Plan, truth

from blackbox_xai.adapters.http import CustomJson, HttpModel, Limits, OpenInference, probe

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
