"""The command line: exit codes, clean streams, nothing sent when dry, the finished part written."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
from click.testing import CliRunner

from blackbox_xai.cli import main
from blackbox_xai.cli.app import cli
from blackbox_xai.cli.data import choose_columns, read_data, row_range
from blackbox_xai.cli.exits import DataError
from blackbox_xai.cli.models import without_secrets
from blackbox_xai.cli.output import table_text
from blackbox_xai.cli.progress import reporter

MODEL = """
import pathlib
import numpy as np

def scores(X):
    with open("asked.txt", "a") as file:
        file.write(f"{len(X)}\\n")
    p = 1 / (1 + np.exp(-np.asarray(X, dtype=float) @ [3.0, -2.0, 0.0]))
    return np.column_stack([1 - p, p])

def broken(X):
    raise RuntimeError("no service")

def slow(X):
    import time
    time.sleep(0.2)
    return scores(X)

def old(X):
    import warnings
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("this model is old")
    return scores(X)

def length(texts):
    return [float(len(text)) for text in texts]

def switched(rows):
    assert rows.dtypes["on"] == bool
    return 1.0 * rows["on"].to_numpy()
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a model, a table with labels, and a background."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "toymodel", raising=False)
    (tmp_path / "toymodel.py").write_text(MODEL)
    rng = np.random.default_rng(0)
    for name, n in (("data.csv", 40), ("background.csv", 60)):
        rows = rng.normal(size=(n, 3))
        lines = ["age,income,=noise,label"]
        for a, b, c in rows:
            label = int(rng.random() < 1 / (1 + np.exp(-3 * a + 2 * b)))
            lines.append(f"{a},{b},{c},{label}")
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    return tmp_path


def call(*arguments, stdin=""):
    """Run in this process; returns exit code, stdout, stderr."""
    out, err, old = io.BytesIO(), io.StringIO(), (sys.stdout, sys.stderr, sys.stdin)
    sys.stdout = io.TextIOWrapper(out, encoding="utf-8", write_through=True)
    sys.stderr, sys.stdin = err, io.TextIOWrapper(io.BytesIO(stdin.encode()))
    try:
        main([str(a) for a in arguments])
    except SystemExit as end:
        code = end.code
    finally:
        text = out.getvalue().decode("utf-8")
        sys.stdout, sys.stderr, sys.stdin = old
    return code, text, err.getvalue()


BASE = [
    "toymodel:scores",
    "data.csv",
    "--labels",
    "label",
    "--background",
    "background.csv",
    "--scale",
    "probability",
    "--classes",
    "no,yes",
]


def asked(place):
    file = place / "asked.txt"
    return sum(map(int, file.read_text().split())) if file.exists() else 0


# -- fast and lazy --------------------------------------------------------------------------------


