"""ONNX models: what goes in, what comes out, what is refused."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import onnx
import onnx_models as om
import onnxruntime
import pandas as pd
import polars as pl
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

import blackbox_xai as bx
from blackbox_xai.adapters.onnx.outputs import Output
from blackbox_xai.adapters.onnx.proto import _message, read_graph
from blackbox_xai.errors import AnswerError, InputError, LoadError, PredictError

W = np.array([[1.0, -1.0, 0.5], [0.0, 2.0, -0.5]])
X = np.array([[0.5, 1.0], [2.0, -1.0], [0.0, 0.0]])


def softmax(raw):
    powers = np.exp(raw - raw.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def test_scores_of_a_linear_model_from_bytes_path_and_session(tmp_path):
    content = om.linear(W)
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    for source in (
        content,
        bytearray(content),
        path,
        str(path),
        onnxruntime.InferenceSession(content),
    ):
        model = bx.as_model(source)
        assert isinstance(model, bx.OnnxModel)
        np.testing.assert_allclose(model.predict(X), X @ W, atol=1e-6)
        assert model.predict(X).dtype == np.float64


@pytest.mark.parametrize("labels", [["cat", "dog", "emu"], [3, 1, 2], [-5, 0, 7]])
def test_zipmap_gives_a_matrix_and_the_class_names(labels):
    content = om.zipmap(W, labels)
    model = bx.OnnxModel(content)
    np.testing.assert_allclose(model.predict(X), softmax(X @ W), atol=1e-6)
    assert model.output_names == tuple(map(str, labels))
    assert model.scale == "probability"


def test_zipmap_of_a_session_is_read_from_its_dictionaries():
    session = onnxruntime.InferenceSession(om.zipmap(W, ["a", "b", "c"]))
    np.testing.assert_allclose(bx.OnnxModel(session).predict(X), softmax(X @ W), atol=1e-6)


def test_scale_is_told_by_the_graph_or_else_by_the_first_answer():
    assert bx.OnnxModel(om.linear(W, softmax=True)).scale == "probability"
    assert bx.OnnxModel(om.linear(W)).scale == "score"
    passing = bx.OnnxModel(om.linear(np.eye(2)))
    passing.predict([[0.25, 0.75], [1.0, 0.0]])
    assert passing.scale == "probability"
    with pytest.raises(AnswerError, match=r"-1 for row 1, output 0, which is no probability"):
        passing.predict([[0.5, 0.5], [-1.0, 2.0]])
    logits = bx.OnnxModel(om.linear(np.eye(2)))
    logits.predict([[0.25, 0.75], [1.0, 0.1]])
    assert logits.scale == "score"
    logits.predict([[0.25, 0.75]])
    assert logits.scale == "score"


@pytest.mark.parametrize(
    ("activation", "expected"),
    [("softmax", softmax(X @ W)), ("sigmoid", 1 / (1 + np.exp(-(X @ W))))],
)
def test_logits_become_probabilities_only_when_told(activation, expected):
    model = bx.OnnxModel(om.linear(W), activation=activation)
    assert model.scale == "probability"
    np.testing.assert_allclose(model.predict(X), expected, atol=1e-6)
    with pytest.raises(InputError, match="activation must be one of 'softmax', 'sigmoid'"):
        bx.OnnxModel(om.linear(W), activation="relu")


def test_activation_of_huge_logits_is_finite():
    model = bx.OnnxModel(om.linear(np.eye(2)), activation="sigmoid")
    np.testing.assert_array_equal(model.predict([[1e30, -1e30]]), [[1.0, 0.0]])
    model = bx.OnnxModel(om.linear(np.eye(2)), activation="softmax")
    np.testing.assert_array_equal(model.predict([[1e30, -1e30]]), [[1.0, 0.0]])


def test_labels_are_refused_with_the_way_out():
    with pytest.raises(InputError, match=r"answers labels, not scores: 'label' tensor\(int64\)"):
        bx.OnnxModel(om.labels_only(3))


def test_several_outputs_need_a_name():
    with pytest.raises(InputError, match=r"Several outputs hold scores: \['same', 'minus'\]"):
        bx.OnnxModel(om.two_outputs())
    model = bx.OnnxModel(om.two_outputs(), output="minus")
    np.testing.assert_array_equal(model.predict([[1.0, 2.0]]), [[-1.0, -2.0]])
    with pytest.raises(InputError, match=r"output must be one of \['same', 'minus'\], got 'x'"):
        bx.OnnxModel(om.two_outputs(), output="x")


KINDS = {"age": om.INT64, "income": om.FLOAT, "city": om.STRING, "member": om.BOOL}
FRAME = pd.DataFrame(
    {"age": [30, 40], "income": [0.5, 1.5], "city": ["a", "b"], "member": [True, False]}
)
SUMS = np.array([[131.5], [241.5]])


@pytest.mark.parametrize(
    "inputs",
    [
        FRAME,
        FRAME[["city", "member", "income", "age"]],
        pl.from_pandas(FRAME),
        FRAME.to_numpy(),
        FRAME.to_numpy().tolist(),
        FRAME.astype({"age": float}),
        FRAME.astype({"member": int, "city": "category"}),
    ],
    ids=["frame", "permuted", "polars", "object array", "lists", "whole floats", "other types"],
)
def test_one_input_for_each_column(inputs):
    np.testing.assert_array_equal(bx.as_model(om.columns(KINDS)).predict(inputs), SUMS)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (FRAME.drop(columns="age"), "inputs lack the model's columns 'age'"),
        (FRAME.assign(extra=1), "columns that the model does not know: 'extra'"),
        (pd.concat([FRAME, FRAME[["age"]]], axis=1), "more than one column named 'age'"),
        (FRAME.assign(city=["a", None]), "row 1, column 'city': expected a text, got (None|nan)"),
        (FRAME.assign(city=["a", 5]), "row 1, column 'city': expected a text, got 5"),
        (FRAME.assign(age=[30, 40.5]), "row 1, column 'age': expected a whole number .*got 40.5"),
        (FRAME.assign(age=[30, np.nan]), "row 1, column 'age': expected a whole number .*got nan"),
        (FRAME.assign(age=[30, 2.0**63]), "row 1, column 'age': expected a whole number .*int64"),
        (FRAME.assign(age=[30, "x"]), "row 1, column 'age': expected a number, got 'x'"),
        (FRAME.assign(income=[0.5, np.nan]), "row 1, column 'income': expected a finite float32"),
        (FRAME.assign(income=[0.5, 1e39]), "row 1, column 'income': .*got 1e\\+39"),
        (FRAME.assign(income=[0.5, -np.inf]), "row 1, column 'income': .*got -inf"),
        (FRAME.assign(member=[1, 2]), r"row 1, column 'member': .*from 0 to 1 \(bool\), got 2"),
        (FRAME.assign(income=pd.to_datetime(["2020", "2021"])), "column 'income': expected a num"),
    ],
)
def test_a_frame_that_does_not_fit_is_refused_by_row_and_column(frame, message):
    with pytest.raises(InputError, match=message):
        bx.as_model(om.columns(KINDS)).predict(frame)


@pytest.mark.parametrize("vector", [True, False])
def test_inputs_of_several_columns_are_cut_by_position(vector):
    width = 1 if vector else 3
    model = bx.OnnxModel(om.two_inputs((2, width), vector=vector))
    rows = np.random.default_rng(0).normal(size=(5, 2 + width))
    np.testing.assert_allclose(model.predict(rows)[:, 0], rows.sum(1), atol=1e-5)
    frame = pd.DataFrame(rows, columns=list("vwxyz")[: 2 + width])
    np.testing.assert_allclose(model.predict(frame)[:, 0], rows.sum(1), atol=1e-5)
    with pytest.raises(InputError, match=r"takes the inputs 'a' \(n, 2\), 'b' .*columns in order"):
        model.predict(rows[:, :2])
    rows[3, 2] = np.nan
    with pytest.raises(InputError, match=r"inputs row 3, column 'b\[0\]'"):
        model.predict(rows)


def test_inputs_that_rows_cannot_be_are_refused():
    with pytest.raises(LoadError, match=r"input 'x' is a seq\(tensor\(float\)\), not a tensor"):
        bx.OnnxModel(om.of_sequence())


def test_functions_of_the_models_own_are_no_foreign_code():
    np.testing.assert_array_equal(bx.as_model(om.own_function()).predict([[3.0]]), [[6.0]])


def test_texts_in_a_matrix_of_one_column():
    kinds = {"city": om.STRING}
    model = bx.as_model(om.columns(kinds))
    for inputs in (["a", "b"], np.array(["a", "b"]), np.array([["a"], ["b"]]), FRAME[["city"]]):
        np.testing.assert_array_equal(model.predict(inputs), [[100.0], [200.0]])
    vector = bx.OnnxModel(om.texts())
    np.testing.assert_array_equal(vector.predict(np.array([["good"], ["bad"]])), [[1.0], [-1.0]])


def test_missing_cells_of_objects_pass_when_allowed():
    model = bx.OnnxModel(om.linear(np.eye(2)), allow_missing=True)
    cells = model._feeds.tensors(np.array([[1.0, None], [pd.NA, 2]], object))["x"]
    np.testing.assert_array_equal(cells, [[1.0, np.nan], [np.nan, 2.0]])


def test_rows_in_later_batches_are_named_by_their_number_in_the_inputs():
    rows = np.zeros((50, 2))
    rows[17, 1] = np.nan
    with pytest.raises(InputError, match="inputs row 17, column 1: expected a finite float32"):
        bx.OnnxModel(om.linear(W), batch_size=8).predict(rows)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((3, 5)), r"inputs have shape \(3, 5\), but the model's input 'x' takes \(n, 2\)"),
        (pd.DataFrame({"a": [1.0]}), r"takes \(n, 2\); the columns given are \['a'\]"),
        (np.zeros((3, 2, 2)), r"inputs have shape \(3, 2, 2\)"),
        ([[1.0, 2.0], [1.0]], "rows of equal length"),
        (np.array([[1.0, None]], object), "row 0, column 1: expected a number, got None"),
        (np.array([[1.0, "b"]], object), "row 0, column 1: expected a number, got 'b'"),
        (np.array([["1", "2"]]), "row 0, column 0: expected a number, got '1'"),
        (np.array([[1.0, 10**400]], object), "row 0, column 1: expected a finite"),
        (np.array([[1.0 + 1j, 0.0]]), "row 0, column 0: expected a number"),
        ("text", "inputs must be a batch, got one text"),
    ],
)
def test_bad_matrices_are_refused(inputs, message):
    with pytest.raises(InputError, match=message):
        bx.OnnxModel(om.linear(W)).predict(inputs)


@pytest.mark.parametrize(
    "inputs",
    [
        np.asfortranarray(X),
        np.repeat(X, 2, axis=0)[::2],
        X.astype(object),
        X.astype(np.float16),
        X.tolist(),
        pd.DataFrame(X),
        pl.DataFrame(X),
        pd.DataFrame(X).astype("Float64"),
    ],
    ids=["fortran", "strided", "object", "half", "lists", "pandas", "polars", "nullable"],
)
def test_matrices_in_any_form_give_the_same_scores(inputs):
    np.testing.assert_allclose(bx.OnnxModel(om.linear(W)).predict(inputs), X @ W, atol=1e-6)


def test_sparse_and_read_only_matrices():
    sparse = pytest.importorskip("scipy.sparse")
    model = bx.OnnxModel(om.linear(W), batch_size=2)
    for form in (sparse.csr_matrix, sparse.coo_matrix, sparse.csc_array):
        np.testing.assert_allclose(model.predict(form(X)), X @ W, atol=1e-6)
    frozen = X.copy()
    frozen.flags.writeable = False
    np.testing.assert_allclose(model.predict(frozen), X @ W, atol=1e-6)


@pytest.mark.parametrize("kind", [om.INT64, om.INT32, om.UINT8, om.BOOL, om.HALF, om.DOUBLE])
def test_inputs_are_cast_to_the_declared_type(kind):
    whole = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    model = bx.OnnxModel(om.linear(W, cast_from=kind))
    np.testing.assert_allclose(model.predict(whole), whole @ W, atol=1e-6)
    np.testing.assert_allclose(model.predict(whole.astype(bool)), whole @ W, atol=1e-6)


@pytest.mark.parametrize(
    ("kind", "value"),
    [(om.UINT8, 256), (om.UINT8, -1), (om.INT32, 2**31), (om.INT64, 2.0**63), (om.HALF, 70_000.0)],
)
def test_a_number_that_does_not_fit_the_declared_type_is_refused(kind, value):
    with pytest.raises(InputError, match=r"inputs row 1, column 0"):
        bx.OnnxModel(om.linear(W, cast_from=kind)).predict(np.array([[0, 0], [value, 0]]))


def test_float16_scores_come_back_as_float64():
    scores = bx.OnnxModel(om.linear(W, kind=om.HALF)).predict(X)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, X @ W, atol=2e-3)


def test_missing_values_pass_only_when_allowed():
    rows = np.array([[1.0, np.nan]])
    with pytest.raises(InputError, match="allow_missing=True"):
        bx.OnnxModel(om.linear(W)).predict(rows)
    allowed = bx.OnnxModel(om.linear(W), allow_missing=True)
    with pytest.raises(AnswerError, match="nan for row 0"):  # this model cannot make use of it
        allowed.predict(rows)
    with pytest.raises(InputError, match="got inf"):
        allowed.predict([[np.inf, 0.0]])


@pytest.mark.parametrize("n", [1, 7, 8, 9, 20])
def test_a_fixed_batch_is_filled_up_and_cut(n):
    model = bx.OnnxModel(om.linear(W, batch=8))
    rows = np.random.default_rng(0).normal(size=(n, 2))
    scores, cost = model.predict_counted(rows)
    np.testing.assert_allclose(scores, rows @ W, atol=1e-5)
    assert (cost.rows, cost.calls) == (n, -(-n // 8))
    with pytest.raises(InputError, match="takes exactly 8 rows at a time"):
        bx.OnnxModel(om.linear(W, batch=8), batch_size=4)


def test_texts_go_in_as_a_list():
    model = bx.OnnxModel(om.texts())
    np.testing.assert_array_equal(model.predict(["good", "so", "bad"]), [[1.0], [0.0], [-1.0]])
    with pytest.raises(InputError, match="row 1: expected a text, got None"):
        model.predict(["good", None])


HWC = np.random.default_rng(0).random((4, 5, 6, 3))


@pytest.mark.parametrize("images", [HWC, list(HWC), HWC.astype(np.float32)])
@pytest.mark.parametrize(
    ("shape", "axis"),
    [((3, 5, 6), 1), ((5, 6, 3), 3), ((3, "h", "w"), 1), (("h", "w", 3), 3)],
)
def test_images_are_turned_into_the_layout_of_the_model(shape, axis, images):
    model = bx.OnnxModel(om.image(shape, channel_axis=axis))
    np.testing.assert_allclose(model.predict(images), HWC.mean((1, 2)), atol=1e-6)


def test_an_undeclared_layout_is_asked_for():
    free = om.image(("a", "b", "c"), channel_axis=1)
    with pytest.raises(InputError, match="Pass channels='first' or channels='last'"):
        bx.OnnxModel(free).predict(HWC)
    first = bx.OnnxModel(free, channels="first").predict(HWC)
    np.testing.assert_allclose(first, HWC.mean((1, 2)), atol=1e-6)
    last = bx.OnnxModel(om.image(("a", "b", "c"), channel_axis=3), channels="last").predict(HWC)
    np.testing.assert_allclose(last, HWC.mean((1, 2)), atol=1e-6)


def test_grey_images_bytes_and_scaling():
    grey = HWC[..., 0]
    model = bx.OnnxModel(om.image((1, 5, 6)))
    np.testing.assert_allclose(model.predict(grey), grey.mean((1, 2))[:, None], atol=1e-6)
    pixels = (HWC * 255).astype(np.uint8)
    raw = bx.OnnxModel(om.image((3, 5, 6), kind=om.UINT8)).predict(pixels)
    np.testing.assert_allclose(raw, pixels.mean((1, 2)), rtol=1e-5)
    mean, std = np.array([10.0, 20.0, 30.0]), np.array([2.0, 4.0, 8.0])
    scaled = bx.OnnxModel(om.image((3, 5, 6)), mean=mean, std=std).predict(pixels)
    np.testing.assert_allclose(scaled, ((pixels - mean) / std).mean((1, 2)), rtol=1e-4)
    one = bx.OnnxModel(om.image((3, 5, 6)), std=255).predict(pixels)
    np.testing.assert_allclose(one, (pixels / 255).mean((1, 2)), rtol=1e-5)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 7, 7, 3)), r"do not fit the model's input \(n, 3, 5, 6\)"),
        (np.zeros((2, 5, 6, 4)), "convert their channels"),
        ([np.zeros((5, 6, 3)), np.zeros((4, 6, 3))], r"image 1 has \(4, 6, 3\)"),
        (np.zeros((2, 30)), r"must be images .*got shape \(2, 30\)"),
    ],
)
def test_images_that_do_not_fit_are_refused(images, message):
    with pytest.raises(InputError, match=message):
        bx.OnnxModel(om.image((3, 5, 6))).predict(images)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"std": 0.0}, "std must be finite numbers, not 0"),
        ({"mean": "x"}, "mean must be a number"),
        ({"channels": "middle"}, "channels must be one of 'first', 'last'"),
        ({"timeout": 0}, "timeout must be a number above 0"),
        ({"threads": -1}, "threads must be at least 0"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
    ],
)
def test_settings_are_checked(setting, message):
    with pytest.raises(InputError, match=message):
        bx.OnnxModel(om.image((3, 5, 6)), **setting)


def test_wrong_number_of_means():
    with pytest.raises(InputError, match="mean has 2 numbers, but inputs have 3 channels"):
        bx.OnnxModel(om.image((3, 5, 6)), mean=[1.0, 2.0]).predict(HWC)


def test_a_pickled_model_is_built_again_and_answers_the_same():
    model = bx.OnnxModel(om.zipmap(W, ["a", "b", "c"]))
    scores = model.predict(X)
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict(X), scores)
    assert again.output_names == model.output_names
    assert again._session() is model._session()  # equal models of a process share one session


def test_a_live_session_cannot_be_pickled():
    model = bx.OnnxModel(onnxruntime.InferenceSession(om.linear(W)))
    with pytest.raises(InputError, match="Pass its path or bytes instead"):
        pickle.dumps(model)


def test_same_bits_for_any_batch_size_and_thread():
    rows = np.random.default_rng(1).normal(size=(200, 2))
    scores = bx.OnnxModel(om.linear(W)).predict(rows)
    for size in (1, 7, 64):
        np.testing.assert_array_equal(
            bx.OnnxModel(om.linear(W), batch_size=size).predict(rows), scores
        )
    model = bx.OnnxModel(om.linear(W))
    found = [None] * 8
    threads = [
        threading.Thread(target=lambda i=i: found.__setitem__(i, model.predict(rows)))
        for i in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(one, scores) for one in found)


def test_an_endless_model_is_stopped_by_its_timeout():
    model = bx.OnnxModel(om.endless(), timeout=0.3)
    with pytest.raises(PredictError, match=r"was stopped after \d+\.\d s without") as caught:
        model.predict([[1.0]])
    assert float(str(caught.value).split()[5]) >= 0.3
    # Stopped and not left running, however long that takes on a busy machine.
    runs = [thread for thread in threading.enumerate() if thread.name == "onnx run"]
    for run in runs:
        run.join(60)
    assert not any(run.is_alive() for run in runs)


def test_ctrl_c_stops_an_endless_model():
    script = (
        "import signal, threading, os, onnx_models as om, blackbox_xai as bx\n"
        "model = bx.OnnxModel(om.endless())\n"
        "try:\n"
        "    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()\n"
        "    model.predict([[1.0]])\n"
        "except KeyboardInterrupt:\n"
        "    runs = [run for run in threading.enumerate() if run.name == 'onnx run']\n"
        "    for run in runs:\n        run.join(60)\n"
        "    print('stopped', not any(run.is_alive() for run in runs))\n"
    )
    folder = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert done.stdout.strip() == "stopped True", done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (pickle.dumps({"a": 1}), "is a pickle, not an ONNX model"),
        (b"PK\x03\x04rest", "is a zip archive"),
        (b"<!DOCTYPE html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "was not fetched"),
        (b"garbage" * 10, "is not an ONNX model"),
        (b"\x08\x08", "there is no graph in it"),
        (om.linear(W)[:60], "is not an ONNX model, or it is cut short"),
        (om.foreign_operator("com.evil"), r"operators of \['com.evil'\], which need a library"),
        (om.with_external("weights.bin"), "pass the path of the model instead of its bytes"),
    ],
)
def test_what_is_no_model_is_refused(content, message, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(LoadError, match=message):
        bx.as_model(content)
    if b"weights.bin" not in content:
        with pytest.raises(LoadError, match=message):
            bx.as_model(path)


def test_places_that_are_no_file(tmp_path):
    with pytest.raises(LoadError, match=r"cannot be opened: No such file"):
        bx.as_model(tmp_path / "absent.onnx")
    with pytest.raises(LoadError, match="is no file"):
        bx.as_model(tmp_path)
    with pytest.raises(LoadError, match="is no file"):
        bx.as_model("/dev/zero")
    (tmp_path / "m.onnx").write_bytes(om.linear(W))
    with pytest.raises(LoadError, match="more than max_bytes=10"):
        bx.OnnxModel(tmp_path / "m.onnx", max_bytes=10)


def test_a_future_format_is_refused_by_name():
    future = om.build(
        [helper.make_node("Neg", ["x"], ["y"])],
        [om.tensor("x", om.FLOAT, ["n", 1])],
        [om.tensor("y", om.FLOAT, ["n", 1])],
        ir_version=90,
    ).SerializeToString()
    with pytest.raises(LoadError, match="cannot be opened by onnxruntime"):
        bx.as_model(future)


@pytest.fixture
def external(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    weights = np.array([[2.0], [3.0]], np.float32).tobytes()
    (folder / "weights.bin").write_bytes(weights)
    (tmp_path / "secret.bin").write_bytes(weights)
    return folder


def save(folder, location):
    path = folder / "model.onnx"
    path.write_bytes(om.with_external(location))
    return path


def test_weights_beside_the_model_are_read(external):
    model = bx.as_model(save(external, "weights.bin"))
    np.testing.assert_array_equal(model.predict([[1.0, 10.0]]), [[32.0]])
    again = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(again.predict([[1.0, 10.0]]), [[32.0]])


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/hostname", "a/../../secret.bin"])
def test_weights_outside_the_folder_are_refused(external, location):
    with pytest.raises(LoadError, match="points to weights outside its folder"):
        bx.as_model(save(external, location))


def test_linked_and_missing_weights_are_refused(external):
    os.link(external.parent / "secret.bin", external / "hard.bin")
    (external.parent / "other.bin").write_bytes(bytes(8))
    (external / "soft.bin").symlink_to(external.parent / "secret.bin")
    (external / "up").symlink_to(external.parent)
    for location in ("hard.bin", "soft.bin", "up/other.bin"):
        with pytest.raises(LoadError, match="points to weights through a link"):
            bx.as_model(save(external, location))
    with pytest.raises(LoadError, match=r"misses its weights: 'gone\.bin'"):
        bx.as_model(save(external, "gone.bin"))


def test_a_model_that_changed_on_disk_is_not_mixed_up(external):
    path = save(external, "weights.bin")
    payload = pickle.dumps(bx.as_model(path))
    path.write_bytes(om.with_external("weights.bin") + b"\x12\x01x")
    with pytest.raises(LoadError, match=r"model.onnx changed since it was opened"):
        pickle.loads(payload).predict([[1.0, 1.0]])


def facts(content):
    """What the reader says of a file; None when it refuses it as the caller expects."""
    try:
        graph = read_graph(content)
    except ValueError:
        return None
    return graph.ir_version, graph.outputs, graph.domains


def facts_of_onnx(content):
    """The same, as the onnx package reads them."""
    try:
        model = onnx.load_model_from_string(content)
    except DecodeError:
        return None
    own = {function.domain for function in model.functions}
    outputs = [readable(output.name) for output in model.graph.output]
    domains = {readable(node.domain) for node in model.graph.node} - own
    return (model.ir_version, outputs, domains) if model.HasField("graph") else None


def readable(text):
    return text.decode("utf-8", "replace") if isinstance(text, bytes) else text


@given(st.binary(max_size=300))
def test_the_reader_refuses_what_is_no_model(content):
    assert facts(content) in (None, facts_of_onnx(content))


@given(st.data())
def test_of_a_damaged_model_the_reader_says_what_onnx_says(data):
    content = bytearray(om.zipmap(W, ["a", "b", "c"]))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    theirs = facts_of_onnx(bytes(content))
    # What the reader skips may be damaged: then it reads on where onnx does not.
    assert theirs is None or facts(bytes(content)) in (None, theirs)


def test_of_a_field_that_is_there_twice_the_last_counts():
    content = om.zipmap(W, ["a", "b", "c"])
    twice = content.replace(b"\n\x05label", b"\n\x02ab\n\x01c")  # the first output
    assert facts(content)[1] == ["label", "prob"]
    assert facts(twice) == facts_of_onnx(twice) == (8, ["c", "prob"], {"", "ai.onnx.ml"})


def test_a_model_of_graphs_in_graphs_in_graphs_is_refused():
    graph = b""
    for _ in range(2000):
        graph = _message(1, _message(5, _message(6, graph)))  # node, attribute, graph
    with pytest.raises(LoadError, match="its graphs are nested too deeply"):
        bx.as_model(_message(7, graph))


def test_classes_that_change_from_row_to_row_are_refused():
    output = Output("prob")
    np.testing.assert_array_equal(output.matrix([{"a": 1.0, "b": 2.0}] * 2), [[1, 2], [1, 2]])
    for odd in ({"b": 2.0, "a": 1.0}, {"a": 1.0}, {"a": 1.0, "c": 1.0}):
        with pytest.raises(AnswerError, match=r"for row 1, but \['a', 'b'\] for row 0"):
            output.matrix([{"a": 1.0, "b": 2.0}, odd])


def test_a_forked_process_builds_its_own_session():
    script = (
        "import os, signal, numpy as np, onnx_models as om, blackbox_xai as bx\n"
        "model = bx.OnnxModel(om.linear(np.ones((300, 300))), threads=2)\n"
        "x = np.ones((2000, 300))\n"
        "scores = model.predict(x)\n"
        "if os.fork() == 0:\n"
        "    signal.alarm(600)\n"
        "    os._exit(0 if np.array_equal(model.predict(x), scores) else 1)\n"
        "print(os.wait()[1])\n"
    )
    folder = Path(__file__).parent
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert done.stdout.strip() == "0"


def test_facts_of_a_graph():
    graph = read_graph(om.zipmap(W, ["a", "b", "c"]))
    assert graph.domains == {"", "ai.onnx.ml"}
    assert graph.zipmaps["prob"].labels == ("a", "b", "c")
    assert (graph.zipmaps["prob"].matrix, graph.maker("prob")) == ("matrix", "Softmax")
    assert read_graph(om.endless()).domains == {""}
    assert read_graph(om.with_external("w.bin")).external == ["w.bin"]


def test_fingerprints_tell_models_and_settings_apart():
    marks = {
        bx.OnnxModel(om.linear(W)).fingerprint(),
        bx.OnnxModel(om.linear(2 * W)).fingerprint(),
        bx.OnnxModel(om.linear(W), activation="softmax").fingerprint(),
        bx.OnnxModel(om.two_outputs(), output="same").fingerprint(),
        bx.OnnxModel(om.two_outputs(), output="minus").fingerprint(),
        bx.OnnxModel(om.image((3, 5, 6))).fingerprint(),
        bx.OnnxModel(om.image((3, 5, 6)), mean=1.0).fingerprint(),
    }
    assert len(marks) == 7
    model = bx.OnnxModel(om.linear(W), batch_size=3)
    assert model.fingerprint() == bx.OnnxModel(om.linear(W)).fingerprint()
    assert bx.OnnxModel(onnxruntime.InferenceSession(om.linear(W))).fingerprint() is None
