"""The parts of an audit: pure functions that put findings together."""

from __future__ import annotations

import numpy as np
import pytest

import blackbox_xai as bx
from blackbox_xai.report import measures
from blackbox_xai.report.rows import row_record
from blackbox_xai.report.subject import file_facts
from blackbox_xai.report.verdict import verdict


def test_wilson_intervals_cover_at_their_rate():
    rng = np.random.default_rng(0)
    covered = 0
    for hits in rng.binomial(40, 0.9, size=2000):
        low, high = measures.rate_interval(int(hits), 40)
        covered += low <= 0.9 <= high
    assert 0.92 <= covered / 2000 <= 0.98
    assert measures.rate_interval(0, 0) == (0.0, 1.0)
    assert measures.rate_interval(5, 5)[1] == 1.0


def test_a_calibrated_model_is_within_its_null():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.5, 1, size=400)
    correct = rng.random(400) < confidence
    error = measures.calibration_error(confidence, correct)
    mean, high = measures.calibration_null(confidence, rng)
    assert error < high
    assert measures.calibration_error(np.ones(400), rng.random(400) < 0.7) > 0.25
    assert 0 < mean < high


def test_labels_may_be_names_positions_or_floats():
    names = ("no", "yes")
    for labels in (["yes", "no"], [1, 0], np.array([1.0, 0.0]), [True, False]):
        assert measures.label_places(labels, names).tolist() == [1, 0]
    assert measures.label_places([1, 0], ("p",)).tolist() == [1, 0]


def test_points_of_a_map_keep_their_shape():
    points = measures.compact(np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 2.0]]))
    assert points.min() >= 0
    assert points.max() <= 65535
    sides = [np.hypot(*(points[i] - points[0])) for i in (1, 2)]
    assert sides[0] / sides[1] == pytest.approx(2, rel=1e-3)
    assert measures.compact(np.zeros((2, 2))).tolist() == [[32768, 32768]] * 2


def test_a_row_lists_at_most_fifty_features():
    d = 80
    masker = bx.TabularMasker(np.zeros((1, d)))
    why = bx.Occlusion().explain(lambda X: X @ np.arange(d), np.ones(d), masker)
    record = row_record(why, 0, max_features=100)
    assert len(record["features"]) == 50
    assert record["rest"]["count"] == 30
    assert record["rest"]["phi"] == pytest.approx(sum(range(30)))


def test_intervals_are_those_of_the_explanation():
    rng = np.random.default_rng(0)
    masker = bx.TabularMasker(rng.normal(size=(5, 12)))
    why = bx.KernelShap(budget=400).explain(lambda X: X.prod(axis=1), rng.normal(size=12), masker)
    record = row_record(why, 0, max_features=12)
    assert len(record["features"]) == 12
    for feature in record["features"]:
        i = why.feature_names.index(feature["name"])
        assert feature["se"] == why.std_err[i, 0] > 0
        assert feature["low"] == pytest.approx(why.low[i, 0])
        assert feature["high"] == pytest.approx(why.high[i, 0])


def test_failed_cards_come_first():
    bad = {
        "kind": "classes",
        "n": 10,
        "correct": {"value": 0.5, "low": 0.2, "high": 0.8},
        "majority": 0.6,
        "calibration": None,
    }
    odd = {"flagged": 9, "n": 10, "alpha": 0.05}
    cards = verdict({"unusual": odd, "truth": bad})
    assert [card["mark"] for card in cards] == ["fail", "warn"]


def test_files_are_known_by_their_hash(tmp_path):
    (tmp_path / "m.bin").write_bytes(b"abc")
    facts = file_facts(tmp_path / "m.bin")
    assert facts["bytes"] == 3
    assert facts["sha256"].startswith("ba7816bf8f01cfea414140de5dae2223")
