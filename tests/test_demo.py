"""The embedded model and data are whole and belong together."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from sklearn.datasets import load_breast_cancer

import blackbox_xai as bx


def test_rows_are_those_of_the_data_set_each_once() -> None:
    demo = bx.load_demo()
    data = load_breast_cancer()
    assert demo.feature_names == tuple(data.feature_names)
    assert demo.output_names == tuple(data.target_names)
    rows = {tuple(row): target for row, target in zip(data.data, data.target, strict=True)}
    assert [rows[tuple(row)] for row in demo.x] == list(demo.y)
    ours = {tuple(row) for row in np.concatenate([demo.x, demo.background])}
    assert ours == set(rows)
    assert len(demo.x) + len(demo.background) == len(data.data)


def test_the_model_answers_with_two_probabilities_and_is_mostly_right() -> None:
    demo = bx.load_demo()
    session = onnxruntime.InferenceSession(demo.model_path)
    (scores,) = session.run(["probabilities"], {"rows": demo.x.astype(np.float32)})
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-6)
    assert (scores.argmax(axis=1) == demo.y).mean() > 0.93


def test_the_fingerprint_is_that_of_the_file() -> None:
    demo = bx.load_demo()
    assert demo.sha256 == hashlib.sha256(Path(demo.model_path).read_bytes()).hexdigest()
    assert demo.model_path.stat().st_size < 300_000


def test_demo_is_frozen() -> None:
    with pytest.raises(AttributeError):
        bx.load_demo().x = np.zeros((1, 30))
