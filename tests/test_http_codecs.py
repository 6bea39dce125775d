"""Codecs: what goes out comes back to the bit, and no answer breaks a parser."""

from __future__ import annotations

import base64
import io
import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from servers import faulty

from blackbox_xai.adapters.http.codecs import (
    CustomJson,
    HuggingFace,
    KServeV1,
    MLflow,
    OpenInference,
    TextEmbeddings,
    TorchServe,
)
from blackbox_xai.adapters.http.codecs.png import to_png
from blackbox_xai.adapters.http.codecs.tensors import Tensor, from_bytes, to_bytes
from blackbox_xai.adapters.http.codecs.texts import texts_from_bytes
from blackbox_xai.adapters.http.faults import Answer, Fault, Reply, Verdict
from blackbox_xai.adapters.http.rows import Rows, as_rows
from blackbox_xai.errors import InputError

COLUMNS = faulty.COLUMNS
NAMED = tuple(Tensor(name, "FP64", (-1, 1)) for name in COLUMNS)
# codec, path at the test server
TABULAR = {
    "v2 json": (OpenInference(), "/v2/models/m/infer"),
    "v2 binary": (OpenInference(binary=True), "/v2/models/m/infer"),
    "v2 columns": (OpenInference(inputs=NAMED), "/v2/models/m/infer"),
    "v2 binary columns": (OpenInference(inputs=NAMED, binary=True), "/v2/models/m/infer"),
    "v1": (KServeV1(), "/v1/models/m:predict"),
    "mlflow": (MLflow(), "/invocations"),
    "mlflow inputs": (MLflow(form="inputs"), "/invocations"),
    "torchserve": (TorchServe(), "/predictions/m"),
    "custom": (CustomJson(request={"input": "$rows"}, answer="output"), "/predict"),
}
TEXTUAL = {
    "huggingface": (HuggingFace(labels=faulty.LABELS), "/hf"),
    "tei": (TextEmbeddings(labels=faulty.LABELS), "/predict"),
}
ALL = TABULAR | TEXTUAL

tables = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.just(4)),
    elements=st.floats(allow_nan=False, allow_infinity=False),
)
scores = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.just(3)),
    elements=st.floats(allow_nan=False, allow_infinity=False),
)
texts = st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=5)


def received(codec, path, rows, tag="t"):
    """What the test server reads from a request: protocol, message, rows."""
    payload = codec.encode(codec.prepare(rows), tag)
    headers = {name.lower(): value for name, value in payload.headers.items()}
    message, rest = faulty.split_body(headers, payload.body)
    return (*faulty.rows_of(path, message, rest), message)


def reply_of(protocol, message, values, n):
    """The test server's answer."""
    server = faulty.Faulty(faulty.Plan())
    body, headers = faulty.encode(server, protocol, message, values, n)
    return Reply(200, {k.lower(): v for k, v in (headers or {}).items()}, body)


class Headers(dict):
    def get(self, name, default=""):
        return super().get(name.lower(), default)


def with_headers(reply):
    return Reply(reply.status, Headers(reply.headers), reply.body)


@pytest.mark.parametrize("name", TABULAR)
@given(X=tables, p=scores)
def test_tables_and_scores_survive_to_the_bit(name, X, p):
    codec, path = TABULAR[name]
    rows = Rows(data=X, names=COLUMNS)
    protocol, arrived, message = received(codec, path, rows)
    np.testing.assert_array_equal(arrived, X)
    np.testing.assert_array_equal(np.signbit(arrived), np.signbit(X))
    answer = codec.decode(with_headers(reply_of(protocol, message, p, len(p))), len(p), "t")
    np.testing.assert_array_equal(answer.scores, p)


@pytest.mark.parametrize("name", TEXTUAL)
@given(sample=texts, data=st.data())
def test_texts_survive(name, sample, data):
    codec, path = TEXTUAL[name]
    sample = sample[: codec.rows_limit]
    protocol, arrived, message = received(codec, path, as_rows(sample))
    assert arrived == sample
    values = data.draw(
        hnp.arrays(np.float64, (len(sample), 3), elements=st.floats(0, 1, allow_nan=False))
    )
    reply = with_headers(reply_of(protocol, message, values, len(sample)))
    answer = codec.decode(reply, len(sample), "t")
    np.testing.assert_array_equal(answer.scores, values)
    assert answer.names == faulty.LABELS


@given(X=tables, cut=st.integers(0, 6))
def test_any_cut_of_the_rows_gives_the_same_bytes_of_data(X, cut):
    rows = Rows(data=X)
    first, second = rows.cut(0, min(cut, rows.n)), rows.cut(min(cut, rows.n), rows.n)
    assert first.to_lists() + second.to_lists() == rows.to_lists()
    np.testing.assert_array_equal(second.after(first).array, X)


