"""Small ONNX models of every shape that an adapter meets, with answers known in closed form."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FLOAT, DOUBLE, HALF = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16
INT64, INT32, UINT8, BOOL, STRING = (
    TensorProto.INT64,
    TensorProto.INT32,
    TensorProto.UINT8,
    TensorProto.BOOL,
    TensorProto.STRING,
)


def tensor(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def build(nodes, inputs, outputs, weights=(), *, ml=False, extra_domains=(), ir_version=8):
    initializers = [numpy_helper.from_array(np.asarray(w), name) for name, w in weights]
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializers)
    opsets = [helper.make_opsetid("", 13)]
    if ml:
        opsets.append(helper.make_opsetid("ai.onnx.ml", 3))
    opsets += [helper.make_opsetid(domain, 1) for domain in extra_domains]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)


def linear(weights, *, kind=FLOAT, batch="n", softmax=False, cast_from=None):
    """``x @ weights`` (d, k), in ``kind``; ``cast_from`` is the type of the input."""
    d, k = np.shape(weights)
    dtype = helper.tensor_dtype_to_np_dtype(kind)
    first = "x" if cast_from is None else "y"
    nodes = [] if cast_from is None else [helper.make_node("Cast", ["x"], ["y"], to=kind)]
    nodes.append(helper.make_node("MatMul", [first, "w"], ["raw" if softmax else "scores"]))
    if softmax:
        nodes.append(helper.make_node("Softmax", ["raw"], ["scores"], axis=1))
    return build(
        nodes,
        [tensor("x", cast_from or kind, [batch, d])],
        [tensor("scores", kind, [batch, k])],
        [("w", np.asarray(weights, dtype))],
    ).SerializeToString()


def zipmap(weights, labels):
    """Softmax scores as a list of dictionaries, beside an output of labels."""
    d = len(weights)
    names = {"classlabels_int64s" if isinstance(labels[0], int) else "classlabels_strings": labels}
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["raw"]),
        helper.make_node("Softmax", ["raw"], ["matrix"], axis=1),
        helper.make_node("ArgMax", ["matrix"], ["label"], axis=1, keepdims=0),
        helper.make_node("ZipMap", ["matrix"], ["prob"], domain="ai.onnx.ml", **names),
    ]
    key = INT64 if isinstance(labels[0], int) else STRING
    dictionary = helper.make_map_type_proto(key, helper.make_tensor_type_proto(FLOAT, []))
    outputs = [
        tensor("label", INT64, ["n"]),
        helper.make_value_info("prob", helper.make_sequence_type_proto(dictionary)),
    ]
    weights = [("w", np.asarray(weights, np.float32))]
    model = build(nodes, [tensor("x", FLOAT, ["n", d])], outputs, weights, ml=True)
    return model.SerializeToString()


def labels_only(d):
    nodes = [helper.make_node("ArgMax", ["x"], ["label"], axis=1, keepdims=0)]
    return build(
        nodes, [tensor("x", FLOAT, ["n", d])], [tensor("label", INT64, ["n"])]
    ).SerializeToString()


def columns(kinds):
    """One ``(n, 1)`` input for each name; the score is the sum of the columns, texts count 0."""
    nodes, summed = [], []
    for name, kind in kinds.items():
        if kind == STRING:
            nodes += [
                helper.make_node(
                    "LabelEncoder",
                    [name],
                    [f"{name}_n"],
                    domain="ai.onnx.ml",
                    keys_strings=["a", "b"],
                    values_floats=[100.0, 200.0],
                    default_float=0.0,
                )
            ]
        else:
            nodes += [helper.make_node("Cast", [name], [f"{name}_n"], to=FLOAT)]
        summed.append(f"{name}_n")
    nodes.append(helper.make_node("Sum", summed, ["score"]))
    return build(
        nodes,
        [tensor(name, kind, ["n", 1]) for name, kind in kinds.items()],
        [tensor("score", FLOAT, ["n", 1])],
        ml=True,
    ).SerializeToString()


def image(shape, *, kind=FLOAT, channel_axis=1):
    """The mean of each channel, shape ``(n, channels)``; ``shape`` has no batch dimension."""
    axes = [2, 3] if channel_axis == 1 else [1, 2]
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=FLOAT),
        helper.make_node("ReduceMean", ["pixels"], ["means"], axes=axes, keepdims=0),
    ]
    return build(
        nodes,
        [tensor("image", kind, ["n", *shape])],
        [tensor("means", FLOAT, ["n", None])],
    ).SerializeToString()


def texts():
    """Scores of single texts: 1 for "good", -1 for "bad", else 0; input shape ``(n,)``."""
    encoder = helper.make_node(
        "LabelEncoder",
        ["text"],
        ["score"],
        domain="ai.onnx.ml",
        keys_strings=["good", "bad"],
        values_floats=[1.0, -1.0],
        default_float=0.0,
    )
    return build(
        [encoder], [tensor("text", STRING, ["n"])], [tensor("score", FLOAT, ["n"])], ml=True
    ).SerializeToString()


def two_outputs():
    nodes = [
        helper.make_node("Identity", ["x"], ["same"]),
        helper.make_node("Neg", ["x"], ["minus"]),
    ]
    return build(
        nodes,
        [tensor("x", FLOAT, ["n", 2])],
        [tensor("same", FLOAT, ["n", 2]), tensor("minus", FLOAT, ["n", 2])],
    ).SerializeToString()


def endless():
    """A loop of 2**40 rounds."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Add", ["state", "state"], ["next"]),
        ],
        "body",
        [tensor("i", INT64, []), tensor("go", BOOL, []), tensor("state", FLOAT, ["n", 1])],
        [tensor("go_on", BOOL, []), tensor("next", FLOAT, ["n", 1])],
    )
    nodes = [helper.make_node("Loop", ["rounds", "yes", "x"], ["out"], body=body)]
    return build(
        nodes,
        [tensor("x", FLOAT, ["n", 1])],
        [tensor("out", FLOAT, ["n", 1])],
        [("rounds", np.array(1 << 40, np.int64)), ("yes", np.array(True))],
    ).SerializeToString()