def test_help_loads_nothing_heavy():
    code = """
        import sys
        from blackbox_xai.cli import main
        try:
            main(["audit", "--help"])
        except SystemExit:
            pass
        heavy = {"numpy", "sklearn", "matplotlib", "onnxruntime", "jinja2", "pandas", "skimage"}
        print(sorted(heavy & set(sys.modules)), file=sys.stderr)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
    assert "--sections" in done.stdout


def test_every_command_has_help_and_says_the_exit_codes():
    runner = CliRunner()
    assert "130" in runner.invoke(cli, ["--help"]).output
    for name in cli.commands:
        found = runner.invoke(cli, [name, "--help"])
        assert found.exit_code == 0
        assert len(found.output.splitlines()) > 5
    assert "blackbox-xai" in runner.invoke(cli, ["--version"]).output


# -- audit ----------------------------------------------------------------------------------------

QUICK = ["--rows", "4", "--skip", "gates,agreement,trust,surrogate,map"]


def test_an_audit_writes_page_and_json_and_keeps_stdout_clean(place):
    code, out, err = call("audit", *BASE, *QUICK, "-o", "r.html")
    assert (code, out) == (0, "")
    document = json.loads((place / "r.json").read_text())
    assert (place / "r.html").read_text().startswith("<!doctype html>")
    assert str(place / "r.html") in err
    assert document["ledger"]["total"]["rows"] == asked(place)
    assert document["subject"]["data"]["name"] == "data.csv"
    assert len(document["subject"]["data"]["sha256"]) == 64
    assert document["subject"]["data"]["columns"] == ["age", "income", "=noise"]
    assert "--labels label" in document["limits"]["command"] or document["limits"]["command"]


def test_the_demo_needs_nothing_but_the_package(place):
    code, out, err = call("audit", "--demo", "--sections", "truth", "-o", "d.html")
    assert (code, out) == (0, "")
    assert "Report: " in err
    model = json.loads((place / "d.json").read_text())["subject"]["model"]
    assert model["name"] == "breast_cancer.onnx"
    assert len(model["sha256"]) == 64


def test_rows_of_the_data_stand_for_a_background(place):
    code, _, err = call("explain", *BASE[:4], "--rows", "0", "-o", "-")
    assert code == 0
    assert "rows of DATA stand for it" in err


def test_the_audit_goes_to_a_pipe_as_pure_json(place):
    code, out, err = call("audit", *BASE, *QUICK, "-o", "-", "-q")
    assert code == 0
    assert json.loads(out)["format"] == "blackbox_xai.audit/1"
    assert err == ""
    assert not (place / "audit.html").exists()


def test_rendering_makes_the_same_bytes(place):
    call("audit", *BASE, *QUICK, "-o", "r.html", "-q")
    code, out, err = call("render", "r.json", "-o", "again.html")
    assert (code, out) == (0, "")
    assert "again.html" in err
    assert (place / "again.html").read_bytes() == (place / "r.html").read_bytes()
    assert call("render", "r.json", "-o", "-")[1].encode() == (place / "r.html").read_bytes()


def test_failing_cards_can_fail_a_pipeline(place):
    (place / "data.csv").write_text(
        (place / "data.csv")
        .read_text()
        .replace(",1\n", ",x\n")
        .replace(",0\n", ",1\n")
        .replace(",x\n", ",0\n")
    )  # every label turned round: the model is wrong nearly always
    code, _, err = call("audit", *BASE, *QUICK, "--fail-on", "fail")
    assert code == 1
    assert "✗ Not shown to be right" in err
    assert call("audit", *BASE, *QUICK, "-q")[0] == 0


def test_a_budget_ends_an_audit_with_4_and_the_part_is_there(place):
    code, _, err = call("audit", *BASE, "--rows", "4", "--budget", "200", "-o", "r.html")
    assert code == 4
    assert asked(place) <= 200
    document = json.loads((place / "r.json").read_text())
    assert document["ledger"]["stopped"]
    assert "This audit is not complete" in err


@pytest.mark.parametrize("command", ["audit", "explain", "surrogate", "check"])
def test_a_dry_run_sends_nothing(place, command):
    more = [] if command == "surrogate" else ["--rows", "0:2" if command != "audit" else "2"]
    code, out, err = call(command, *BASE, *more, "--dry-run")
    assert (code, out) == (0, "")
    assert "othing was sent" in err
    assert asked(place) == 0


def test_a_dry_audit_foresees_the_price_of_each_stage(place):
    code, _, err = call("audit", *BASE, "--rows", "6", "--dry-run")
    assert code == 0
    planned = {line.split(": ")[0]: line.split(": ")[1] for line in err.splitlines()[:-1]}
    call("audit", *BASE, "--rows", "6", "-o", "r.json", "-q")
    stages = json.loads((place / "r.json").read_text())["ledger"]["stages"]
    for stage in (stage for stage in stages if stage["rows"]):
        rows = int(planned[stage["stage"]].split()[0].replace(",", ""))
        assert rows == pytest.approx(stage["rows"], rel=0.1)
    code, _, err = call("audit", *BASE, "--rows", "6", "--budget", "3000", "--dry-run")
    assert code == 0
    assert "not whole. " in err
    total = int(err.splitlines()[-1].split()[3].replace(",", ""))
    assert total <= 3000


def test_texts_come_from_stdin_when_told(place):
    code, out, err = call(
        "explain",
        "toymodel:length",
        "-",
        "--stdin-format",
        "txt",
        "-o",
        "-",
        stdin="a good film\nbad\n",
    )
    assert code == 0, err
    assert [e["feature_names"] for e in json.loads(out)] == [["a", "good", "film"], ["bad"]]


def test_truth_values_in_a_file_reach_the_model_as_such(place):
    (place / "flags.csv").write_text("on,name\nTrue,true\nfalse,maybe\nTRUE,no\n")
    code, out, err = call(
        "explain", "toymodel:switched", "flags.csv", "--scale", "value", "-o", "-", "-q"
    )
    assert code == 0, err
    assert [e["scores"] for e in json.loads(out)] == [[1.0], [0.0], [1.0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("probe", "toymodel:scores", "data.csv", "--drop", "nope"),
            "data.csv has no column 'nope'",
        ),
        (
            ("ood", "background.csv", "data.csv", "--labels", "truth"),
            "data.csv has no column 'truth'",
        ),
        (("project", "data.csv", "--columns", "a"), "data.csv has no column 'a'; it has ('age',"),
    ],
)
def test_a_column_that_is_not_there_is_named_with_its_file(place, arguments, message):
    code, _, err = call(*arguments)
    assert code == 5
    assert message in err


def test_columns_are_chosen_for_probe_ood_and_project(place):
    code, out, err = call("probe", "toymodel:scores", "data.csv", "--labels", "label")
    assert code == 0, err
    assert "same_answer_twice" in out
    for command in (("ood", "background.csv", "data.csv"), ("project", "data.csv")):
        code, out, err = call(*command, "--drop", "label,age", "-o", "-")
        assert code == 0, err
        assert len(json.loads(out)) == 40


def test_progress_is_plain_off_a_terminal_and_json_when_asked(place):
    _, _, err = call("audit", *BASE, *QUICK, "-o", "r.html")
    assert "explaining rows\n" in err
    assert "\r" not in err
    _, _, err = call("audit", *BASE, *QUICK, "-o", "r.html", "--progress", "json")
    lines = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    assert {"stage": "rows", "done": 4, "total": 4} in lines
    assert "explaining" not in call("audit", *BASE, *QUICK, "--progress", "never")[2]


def test_a_terminal_gets_one_line_that_changes(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(sys, "stderr", Terminal())
    show = reporter("auto")
    show("rows", 1, 4)
    show("rows", 4, 4)
    assert sys.stderr.getvalue().count("\r") == 2
    assert sys.stderr.getvalue().endswith("\n")


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_writes_the_finished_part_and_ends_with_130(place):
    arguments = [*BASE, "--rows", "30", "-o", "r.html", "--progress", "json", "--batch-size", "64"]
    arguments[0] = "toymodel:slow"
    process = subprocess.Popen(
        [sys.executable, "-c", "from blackbox_xai.cli import main; main()", "audit", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        cwd=place,
    )
    for line in process.stderr:
        if '"rows"' in line:
            break
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    process.stderr.read()
    process.stderr.close()
    assert process.wait(timeout=600) == 130
    document = json.loads((place / "r.json").read_text())
    assert document["ledger"]["stopped"][-1] == {"stage": "rows", "why": "Interrupted."}
    assert document["truth"]["n"] == 40


# -- explain, check, surrogate, ood, project, probe -----------------------------------------------


def test_a_warning_is_said_once(place):
    arguments = ["toymodel:old", *BASE[1:], "--rows", "0:3", "--batch-size", "4"]
    code, _, err = call("explain", *arguments)
    assert (code, err.count("this model is old")) == (0, 1)


def test_explanations_as_table_json_csv_and_parquet(place):
    code, out, _ = call("explain", *BASE, "--rows", "0:2", "-q")
    assert code == 0
    assert out.splitlines()[0].split() == [
        "row",
        "output",
        "feature",
        "value",
        "phi",
        "se",
        "low",
        "high",
    ]
    _, out, _ = call("explain", *BASE, "--rows", "1", "--method", "exact", "-o", "-", "-q")
    (why,) = json.loads(out)
    total = why["base"][1] + sum(value[1] for value in why["values"])
    assert total == pytest.approx(why["scores"][1])
    call("explain", *BASE, "--rows", "3:5", "--output", "yes", "-o", "e.csv", "-q")
    rows = list(csv.DictReader(io.StringIO((place / "e.csv").read_text())))
    assert {row["row"] for row in rows} == {"3", "4"}
    assert {row["output"] for row in rows} == {"yes"}
    assert "'=noise" in {row["feature"] for row in rows}
    call("explain", *BASE, "--rows", "0", "-o", "e.parquet", "-q")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    assert parquet.read_table(place / "e.parquet").num_rows == 6
    call("explain", *BASE, "--rows", "0", "-o", "e.html", "-q")
    assert "Content-Security-Policy" in (place / "e.html").read_text()


def test_a_row_that_cannot_be_explained_is_named_as_in_the_file(place):
    lines = (place / "data.csv").read_text().splitlines()
    lines[1 + 17] = ",0.5,0.5,1"
    (place / "data.csv").write_text("\n".join(lines) + "\n")
    code, out, err = call("explain", *BASE, "--rows", "5:30", "-o", "-", "--format", "csv")
    assert code == 4
    assert "Stopped early: Input 17: x is missing (NaN) in column 'age'" in err
    written = {int(row["row"]) for row in csv.DictReader(io.StringIO(out))}
    assert {5, 16} <= written
    assert 17 not in written
    code, out, err = call("explain", *BASE, "--rows", "17:18")
    assert (code, out) == (5, "")
    assert "x is missing (NaN) in column 'age'" in err


def test_an_explanation_cut_short_writes_the_finished_rows(place):
    whole = ["explain", *BASE, "--rows", "0:30", "--method", "exact"]  # no row can do with less
    call(*whole, "-o", "-", "-q")
    budget = asked(place) * 2 // 3
    (place / "asked.txt").unlink()
    code, out, err = call(*whole, "--budget", budget, "-o", "-")
    assert code == 4
    assert "Stopped early" in err
    assert 0 < len(json.loads(out)) < 30
    assert asked(place) <= budget


@pytest.mark.parametrize("method", ["auto", "rise"])
def test_rows_share_a_budget_that_does_not_suffice_for_the_usual_explanation(place, method):
    rows = ["explain", *BASE, "--rows", "0:4", "--method", method]
    call(*rows, "-o", "-", "-q")
    budget = asked(place) // 2
    (place / "asked.txt").unlink()
    code, out, err = call(*rows, "--budget", budget, "-o", "-")
    assert code == 0, err
    assert len(json.loads(out)) == 4
    assert budget * 0.6 < asked(place) <= budget
    code, _, err = call(*rows, "--budget", "8")
    assert code in (2, 4, 5)
    assert "at least" in err


def test_what_is_in_the_cache_is_not_asked_again(place):
    first = call("explain", *BASE, "--rows", "0", "-o", "-", "-q", "--cache", "log.db")
    once = asked(place)
    second = call("explain", *BASE, "--rows", "0", "-o", "-", "-q", "--cache", "log.db")
    assert once > 0
    assert asked(place) == once
    assert json.loads(first[1])[0]["values"] == json.loads(second[1])[0]["values"]


def test_checks_pass_for_the_default_explainer(place):
    code, out, err = call("check", *BASE, "--rows", "0:2", "-o", "-")
    assert code == 0
    gates = json.loads(out)
    assert {gate["status"] for gate in gates} <= {"pass", "not applicable"}
    assert "model rows" in err


def test_a_surrogate_as_text_and_json(place):
    code, out, _ = call("surrogate", *BASE, "--max-leaves", "3", "--budget", "300")
    assert code == 0
    assert out.startswith("if ")
    assert "R2" in out
    assert asked(place) <= 300
    _, out, _ = call("surrogate", *BASE, "--max-leaves", "2", "--budget", "300", "-o", "-")
    assert json.loads(out)["cost"]["rows"] == 300


def test_unusual_rows_and_maps(place):
    with (place / "data.csv").open("a") as file:
        file.write("60,-60,60,1\n")
    code, out, err = call("ood", "background.csv", "data.csv", "-o", "-")
    assert code == 0
    scores = json.loads(out)
    assert scores[40]["unusual"]
    assert "rows are unlike the reference" in err
    assert call("ood", "background.csv", "data.csv", "--detector", "autoencoder", "-q")[0] == 0
    code, out, err = call("project", "data.csv", "--labels", "label", "-o", "-")
    assert code == 0
    assert len(json.loads(out)) == 41
    assert "trustworthiness" in err


def test_a_probe_asks_one_row_twice(place):
    model = ["toymodel:scores", "data.csv"]
    (place / "data.csv").write_text("a,b,c\n1,2,3\n")
    code, out, _ = call("probe", *model, "-o", "-")
    found = json.loads(out)
    assert code == 0
    assert found["same_answer_twice"] is True
    assert found["rows"] == asked(place) == 2
    assert len(found["outputs"]) == 2


# -- exit codes of errors -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nothing"], 2, "No such command"),
        (["audit"], 2, "MODEL and DATA are needed"),
        (["audit", *BASE, "--sections", "x"], 2, "'x' is none of"),
        (["audit", *BASE, "--budget", "0"], 2, "--budget"),
        (["audit", *BASE, "-o", "r.pdf"], 2, "must end in .html or .json"),
        (["audit", *BASE, "-o", "absent/r.html"], 2, "there is no folder 'absent'"),
        (["explain", *BASE, "--format", "gif"], 2, "output must be one of"),
        (["explain", *BASE, "-o", "-", "--format", "parquet"], 2, "parquet needs a file"),
        (["audit", "nothing.onnx", *BASE[1:]], 3, "cannot be opened"),
        (["audit", "toymodel:absent", *BASE[1:]], 3, "has no 'absent'"),
        (["audit", "absent:scores", *BASE[1:]], 3, "cannot be imported"),
        (["audit", "model.txt", *BASE[1:]], 3, "is no model"),
        (["audit", "model.pkl", *BASE[1:]], 3, "pass --trust-pickle"),
        (["audit", "toymodel:broken", *BASE[1:]], 3, "no service"),
        (["audit", *BASE, "--budget", "39"], 4, "needs 40 model rows"),
        (["audit", "toymodel:scores", "absent.csv"], 5, "cannot be read"),
        (["audit", "toymodel:scores", "toymodel.py"], 5, "must end in one of"),
        (["explain", *BASE, "--rows", "39:41"], 5, "rows must lie within 0:40"),
        (["explain", *BASE, "--rows", "x"], 5, "rows must be written as"),
        (["explain", *BASE, "--drop", "height"], 5, "data.csv has no column 'height'"),
        (["explain", *BASE, "--drop", "age"], 3, "mismatch"),
        (["render", "data.csv"], 5, "not JSON"),
        (["render", "absent.json"], 5, "cannot be read"),
        (["render", "data.csv", "-o", "x.png"], 5, "not JSON"),
    ],
)
def test_errors_are_one_sentence_with_their_code(place, arguments, code, message):
    found, out, err = call(*arguments)
    assert (found, out) == (code, "")
    assert message in err
    assert "Traceback" not in err


def test_twice_verbose_shows_where_it_happened(place):
    _, _, err = call("audit", "nothing.onnx", *BASE[1:], "-vv")
    assert "Traceback" in err


def test_a_broken_pipe_ends_quietly(place):
    command = f"{sys.executable} -c 'from blackbox_xai.cli import main; main()' explain "
    command += " ".join(BASE) + " --rows 0:4 -o - -q | true; exit ${PIPESTATUS[0]}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, cwd=place, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


# -- data -----------------------------------------------------------------------------------------


def test_a_cell_may_be_as_long_as_the_file(place):
    long = "word " * 40_000
    (place / "t.csv").write_text(f'text,n\n"{long}",1\n')
    assert read_data("t.csv").inputs["text"].tolist() == [long]
    (place / "cut.csv").write_bytes(b"a,b\n1,\r2\rx\n")
    with pytest.raises(DataError, match=r"cut\.csv"):
        read_data("cut.csv")


def test_semicolons_between_cells_are_named(place):
    (place / "t.csv").write_text("x;y\n1,5;2\n")
    with pytest.raises(DataError, match=r"t\.csv has semicolons between its cells"):
        read_data("t.csv")


def test_without_pandas_only_what_is_used_must_be_numbers(place, monkeypatch):
    (place / "t.csv").write_text("age,note,class\n1,x,good\n,y,bad\n")
    monkeypatch.setitem(sys.modules, "pandas", None)
    data = read_data("t.csv", labels="class")
    assert data.labels == ["good", "bad"]
    rest = choose_columns(data, drop=("note",))
    assert (rest.names, rest.inputs.dtype) == (("age",), np.float64)
    np.testing.assert_array_equal(rest.inputs, [[1], [np.nan]])
    with pytest.raises(DataError, match=r"t\.csv: column 'note' holds 'x'.*needs pandas"):
        choose_columns(data)


def test_tables_keep_types_and_missing_cells(place):
    (place / "t.csv").write_text('\ufeffage,city\n1,Riga\n,"Jūrmala, LV"\n', encoding="utf-8")
    data = read_data("t.csv")
    assert data.names == ("age", "city")
    assert data.inputs["age"].isna().tolist() == [False, True]
    assert data.inputs["city"].tolist() == ["Riga", "Jūrmala, LV"]
    assert choose_columns(data, keep=("city",)).names == ("city",)


def test_other_formats(place):
    (place / "t.tsv").write_text("a\tb\n1\t2\n")
    assert read_data("t.tsv").inputs.to_numpy().tolist() == [[1.0, 2.0]]
    (place / "t.jsonl").write_text('{"a": 1, "b": "x"}\n\n{"a": 2, "b": "y"}\n')
    assert read_data("t.jsonl", labels="b").labels == ["x", "y"]
    (place / "s.jsonl").write_text('"one"\n"two"\n')
    assert read_data("s.jsonl").inputs == ["one", "two"]
    (place / "t.txt").write_text("one text\n\nanother\n")
    assert read_data("t.txt").inputs == ["one text", "another"]
    np.save(place / "t.npy", np.eye(2))
    assert read_data("t.npy").inputs.shape == (2, 2)
    np.savez(place / "t.npz", x=np.eye(3), y=np.arange(3))
    assert read_data("t.npz").labels == [0, 1, 2]


def test_a_folder_of_images(place):
    from PIL import Image

    (place / "pictures").mkdir()
    for i in range(2):
        Image.new("L", (5, 4), i * 100).save(place / "pictures" / f"{i}.png")
    data = read_data("pictures")
    assert data.inputs.shape == (2, 4, 5, 3)
    assert data.facts["files"] == 2
    (place / "pictures" / "2.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"2\.png is not an image"):
        read_data("pictures")


def test_stdin_is_csv_or_json_lines(place):
    text = (place / "data.csv").read_text()
    code, out, _ = call("project", "-", "-o", "-", "-q", stdin=text)
    assert code == 0
    assert len(json.loads(out)) == 40


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"a,b\n1\n", "line 2 has 1 cells"),
        ("a.csv", b"a,a\n1,2\n", "two columns named 'a'"),
        ("a.csv", b"a\n", "at least one row"),
        ("a.csv", b"a\n\xff\n", "not UTF-8"),
        ("a.jsonl", b"{\n", "line 1 is not JSON"),
        ("a.jsonl", b'{"a":1}\n{"b":1}\n', "line 2 must hold the same fields"),
        ("a.npy", b"x", "not an array"),
        ("a.txt", b"\n", "holds no text"),
        ("a.parquet", b"x", "not a parquet file"),
    ],
)
def test_data_that_cannot_be_read_says_where(place, name, content, message):
    (place / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_data(name)


def test_an_array_that_would_run_code_is_refused(place):
    np.save(place / "o.npy", np.array([print], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="read safely"):
        read_data("o.npy")


def test_row_ranges():
    assert list(row_range("1:3", 5)) == [1, 2]
    for text in ("5", "-1", "2:2", "a:b"):
        with pytest.raises(DataError):
            row_range(text, 5)


# -- what is printed ------------------------------------------------------------------------------


def test_tables_cannot_command_a_terminal():
    text = table_text({"name": ["a\x1b[2Jb", "new\nline"], "value": [1.0, None]})
    assert "\x1b" not in text
    assert len(text.splitlines()) == 3


def test_addresses_lose_their_secrets(place):
    text = without_secrets("audit https://me:pw@host/p?token=abc&x=1 --budget 5")
    assert "pw" not in text
    assert "abc" not in text
    assert text.endswith("--budget 5")