@pytest.mark.parametrize(
    "datatype", ["BOOL", "UINT8", "INT16", "INT32", "INT64", "UINT64", "FP16", "FP32", "FP64"]
)
@given(data=st.data())
def test_binary_tensors_round_trip(datatype, data):
    codes = {"BOOL": "?", "UINT8": "u1", "INT16": "i2", "INT32": "i4", "INT64": "i8"}
    codes |= {"UINT64": "u8", "FP16": "f2", "FP32": "f4", "FP64": "f8"}
    array = data.draw(hnp.arrays(codes[datatype], hnp.array_shapes(max_dims=4, max_side=4)))
    back = from_bytes(to_bytes(array, datatype), datatype, array.size)
    np.testing.assert_array_equal(back, array.ravel())


def test_texts_as_bytes_follow_the_specification():
    raw = to_bytes(np.array(["aé", ""], object), "BYTES")
    assert raw == struct.pack("<I", 3) + "aé".encode() + struct.pack("<I", 0)


def test_texts_as_bytes_are_read_back():
    texts = np.array(["aé", "", "0.5:1"], object)
    raw = to_bytes(texts, "BYTES")
    assert texts_from_bytes(raw, 3) == texts.tolist()
    for wrong in (raw[:-1], raw + b"x", raw[:2], struct.pack("<I", 1 << 31)):
        with pytest.raises(Fault, match=r"\d+ (bytes|texts)"):
            texts_from_bytes(wrong, 3)


@pytest.mark.parametrize("binary", [False, True])
def test_classifications_are_put_in_the_order_of_their_classes(binary):
    texts = ["0.75:1:ham", "0.25:0:spam", "0.5:0:spam", "0.5:1:ham"]
    output = {"name": "p", "shape": [2, 2], "datatype": "BYTES"}
    rest, headers = b"", {}
    if binary:
        rest = to_bytes(np.array(texts, object), "BYTES")
        output["parameters"] = {"binary_data_size": len(rest)}
    else:
        output["data"] = texts
    head = json.dumps({"outputs": [output]}).encode()
    if binary:
        headers = {"inference-header-content-length": str(len(head))}
    answer = decode(OpenInference(), head + rest, 2, headers)
    assert answer.scores.tolist() == [[0.25, 0.75], [0.5, 0.5]]
    assert answer.names == ("spam", "ham")


def test_mixed_columns_become_one_tensor_each():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"age": [30, 41], "city": ["Rome", None]})
    rows = as_rows(frame, allow_missing=True)
    message = json.loads(OpenInference().encode(rows, "x").body)
    assert message["inputs"] == [
        {"name": "age", "shape": [2, 1], "datatype": "INT64", "data": [30, 41]},
        {"name": "city", "shape": [2, 1], "datatype": "BYTES", "data": ["Rome", None]},
    ]


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ("list", [[1.0, 2.0], [3.0, 4.0]]),
        ("dict", [{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 4.0}]),
        ("columns", {"a": [1.0, 3.0], "b": [2.0, 4.0]}),
        ("flat", [1.0, 2.0, 3.0, 4.0]),
    ],
)
def test_custom_layouts(layout, expected):
    rows = Rows(data=np.array([[1.0, 2.0], [3.0, 4.0]]), names=("a", "b"))
    codec = CustomJson(request={"x": ["$rows"], "v": 1}, layout=layout)
    assert json.loads(codec.encode(rows, "").body) == {"x": [expected], "v": 1}


@pytest.mark.parametrize(
    ("layout", "expected"), [("list", [1.0, 2.0]), ("dict", {"a": 1.0, "b": 2.0})]
)
def test_custom_single_rows(layout, expected):
    codec = CustomJson(request={"x": "$row"}, layout=layout, answer="p")
    rows = Rows(data=np.array([[1.0, 2.0]]), names=("a", "b"))
    assert codec.rows_limit == 1
    assert json.loads(codec.encode(rows, "").body) == {"x": expected}
    for body in (b'{"p": [0.2, 0.8]}', b'{"p": [[0.2, 0.8]]}'):
        np.testing.assert_array_equal(decode(codec, body, 1).scores, [[0.2, 0.8]])
    np.testing.assert_array_equal(decode(codec, b'{"p": 0.3}', 1).scores, [[0.3]])


def decode(codec, body, n, headers=None):
    return codec.decode(Reply(200, Headers(headers or {}), body), n, "t")


def test_what_the_fast_way_of_writing_refuses_goes_the_long_way():
    template = {"seed": 10**30, "rows": "$rows"}
    body = CustomJson(request=template).encode(as_rows([[1.5]]), "").body
    assert json.loads(body) == {"seed": 10**30, "rows": [[1.5]]}