def foreign_operator(domain):
    node = helper.make_node("Run", ["x"], ["y"], domain=domain)
    return build(
        [node],
        [tensor("x", FLOAT, ["n", 1])],
        [tensor("y", FLOAT, ["n", 1])],
        extra_domains=[domain],
    ).SerializeToString()


def with_external(location):
    """A linear model whose weights (2, 1) float32 are in the file ``location``."""
    model = build(
        [helper.make_node("MatMul", ["x", "w"], ["scores"])],
        [tensor("x", FLOAT, ["n", 2])],
        [tensor("scores", FLOAT, ["n", 1])],
        [("w", np.zeros((2, 1), np.float32))],
    )
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", "8")):
        weight.external_data.add(key=key, value=value)
    return model.SerializeToString()


def two_inputs(widths, *, vector=False):
    """The row sums of two float inputs of these widths, added; the second may be a vector."""
    shapes = [["n", widths[0]], ["n"] if vector else ["n", widths[1]]]
    nodes = [
        helper.make_node("ReduceSum", ["a", "axis"], ["sum_a"], keepdims=0),
        helper.make_node("Identity", ["b"], ["sum_b"])
        if vector
        else helper.make_node("ReduceSum", ["b", "axis"], ["sum_b"], keepdims=0),
        helper.make_node("Add", ["sum_a", "sum_b"], ["score"]),
    ]
    return build(
        nodes,
        [tensor("a", FLOAT, shapes[0]), tensor("b", FLOAT, shapes[1])],
        [tensor("score", FLOAT, ["n"])],
        [("axis", np.array([1], np.int64))],
    ).SerializeToString()


def own_function():
    """``2 x`` by a function that the model defines itself, in a domain of its own."""
    function = helper.make_function(
        "mine",
        "Twice",
        ["v"],
        ["w"],
        [helper.make_node("Add", ["v", "v"], ["w"])],
        [helper.make_opsetid("", 13)],
    )
    model = build(
        [helper.make_node("Twice", ["x"], ["y"], domain="mine")],
        [tensor("x", FLOAT, ["n", 1])],
        [tensor("y", FLOAT, ["n", 1])],
        extra_domains=["mine"],
    )
    model.functions.append(function)
    return model.SerializeToString()


def of_sequence():
    """A model whose input is a sequence, which rows cannot be."""
    kind = helper.make_sequence_type_proto(helper.make_tensor_type_proto(FLOAT, ["n", 1]))
    node = helper.make_node("SequenceAt", ["x", "first"], ["y"])
    return build(
        [node],
        [helper.make_value_info("x", kind)],
        [tensor("y", FLOAT, ["n", 1])],
        [("first", np.array(0, np.int64))],
    ).SerializeToString()
