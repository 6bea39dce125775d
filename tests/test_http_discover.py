"""What a server tells about itself is found, and what it does not tell is asked of the user."""

from __future__ import annotations

import json

import numpy as np
import pytest

from blackbox_xai.adapters.http.codecs import CustomJson, KServeV1, MLflow, OpenInference
from blackbox_xai.adapters.http.discover import discover
from blackbox_xai.adapters.http.faults import Fault, Reply, Verdict
from blackbox_xai.adapters.http.rows import Rows, as_rows
from blackbox_xai.errors import InputError, LoadError


def server(pages):
    """A ``get`` that knows some pages."""

    def get(path, body=None):
        if path not in pages:
            return Reply(404, {}, b"not here")
        page = pages[path]
        return Reply(200, {}, page if isinstance(page, bytes) else json.dumps(page).encode())

    return get


V2 = {
    "/v2": {"name": "triton", "version": "2", "extensions": ["binary_tensor_data"]},
    "/v2/models/m": {
        "name": "m",
        "inputs": [
            {"name": "age", "datatype": "INT64", "shape": [-1, 1]},
            {"name": "city", "datatype": "BYTES", "shape": ["-1", "1"]},
        ],
        "outputs": [
            {"name": "label", "datatype": "INT64", "shape": [-1]},
            {"name": "p", "datatype": "FP32", "shape": [-1, 2]},
        ],
    },
    "/v2/models/m/config": {"max_batch_size": 7},
}


def test_v2_metadata():
    found = discover(server(V2), "/v2/models/m/infer", None)
    assert found.codec.binary is True
    assert found.codec.columns == ("age", "city")
    assert found.codec.inputs[1].shape == (-1, 1)
    assert found.codec.output is None  # two outputs: the user chooses
    assert (found.path, found.max_rows) == ("/v2/models/m", 7)


def test_v2_without_metadata():
    about = {"name": "m", "inputs": [{"odd": 1}], "outputs": "none"}
    pages = {"/v2": {"name": "x"}, "/v2/models/m": about}
    found = discover(server(pages), "/v2/models/m/", None)
    assert found.codec == OpenInference()
    assert found.max_rows is None


@pytest.mark.parametrize(
    ("pages", "path", "protocol", "found_path"),
    [
        ({"/v2": {}, "/v2/repository/index": [{"name": "m"}]}, "/", "v2", "/v2/models/m"),
        ({"/v2": {}, "/v2/models": {"models": ["m"]}}, "/", "v2", "/v2/models/m"),
        ({"/v1/models": {"models": [{"name": "m"}]}}, "/", "v1", "/v1/models/m"),
        ({"/version": b"3.17.2", "/ping": b"\n"}, "/", "mlflow", "/"),
        ({"/info": {"server": {}, "model": None}}, "/", "litserve", "/predict"),
        ({}, "/predictions/m", "torchserve", "/predictions/m"),
        ({}, "/x/v1/models/m:predict", "v1", "/x/v1/models/m"),
        ({}, "/x/invocations", "mlflow", "/x/invocations"),
    ],
)
def test_protocols_found(pages, path, protocol, found_path):
    found = discover(server(pages), path, None)
    assert (found.facts["protocol"], found.path) == (protocol, found_path)


def test_text_embeddings_tell_labels_and_batch():
    info = {
        "model_type": {"classifier": {"id2label": {"1": "good", "0": "bad", "10": "odd"}}},
        "max_client_batch_size": 32,
    }
    found = discover(server({"/info": info}), "/", None)
    assert found.codec.labels == ("bad", "good", "odd")
    assert found.max_rows == 32
    assert found.codec.path(found.path) == "/predict"


def bentoml(*routes):
    return {"/schema.json": {"routes": list(routes)}}


ROUTE = {"route": "/score", "input": {"properties": {"rows": {}}}}


def test_bentoml_tells_route_and_argument():
    found = discover(server(bentoml(ROUTE)), "/", None)
    assert found.path == "/score"
    assert found.codec == CustomJson(request={"rows": "$rows"})


@pytest.mark.parametrize(
    ("pages", "message"),
    [
        ({}, "Pass protocol="),
        ({"/info": b"<html>", "/version": b"nginx"}, "Pass protocol="),
        (bentoml(ROUTE, ROUTE | {"route": "/b"}), "has the routes .'/score', '/b'."),
        (
            bentoml({"route": "/a", "input": {"properties": {"x": 1, "y": 2}}}),
            "takes the arguments",
        ),
        (
            {"/v2": {}, "/v2/repository/index": [{"name": "a"}, {"name": "b"}]},
            "the models .'a', 'b'.",
        ),
        ({"/v2": {}}, "the models ..; give the URL"),
    ],
)
def test_what_is_not_told_is_asked_for(pages, message):
    with pytest.raises(InputError, match=message):
        discover(server(pages), "/", None)


def test_no_server_is_an_error_of_its_own():
    def get(path, body=None):
        raise Fault(Verdict.AGAIN, "cannot connect to http://h", error=LoadError)

    with pytest.raises(LoadError, match=r"cannot connect to http://h\. Is the server running"):
        discover(get, "/v2/models/m", None)


ROWS = Rows(data=np.array([[1.0, 2.0]]), names=("a", "b"))


@pytest.mark.parametrize(
    ("codec", "expected"),
    [
        (KServeV1(form="records"), {"instances": [{"a": 1.0, "b": 2.0}]}),
        (KServeV1(form="columns"), {"inputs": {"a": [1.0], "b": [2.0]}}),
        (KServeV1(form="tensor"), {"inputs": [[1.0, 2.0]]}),
        (
            KServeV1(signature="serve"),
            {"signature_name": "serve", "instances": [[1.0, 2.0]]},
        ),
        (MLflow(form="records"), {"dataframe_records": [{"a": 1.0, "b": 2.0}]}),
        (MLflow(form="instances"), {"instances": [[1.0, 2.0]]}),
        (
            MLflow(form="inputs", params=(("t", 2),)),
            {"inputs": [[1.0, 2.0]], "params": {"t": 2}},
        ),
    ],
)
def test_forms_of_one_protocol(codec, expected):
    assert json.loads(codec.encode(ROWS, "t").body) == expected


@pytest.mark.parametrize(
    ("codec", "message"),
    [
        (KServeV1(), {"outputs": {"p": [[0.5, 0.5]]}}),
        (KServeV1(output="p"), {"outputs": {"p": [[0.5, 0.5]], "q": [[1.0, 0.0]]}}),
        (KServeV1(output="p"), {"predictions": [{"p": [0.5, 0.5], "q": 1}]}),
        (MLflow(), [[0.5, 0.5]]),
        (MLflow(output="p"), {"predictions": [{"p": [0.5, 0.5], "q": 1}]}),
        (MLflow(), {"predictions": [{"no": 0.5, "yes": 0.5}]}),
    ],
)
def test_forms_of_answers(codec, message):
    answer = codec.decode(Reply(200, {}, json.dumps(message).encode()), 1, "t")
    np.testing.assert_array_equal(answer.scores, [[0.5, 0.5]])


def test_rows_need_names_where_names_are_sent():
    with pytest.raises(InputError, match="no column names"):
        KServeV1(form="records").encode(as_rows([[1.0]]), "t")