def test_answers_that_the_fast_way_of_reading_refuses_are_read_the_long_way():
    codec = CustomJson(answer="p")
    for text in ('{"p": [1, 2], "note": NaN}', '{"p": [1, 2], "note": "\\ud800"}'):
        np.testing.assert_array_equal(
            codec.decode(Reply(200, {}, text.encode()), 2, "").scores.ravel(), [1, 2]
        )
    wide = Reply(200, {}, '{"p": [1, 2]}'.encode("utf-16"))
    np.testing.assert_array_equal(codec.decode(wide, 2, "").scores.ravel(), [1, 2])


def test_custom_paths_labels_and_callables():
    codec = CustomJson(answer="data[*].scores")
    body = b'{"data": [{"scores": [1, 2.5]}, {"scores": [3, 4]}]}'
    np.testing.assert_array_equal(decode(codec, body, 2).scores, [[1, 2.5], [3, 4]])
    codec = CustomJson(answer="r", label_key="c", score_key="s")
    body = b'{"r": [[{"c": "y", "s": 0.9}, {"c": "n", "s": 0.1}]]}'
    assert decode(codec, body, 1).names == ("n", "y")
    codec = CustomJson(
        to_body=lambda rows: f"{len(rows)}".encode(),
        from_body=lambda body, n: np.frombuffer(body, "<f8").reshape(n, -1),
    )
    assert codec.encode(Rows(data=np.ones((3, 1))), "").body == b"3"
    assert decode(codec, np.arange(4.0).tobytes(), 2).scores.tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1), (5, 4, 2), (5, 4, 3), (5, 4, 4)])
def test_pictures_are_png(shape):
    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    read = np.asarray(Image.open(io.BytesIO(to_png(image))))
    np.testing.assert_array_equal(read.reshape(shape), image)
    codec = CustomJson(request={"picture": "$image_base64"})
    body = json.loads(codec.encode(Rows(data=image[None] / 255.0), "").body)
    again = np.asarray(Image.open(io.BytesIO(base64.b64decode(body["picture"]))))
    np.testing.assert_array_equal(again.reshape(shape), image)


@pytest.mark.parametrize(
    "image", [np.zeros((2, 2, 5)), np.full((2, 2), 1.5), np.zeros((2, 2), int)]
)
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(InputError, match="image must"):
        to_png(image)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"<html>", "not JSON"),
        (b'{"predictions": [[0.1, null]]}', "class 1 is null"),
        (b'{"predictions": [[0.1, true]]}', "class 1 is True, not a number"),
        (b'{"predictions": [["0.1", "0.9"]]}', "class 0 is '0.1', not a number"),
        (b'{"predictions": ["spam"]}', "answers with labels such as 'spam'"),
        (b'{"predictions": [[0.1], [0.2]]}', "2 rows for the 1 rows sent"),
        (b'{"predictions": [[]]}', "holds no scores"),
        (b'{"predictions": [{"a": [1.0], "b": [2.0]}]}', "name one of them with output="),
        (b'{"error": "no"}', "reports an error with status 200"),
        (b"{}", "no predictions"),
        (b"[1]", "must be an object"),
    ],
)
def test_answers_that_are_no_scores(body, message):
    with pytest.raises(Fault, match=message):
        decode(KServeV1(), body, 1)


def test_nothing_ragged():
    with pytest.raises(Fault, match="1 scores, but 2 for the first row") as caught:
        decode(KServeV1(), b'{"predictions": [[0.1, 0.9], [0.2]]}', 2)
    assert caught.value.row == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shape": [3, 1]}, "shape .3, 1. for the 2 rows sent"),
        ({"shape": [2, 2]}, "2 values for shape"),
        ({"shape": [2, True]}, "the shape of output"),
        ({"datatype": "BYTES", "data": ["spam", "ham"]}, "labels such as 'spam'.*output="),
        ({"datatype": "BYTES", "data": ["0.1", "0.9"]}, "the text '0.1', not a number"),
        ({"datatype": "BYTES", "data": ["0.1:0", "0.9:1"]}, "class 1 is missing or there twice"),
        ({"datatype": "BYTES", "data": ["x:0", "0.9:0"]}, "labels such as 'x:0'"),
        ({"data": [0.1, [0.2]]}, "ragged"),
        ({"name": "other"}, "no output 'p'"),
    ],
)
def test_v2_answers_that_are_no_scores(change, message):
    output = {"name": "p", "shape": [2, 1], "datatype": "FP64", "data": [0.1, 0.2]} | change
    with pytest.raises(Fault, match=message):
        decode(OpenInference(output="p"), json.dumps({"outputs": [output]}).encode(), 2)


