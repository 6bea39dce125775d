"""The types that users see: checked by mypy and pyright, never run."""

from __future__ import annotations

from typing import assert_type

import numpy as np

import blackbox_xai as bx
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.demo import Demo
from blackbox_xai.ledger import Ledger
from blackbox_xai.protocols import FloatArray, Masker, Model
from blackbox_xai.results import Explanation, Explanations

demo = bx.load_demo()
assert_type(demo, Demo)
assert_type(demo.x, FloatArray)

# A model is chosen once; every adapter is one.
model = bx.as_model(demo.model_path, output_names=demo.output_names, scale="probability")
assert_type(model, Adapter)
assert_type(model.predict(demo.x), FloatArray)
_: Model = model

# Every masker serves every explainer.
tables: Masker = bx.TabularMasker(demo.background, feature_names=demo.feature_names)
images: Masker = bx.ImageMasker(bx.Grid(rows=4, columns=4), fill=0)
texts: Masker = bx.TextMasker(unit="type")

why = bx.Shapley(budget=2_000, random_state=1).explain(model, demo.x[0], tables)
assert_type(why, Explanation)
assert_type(why.values, FloatArray)
assert_type(why.std_err, FloatArray | None)
assert_type(why.cost, Ledger)
assert_type(why.feature_names, tuple[str, ...])
assert_type(why.to_json(), str)
assert_type(Explanation.from_json(why.to_json()), Explanation)

many = bx.Lime(n_samples=500).explain_many(model, demo.x, tables, n_jobs=2, progress=True)
assert_type(many, Explanations)
assert_type(many.cost, Ledger)

# Misspelt settings and arguments are errors for the checkers, too.
bx.Shapley(buget=2_000)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
bx.Lime(500)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
bx.Occlusion().explain(model, demo.x[0])  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
bx.as_model(demo.model_path, scale="logits")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

# A user's own model needs no base class.


class Own:
    """A constant model."""

    output_names = ("one",)
    scale = "value"
    parallel = "threads"

    def predict(self, inputs: FloatArray) -> FloatArray:
        """Return 1 for every row."""
        return np.ones((len(inputs), 1))


bx.as_model(Own())
