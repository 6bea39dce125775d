"""The audit: true numbers, exact ledgers, budgets kept, same seed same bits."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import blackbox_xai as bx
from blackbox_xai.errors import BudgetError, InputError, Interrupted, LoadError, PredictError
from blackbox_xai.report.audit import SECTIONS, Audit
from blackbox_xai.report.case import Guard
from blackbox_xai.report.local import choose_rows, most_alike

WEIGHTS = np.array([3.0, -2.0, 0.0, 1.0])


def scores(X):
    p = 1 / (1 + np.exp(-np.asarray(X, dtype=float) @ WEIGHTS))
    return np.column_stack([1 - p, p])


class Spy(bx.CallableModel):
    """Counts what really reaches the model."""

    def __init__(self, function=scores, fail_after=None, error=None):
        super().__init__(function, output_names=["no", "yes"], scale="probability")
        self.calls = self.rows = 0
        self.fail_after = fail_after
        self.error = error or RuntimeError("model is down")

    def _predict_batch(self, batch):
        if self.fail_after is not None and self.rows + len(batch) > self.fail_after:
            raise self.error
        self.calls += 1
        self.rows += len(batch)
        return super()._predict_batch(batch)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X, background = rng.normal(size=(60, 4)), rng.normal(size=(80, 4))
    y = (rng.random(60) < scores(X)[:, 1]).astype(int)
    return X, y, background


@pytest.fixture(scope="module")
def whole(table):
    X, y, background = table
    spy = Spy()
    names = ["a", "b", "c", "d"]
    report = bx.audit(
        spy,
        X,
        y,
        background=background,
        feature_names=names,
        n_explain=9,
        about={"title": "A test", "model": "toy", "data": {"name": "made"}, "command": "here"},
    )
    return spy, report


# --- what is found -------------------------------------------------------------------------------


def test_every_section_is_made_and_nothing_stopped(whole):
    _, report = whole
    assert set(SECTIONS) <= report.document.keys()
    assert report.complete
    assert not report.document["limits"]["warnings"] or all(report.document["limits"]["warnings"])


def test_the_ledger_adds_up_to_what_the_model_saw(whole):
    spy, report = whole
    ledger = report.document["ledger"]
    for unit, seen in (("rows", spy.rows), ("calls", spy.calls)):
        assert ledger["total"][unit] == seen
        assert sum(stage[unit] for stage in ledger["stages"]) == seen
    assert [stage["stage"] for stage in ledger["stages"]] == list(SECTIONS)


def test_rates_are_those_of_the_data(whole, table):
    X, y, _ = table
    truth = whole[1].document["truth"]
    correct = scores(X).argmax(axis=1) == y
    assert truth["correct"]["value"] == correct.mean()
    assert truth["correct"]["low"] < correct.mean() < truth["correct"]["high"]
    for cohort in truth["cohorts"]:
        label = ["no", "yes"].index(cohort["name"].removeprefix("truly "))
        assert cohort["correct"]["value"] == correct[y == label].mean()
    assert sum(bin_["n"] for bin_ in truth["calibration"]["bins"]) == len(X)
    wrong = [row["row"] for row in truth["wrong"]]
    assert not correct[wrong].any()
    confidence = scores(X).max(axis=1)[wrong]
    assert (np.diff(confidence) <= 0).all()


def test_effects_lead_from_base_to_score(whole, table):
    X, _, _ = table
    for record in whole[1].document["rows"]["items"]:
        total = sum(feature["phi"] for feature in record["features"])
        assert record["base"] + total == pytest.approx(record["score"], abs=1e-9)
        assert record["adds_up"]
        assert record["score"] == pytest.approx(scores(X[[record["row"]]]).max())


def test_a_feature_the_model_ignores_drives_nothing(whole):
    drivers = whole[1].document["drivers"]
    mean = {feature["name"]: feature["mean"] for feature in drivers["features"]}
    assert mean["a"] == max(mean.values())
    assert mean["c"] < 0.02 * mean["a"]
    assert drivers["unit"] == "probability of yes"
    assert all(f["low"] <= f["mean"] <= f["high"] for f in drivers["features"])


def test_drivers_are_taken_from_random_rows_only(whole):
    document = whole[1].document
    assert document["drivers"]["n"] == len(document["rows"]["sampled"])
    assert document["drivers"]["n"] < len(document["rows"]["items"])


def test_the_rows_explained_are_some_wrong_some_unusual_most_random():
    special = [np.array([5, 6]), np.array([6, 7])]
    sampled, picked = choose_rows(100, 12, special, np.random.default_rng(0))
    assert picked.tolist() == [5, 6, 7]
    assert len(sampled) == 9
    assert not set(sampled) & set(picked)
    sampled, picked = choose_rows(3, 12, special, np.random.default_rng(0))
    assert sampled.tolist() == [0, 1, 2]
    assert not len(picked)


def test_the_map_shows_all_rows_and_their_predictions(whole, table):
    X, _, _ = table
    found = whole[1].document["map"]
    assert found["rows"] == "all"
    assert sum(found["counts"]) == len(X)
    said = np.bincount(scores(X).argmax(axis=1), minlength=2)
    assert dict(zip(found["names"], found["counts"], strict=True)) == {
        "no": said[0],
        "yes": said[1],
    }


def test_a_planted_stranger_is_the_most_unusual(table):
    X, _, background = table
    X = X.copy()
    X[17] = [0.0, 0.0, 40.0, 0.0]
    report = bx.audit(scores, X, background=background, sections=["unusual"])
    assert report.document["unusual"]["rows"][0]["row"] == 17
    assert report.document["ledger"]["total"]["rows"] == 0


def test_the_surrogate_of_a_rule_is_that_rule(table):
    X, _, background = table
    report = bx.audit(
        lambda X: (np.asarray(X)[:, 1] > 0.5) * 1.0,
        X,
        background=background,
        feature_names=list("abcd"),
        sections=["surrogate"],
    )
    found = report.document["surrogate"]
    assert found["r2"]["value"] > 0.9
    assert found["tree"]["at_most"] == pytest.approx(0.5, abs=0.3)


def test_explanations_beat_chance_and_keep_the_laws(whole):
    document = whole[1].document
    assert document["trust"]["beats_random"]["low"] > 0
    assert {gate["result"] for gate in document["gates"]["gates"]} <= {"pass", "not applicable"}
    assert document["gates"]["noise"]["high"] < 0.5
    assert len(document["agreement"]["pairs"]) == 3


def test_regressions_have_errors_not_rates(table):
    X, _, background = table
    noise = np.random.default_rng(1).normal(scale=0.1, size=60)
    y = X @ WEIGHTS + noise
    model = bx.as_model(lambda X: np.asarray(X) @ WEIGHTS, scale="value", output_names=["price"])
    report = bx.audit(model, X, y, background=background, sections=["truth"])
    truth = report.document["truth"]
    assert truth["error"]["value"] == pytest.approx(np.abs(noise).mean())
    assert truth["r2"] == pytest.approx(1 - (noise**2).sum() / ((y - y.mean()) ** 2).sum())
    assert truth["unit"] == "units of price"
    assert report.document["verdict"][0]["mark"] == "pass"


def test_texts_are_audited_word_by_word():
    texts = ["so good", "bad bad film", "good and bad", "", "fine"] * 4
    model = bx.as_model(
        lambda batch: np.array([[t.count("good") - t.count("bad")] for t in batch], float),
        scale="value",
        output_names=["praise"],
    )
    report = bx.audit(model, texts, n_explain=20, sections=["rows", "map"])
    for record in report.document["rows"]["items"]:
        assert "".join(piece for piece, _ in record["text"]["pieces"]) == texts[record["row"]]
        effects = {f["name"]: f["phi"] for f in record["features"]}
        assert effects.get("good", 1) == pytest.approx(1)
        assert effects.get("bad", -1) == pytest.approx(-1)
        for piece, level in record["text"]["pieces"]:
            assert np.sign(level) == {"good": 1, "bad": -1}.get(piece, 0)
    assert "drivers" not in report.document


def test_images_are_audited_segment_by_segment():
    rng = np.random.default_rng(0)
    images = rng.uniform(0.5, 1, size=(6, 16, 16))
    model = bx.as_model(lambda X: np.asarray(X)[:, :8, :8].mean(axis=(1, 2)), scale="value")
    labels = np.kron(np.arange(4).reshape(2, 2), np.ones((8, 8), dtype=int))
    masker = bx.ImageMasker(labels, fill=0.0)
    report = bx.audit(model, images, masker=masker, n_explain=3, sections=["rows", "map"])
    for record in report.document["rows"]["items"]:
        assert record["features"][0]["name"] == "segment 0"
        assert record["features"][1]["phi"] == pytest.approx(0)
        assert record["image"]["input"].startswith("data:image/webp;base64,")
        assert record["image"]["width"] == 16


# --- same seed, same bits; JSON ------------------------------------------------------------------


def without_timing(report):
    return {key: part for key, part in report.document.items() if key != "timing"}


def test_same_seed_same_document_for_any_number_of_workers(whole, table):
    X, y, background = table
    again = bx.audit(
        Spy(),
        X,
        y,
        background=background,
        feature_names=["a", "b", "c", "d"],
        n_explain=9,
        n_jobs=2,
        about={"title": "A test", "model": "toy", "data": {"name": "made"}, "command": "here"},
    )
    first, second = without_timing(whole[1]), without_timing(again)
    first["subject"]["model"]["adapter"] = second["subject"]["model"]["adapter"]
    assert json.dumps(first) == json.dumps(second)


def test_json_comes_back_whole(whole, tmp_path):
    report = whole[1]
    assert Audit.from_json(report.to_json()).document == report.document
    report.save(tmp_path / "a.json")
    assert Audit.from_json((tmp_path / "a.json").read_text()).document == report.document
    with pytest.raises(InputError, match="path's suffix must be one of"):
        report.save(tmp_path / "a.txt")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "must be an audit of format"),
        ('{"format": "blackbox_xai.audit/1"}', "not a whole audit"),
    ],
)
def test_other_json_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        Audit.from_json(text)


def test_numbers_that_are_not_finite_do_not_reach_the_json(table):
    X, _, background = table
    report = bx.audit(lambda X: np.full(len(X), 0.5), X, background=background, n_explain=4)
    json.loads(report.to_json(), parse_constant=pytest.fail)
    assert any("same answer" in text for text in report.document["limits"]["warnings"])
    assert report.to_html()


# --- budgets, failures, Ctrl-C -------------------------------------------------------------------


@pytest.mark.parametrize("budget", [60, 100, 1500, 20_000])
def test_a_budget_is_never_exceeded(table, budget):
    X, y, background = table
    spy = Spy()
    report = bx.audit(spy, X, y, background=background, n_explain=6, budget=budget, n_jobs=2)
    assert spy.rows <= budget
    assert report.document["ledger"]["total"]["rows"] == spy.rows
    assert report.complete == (not report.document["ledger"]["stopped"])
    assert report.document["truth"] is not None
    if budget < 20_000:
        assert not report.complete
        assert report.document["verdict"][0]["mark"] in ("warn", "fail")
    assert report.to_html()


def test_a_budget_below_the_rows_of_x_sends_nothing(table):
    X, y, background = table
    spy = Spy()
    with pytest.raises(BudgetError, match="needs 60 model rows, but 59 of the budget of 59"):
        bx.audit(spy, X, y, background=background, budget=59)
    assert spy.rows == 0


def test_time_ends_an_audit_too(table):
    X, y, background = table
    report = bx.audit(scores, X, y, background=background, max_seconds=1e-9, sections=["unusual"])
    assert report.complete
    with pytest.raises(BudgetError, match="max_seconds = 1e-09 have passed"):
        bx.audit(scores, X, y, background=background, max_seconds=1e-9)


def test_a_model_that_fails_later_leaves_what_was_found(table):
    X, y, background = table
    spy = Spy(fail_after=3000)
    report = bx.audit(spy, X, y, background=background, n_explain=20)
    assert not report.complete
    assert "model is down" in report.document["ledger"]["stopped"][0]["why"]
    assert report.document["truth"]["n"] == 60
    assert [stage["stage"] for stage in report.document["ledger"]["stages"]][-1] == "rows"
    assert "surrogate" not in report.document
    assert report.to_html()


def test_a_model_that_fails_at_once_raises(table):
    X, y, background = table
    with pytest.raises(PredictError, match="model is down"):
        bx.audit(Spy(fail_after=10), X, y, background=background)


def test_ctrl_c_keeps_the_finished_part(table):
    X, y, background = table
    spy = Spy(fail_after=5000, error=KeyboardInterrupt())
    with pytest.raises(Interrupted) as caught:
        bx.audit(spy, X, y, background=background, n_explain=30)
    (partial,) = caught.value.partial
    assert partial.document["truth"]["n"] == 60
    assert partial.document["ledger"]["stopped"][-1]["why"] == "Interrupted."
    assert partial.to_html()


def test_a_guard_counts_threads_together():
    from concurrent.futures import ThreadPoolExecutor

    spy = Spy()
    guard = Guard(spy, max_rows=100)

    def ask(_):
        try:
            return len(guard.predict(np.zeros((7, 4))))
        except BudgetError:
            return 0

    with ThreadPoolExecutor(8) as pool:
        done = sum(pool.map(ask, range(50)))
    assert done == spy.rows == guard.spent.rows == 98


# --- bad input -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sections": ["nothing"]}, "sections must be one of"),
        ({"skip": ["nothing"]}, "sections must be one of"),
        ({"n_explain": 0}, "n_explain must be at least 1"),
        ({"budget": 0}, "budget must be at least 1"),
        ({"max_seconds": -1}, "max_seconds must be a number above 0"),
        ({"random_state": -1}, "random_state must be at least 0"),
        ({"background": None}, "background must be given for tables"),
        ({"y": [1, 2]}, "y must have 60 labels"),
        ({"y": np.zeros((60, 1))}, r"one label for each row of X, got shape \(60, 1\)"),
        ({"y": "label"}, "one label for each row of X, got 'label'"),
        ({"y": [float("nan")] * 60}, "y: row 0 is nan, which is no output"),
        ({"sections": "rows"}, "sections must be a list of names, got 'rows'"),
        ({"skip": "rows"}, "skip must be a list of names, got 'rows'"),
        ({"progress": "bar"}, "progress must be True, False or a function"),
        ({"y": ["maybe"] * 60}, "y: row 0 is 'maybe', which is no output"),
    ],
)
def test_bad_arguments_are_named(table, change, message):
    X, y, background = table
    given = {"y": y, "background": background, **change}
    with pytest.raises(InputError, match=message):
        bx.audit(Spy(), X, **given)


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.zeros((0, 4)), None, "X must have at least one row, got 0"),
        ([], None, "X must have at least one row, got 0"),
        (None, None, "inputs must be an array, frame or list, got None"),
        (np.zeros((60, 4)), [1, 2], "y must have 60 labels"),
        (pd.DataFrame(np.zeros((60, 4)), columns=list("abbd")), None, "two columns named 'b'"),
    ],
)
def test_bad_data_are_refused_before_anything_is_sent(table, X, y, message):
    spy = Spy()
    with pytest.raises(InputError, match=message):
        bx.audit(spy, X, y, background=table[2])
    assert spy.rows == 0


def test_rows_that_cannot_be_explained_are_named_and_left_out(table):
    _, y, background = table
    X = table[0].copy()
    X[17, 2] = np.nan  # a cell that the model does not mind: its weight is 0

    def tolerant(rows):
        return scores(np.nan_to_num(rows))

    report = bx.audit(Spy(tolerant), X, y, background=background, n_explain=60, sections=["rows"])
    explained = {item["row"] for item in report.document["rows"]["items"]}
    assert explained == set(range(60)) - {17}
    assert report.complete
    (warning,) = [w for w in report.document["limits"]["warnings"] if w.startswith("Row 17")]
    assert "missing (NaN) in column 'x2'" in warning


def test_rows_most_alike_stand_beside_an_explained_one(table):
    X, y, background = table
    X = np.vstack([X, X[5] + 1e-6, X[5] - 2e-6])
    y = np.append(y, [0, 1])
    report = bx.audit(Spy(), X, y, background=background, n_explain=62, sections=["rows", "truth"])
    items = {item["row"]: item for item in report.document["rows"]["items"]}
    assert [near["row"] for near in items[5]["near"]][:2] == [60, 61]
    gaps = np.linalg.norm((X - X[7]) / X.std(0), axis=1)
    gaps[7] = np.inf
    assert [near["row"] for near in items[7]["near"]] == np.argsort(gaps)[:3].tolist()
    for near in items[7]["near"]:
        said = scores(X)[near["row"]]
        assert near["score"] == pytest.approx(said.max())
        assert near["output"] == ["no", "yes"][said.argmax()]
        assert near["true"] == ["no", "yes"][y[near["row"]]]
    first = report.document["rows"]["items"][0]["near"][0]
    assert f"Most like it among the audited rows: {first['row']} (" in report.to_html()


@pytest.mark.parametrize(
    "inputs",
    [
        ["good film", "good films", "bad dog", "good film indeed", "tea"],
        np.random.default_rng(0).random((5, 8, 8)),
        pd.DataFrame({"a": [1.0, 2.0, 3.0], "c": ["x", "y", "x"]}),
    ],
)
def test_inputs_of_every_kind_are_compared(inputs):
    alike = most_alike(inputs, [0, 2])
    assert set(alike) == {0, 2}
    for row, others in alike.items():
        assert row not in others
        assert len(others) == min(3, len(inputs) - 1)


def test_inputs_that_cannot_be_compared_have_none_alike():
    assert most_alike(np.array([[np.inf, 1.0], [0.0, 1.0]]), [1]) == {}
    assert most_alike(np.zeros((1, 2)), [0]) == {0: []}


def test_a_row_that_the_model_refuses_is_named_as_in_the_data(table):
    X, _, background = table
    given = {"background": background, "n_explain": 20, "sections": ["rows"]}
    last = bx.audit(Spy(), X, **given).document["rows"]["items"][-1]["row"]
    assert last >= 20  # no place among those explained

    def model(rows):
        if (rows == X[last, 0]).any() and len(rows) != len(X):  # versions of it, not the data
            raise RuntimeError("no")
        return scores(rows)

    report = bx.audit(model, X, **given)
    assert not report.complete
    assert f"Input {last}: The model failed" in report.document["ledger"]["stopped"][0]["why"]


def test_few_rows_leave_sections_out_and_nothing_else(table):
    X, y, background = table
    report = bx.audit(Spy(), X[:1], y[:1], background=background, n_explain=1)
    assert report.complete
    assert len(report.document["rows"]["items"]) == 1
    assert report.document.get("surrogate") is None
    assert any("Rules were not learnt" in w for w in report.document["limits"]["warnings"])


def test_a_missing_model_file_is_named():
    with pytest.raises(LoadError, match=r"nothing\.onnx"):
        bx.audit("nothing.onnx", np.zeros((3, 2)), background=np.zeros((3, 2)))


def test_progress_is_shown_stage_by_stage(table, capsys):
    X, _, background = table
    seen = []
    bx.audit(
        Spy(),
        X,
        background=background,
        n_explain=2,
        sections=["rows"],
        progress=lambda stage, done, total: seen.append((stage, done, total)),
    )
    assert seen[0] == ("answers", 0, 1)
    assert ("rows", 2, 2) in seen
    bx.audit(Spy(), X, background=background, sections=["answers"], progress=True)
    assert capsys.readouterr().out == ""


def test_true_values_that_are_no_numbers_are_named(table):
    X, _, background = table
    model = bx.as_model(lambda X: X @ WEIGHTS, scale="value")
    with pytest.raises(InputError, match="y must hold numbers"):
        bx.audit(model, X, ["a"] * 60, background=background, sections=["truth"])
    with pytest.raises(InputError, match="y: row 3 is nan"):
        bx.audit(
            model, X, [*[0.0] * 3, np.nan, *[0.0] * 56], background=background, sections=["truth"]
        )


def test_frames_keep_their_names_and_types(table):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    X, y, background = table
    names = ["a", "b", "c", "d"]
    report = bx.audit(
        Spy(),
        pandas.DataFrame(X, columns=names),
        y,
        background=pandas.DataFrame(background, columns=names),
        n_explain=3,
        skip=["trust", "gates", "agreement", "surrogate"],
    )
    assert report.document["subject"]["data"]["columns"] == names
    assert {f["name"] for f in report.document["drivers"]["features"]} == set(names)
    assert report.document["unusual"]["rows"][0]["column"] in names


def test_too_few_reference_rows_are_a_warning(table):
    X, _, background = table
    report = bx.audit(Spy(), X, background=background[:4], sections=["unusual"])
    assert "unusual" not in report.document
    assert "Unusual rows were not looked for" in report.document["limits"]["warnings"][0]


def test_one_probability_stands_for_two_outcomes(table):
    X, _, background = table
    model = bx.as_model(lambda X: scores(X)[:, 1], scale="probability", output_names=["yes"])
    y = (scores(X)[:, 1] > 0.5).astype(int)
    report = bx.audit(model, X, y, background=background, sections=["truth", "map"])
    assert report.document["truth"]["correct"]["value"] == 1.0
    assert report.document["map"]["names"] == ["yes below 0.5", "yes above 0.5"]