def test_v2_several_outputs_need_a_name():
    output = {"shape": [1, 1], "datatype": "FP64", "data": [0.5]}
    body = json.dumps({"outputs": [output | {"name": n} for n in "ab"]}).encode()
    with pytest.raises(Fault, match="several outputs") as caught:
        decode(OpenInference(), body, 1)
    assert caught.value.verdict is Verdict.STOP
    assert decode(OpenInference(output="b"), body, 1).scores.tolist() == [[0.5]]


def test_v2_answers_to_another_request_are_refused():
    output = {"name": "p", "shape": [1, 1], "datatype": "FP64", "data": [0.5]}
    for own in ({"id": "t"}, {"id": ""}, {}):
        assert decode(OpenInference(), json.dumps(own | {"outputs": [output]}).encode(), 1)
    with pytest.raises(Fault, match="belongs to another request"):
        decode(OpenInference(), json.dumps({"id": "s", "outputs": [output]}).encode(), 1)


@pytest.mark.parametrize("size", ["999", "-1", "x"])
def test_v2_lengths_that_lie(size):
    body = b'{"outputs": []}'
    with pytest.raises(Fault):
        decode(OpenInference(), body, 1, {"inference-header-content-length": size})


def test_missing_labels_are_an_error():
    body = b'[{"label": "good", "score": 0.9}]'
    with pytest.raises(Fault, match="ask the server for all labels"):
        decode(HuggingFace(labels=("good", "bad")), body, 1)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["outputs", "predictions", "output", "data", "shape", "datatype", "name", "label"]
            )
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def outcome(codec, reply, n):
    """What an answer is read as: scores, or the fault that refuses it. All else goes through."""
    try:
        answer = codec.decode(reply, n, "t")
    except Fault as fault:
        return fault
    assert isinstance(answer, Answer)
    return answer.scores


def is_a_short_refusal(found):
    return isinstance(found, Fault) and len(str(found)) < 600


def are_scores_of(reply, n, found):
    """Whether there is a row of scores for each row sent, every one a number of the answer."""
    length = reply.headers.get("inference-header-content-length", len(reply.body))
    document, rest = json.loads(reply.body[: int(length)]), reply.body[int(length) :]
    said = set(numbers_in(document))
    said |= set(np.frombuffer(rest[: len(rest) // 8 * 8], "<f8").tolist())
    return (found.dtype, found.ndim, len(found)) == (np.float64, 2, n) and set(
        found[~np.isnan(found)].tolist()
    ) <= said


def numbers_in(document):
    if isinstance(document, dict):
        document = list(document.values())
    if isinstance(document, list):
        return [number for part in document for number in numbers_in(part)]
    return [float(document)] if isinstance(document, int | float) and document < 1e308 else []


@pytest.mark.parametrize("name", ALL)
@given(
    body=st.binary(max_size=60) | json_values.map(lambda v: json.dumps(v).encode()),
    n=st.integers(1, 3),
    length=st.none() | st.integers(0, 70).map(str),
)
def test_any_answer_is_read_as_what_it_says_or_refused(name, body, n, length):
    v2 = isinstance(ALL[name][0], OpenInference)  # others know nothing of binary parts
    headers = {"inference-header-content-length": length} if v2 and length else {}
    reply = Reply(200, Headers(headers), body)
    found = outcome(ALL[name][0], reply, n)
    assert is_a_short_refusal(found) or are_scores_of(reply, n, found)


@pytest.mark.parametrize("name", ALL)
@given(data=st.data())
def test_a_damaged_answer_is_read_as_what_it_says_or_refused(name, data):
    codec, path = ALL[name]
    rows = as_rows(["a"]) if name in TEXTUAL else Rows(data=np.ones((1, 4)), names=COLUMNS)
    protocol, _, message = received(codec, path, rows)
    whole = with_headers(reply_of(protocol, message, np.array([[0.2, 0.3, 0.5]]), 1))
    np.testing.assert_array_equal(outcome(codec, whole, 1), [[0.2, 0.3, 0.5]])
    body = bytearray(whole.body)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(len(body) - 1, 0)))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    reply = Reply(200, whole.headers, bytes(body))
    found = outcome(codec, reply, 1)
    assert is_a_short_refusal(found) or are_scores_of(reply, 1, found)


@pytest.mark.parametrize("name", ALL)
def test_deep_and_huge_answers_are_faults(name):
    for body in (b"[" * 100_000, b'{"predictions":[' + b"9" * 5000 + b"]}", b"1e999"):
        with pytest.raises(Fault):
            decode(ALL[name][0], body, 1)
