"""A model behind a server, described in a TOML file, on the command line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from servers.faulty import Faulty, Plan, truth

from blackbox_xai.cli import main
from blackbox_xai.cli.config import configured

X = np.random.default_rng(0).normal(size=(12, 4))


@pytest.fixture
def run(tmp_path, monkeypatch, capsysbinary):
    """Write a configuration and a table, run a command, return code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    lines = ["a,b,c,d", *(",".join(map(str, row)) for row in X)]
    (tmp_path / "data.csv").write_text("\n".join(lines) + "\n")

    def call(config, *arguments):
        (tmp_path / "model.toml").write_text(config)
        with pytest.raises(SystemExit) as end:
            main(list(arguments))
        out, err = capsysbinary.readouterr()
        return end.value.code, out.decode(), err.decode()

    return call


PROBE = ("probe", "model.toml", "data.csv", "-o", "-")


def test_a_described_model_answers_as_the_server_does(run, monkeypatch):
    monkeypatch.setenv("MODEL_TOKEN", "s3cr3t-token")
    with Faulty(Plan(token="s3cr3t-token")) as server:
        code, out, err = run(
            f"""
            [model]
            url = "{server.origin}/predict"
            columns = ["a", "b", "c", "d"]
            output_names = ["low", "middle", "high"]
            preflight = false
            [model.json]
            request = {{ input = "$rows" }}
            answer = "output"
            [model.headers]
            Authorization = "Bearer ${{MODEL_TOKEN}}"
            [model.limits]
            max_parallel = 2
            """,
            *PROBE,
        )
        assert code == 0, err
        found = json.loads(out)
        assert found["adapter"] == "HttpModel"
        assert found["outputs"] == ["low", "middle", "high"]
        np.testing.assert_allclose(found["scores"], truth(X[:1])[0])
        assert server.rows == 2
        assert "s3cr3t" not in out + err


def test_who_has_named_columns_for_a_server_without_names_is_told_the_way_out(run):
    with Faulty() as server:
        config = f'[model]\nurl = "{server.url}"\n'
        code, _, err = run(config, *PROBE)
        assert code == 5
        assert "the model's order is not known" in err
        assert "--by-position" in err
        code, _, err = run(config, *PROBE, "--by-position")
        assert code == 0, err


def test_the_command_line_goes_before_the_file(run):
    with Faulty() as server:
        config = f'[model]\nurl = "{server.url}"\nbatch_size = 3\noutput_names = ["x", "y", "z"]\n'
        code, out, err = run(config, *PROBE, "--classes", "p,q,r", "--by-position")
    assert code == 0, err
    assert json.loads(out)["outputs"] == ["p", "q", "r"]


def test_a_budget_in_the_file_holds(run):
    with Faulty() as server:
        config = f"""
            [model]
            url = "{server.url}"
            preflight = false
            [model.budget]
            rows = 40
            """
        code, _, err = run(config, "explain", "model.toml", "data.csv", "--by-position")
        assert code == 4, err
        assert server.rows <= 40


def test_a_server_is_probed_without_data_and_without_rows(run):
    with Faulty(Plan(max_batch_size=12)) as server:
        code, out, err = run(f'[model]\nurl = "{server.url}"\n', "probe", "model.toml", "-o", "-")
        assert code == 0, err
        assert json.loads(out)["batch_size"] == 12
        assert server.rows == 0


def test_a_report_names_the_address_without_secrets(run, tmp_path):
    with Faulty() as server:
        address = server.url.replace("http://", "http://me:pa55word@") + "?key=k3y"
        code, _, err = run(
            f'[model]\nurl = "{address}"\n',
            *("audit", "model.toml", "data.csv", "--by-position", "--sections", "answers"),
            *("-o", "audit.json", "-q"),
        )
        assert code == 0, err
    written = (tmp_path / "audit.json").read_text()
    assert "/v2/models/m" in written
    assert "pa55word" not in written
    assert "k3y" not in written


def test_the_command_in_a_report_is_the_one_given_without_secrets(run, tmp_path):
    with Faulty() as server:
        address = server.url.replace("http://", "http://me:pa55word@") + "?key=k3y"
        given = ("audit", address, "data.csv", "--by-position", "--sections", "answers")
        code, _, err = run("", *given, "--title", "two words", "-o", "audit.json", "-q")
    assert code == 0, err
    written = (tmp_path / "audit.json").read_text()
    command = json.loads(written)["limits"]["command"]
    assert command.startswith("blackbox-xai audit ")
    assert command.endswith("--sections answers --title 'two words' -o audit.json -q")
    assert "pa55word" not in written
    assert "k3y" not in written


def test_the_log_of_another_model_is_refused(run):
    with Faulty() as first, Faulty(model=lambda rows: 1.0 - truth(rows)) as second:
        given = (*PROBE, "--by-position", "--cache", "log.sqlite")
        config = '[model]\nurl = "{}"\npreflight = false\n'
        code, out, err = run(config.format(first.url), *given)
        assert code == 0, err
        np.testing.assert_allclose(json.loads(out)["scores"], truth(X[:1])[0])
        code, out, err = run(config.format(second.url), *given)
    assert (code, out) == (2, "")
    assert "holds the scores of another model" in err


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("[model", "is not TOML"),
        ("[models]\nurl = 'http://localhost'", "has no key 'models'. Did you mean 'model'?"),
        ("[model]\nscale = 'value'", "must have a table [model] with a url"),
        ("model = 3", "must have a table [model] with a url"),
        ("[model]\nurl = 'http://a'\nbatchsize = 3", "Did you mean 'batch_size'?"),
        ("[model]\nurl = 'http://a'\nbatch_size = 'x'", "batch_size must be an integer, got 'x'"),
        ("[model]\nurl = 'http://a'\nscale = 'percent'", "scale must be one of"),
        ("[model]\nurl = 'http://a'\nlimits = 3", "[model.limits] must be a table, got 3"),
        ("[model]\nurl = 'http://a'\n[model.limits]\nretry = 3", "Did you mean 'retries'?"),
        ("[model]\nurl = 'http://a'\n[model.json]\nto_body = 'x'", "has no key 'to_body'"),
        ("[model]\nurl = 'http://a'\nprotocol = 'v2'\n[model.json]", "leave out protocol"),
        ("[model]\nurl = 'http://a'\n[model.headers]\nA = 3", "must be texts"),
        ("[model]\nurl = 'http://a'\nauth = '${NO_SUCH_TOKEN}'", "NO_SUCH_TOKEN is not set"),
        ("[model]\nurl = 'ftp://a'", "http"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(run, config, message):
    code, out, err = run(config, *PROBE)
    assert (code, out) == (2, "")
    assert "model.toml" in err
    assert message in err


def test_a_file_that_is_not_there_is_named(run):
    code, _, err = run("", "probe", "absent.toml", "data.csv")
    assert code == 2
    assert "absent.toml cannot be read" in err


def test_strict_turns_warnings_into_code_1(run, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "warningmodel", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "warningmodel.py").write_text(
        "import warnings\n"
        "def scores(rows):\n"
        "    warnings.warn('old weights', UserWarning, stacklevel=1)\n"
        "    return rows.to_numpy().sum(axis=1)\n"
    )
    monkeypatch.setattr("warnings.filters", [])
    arguments = ("probe", "warningmodel:scores", "data.csv", "--scale", "value")
    code, _, err = run("", *arguments)
    assert code == 0
    assert "Warning: old weights" in err
    assert run("", *arguments, "--strict")[0] == 1
    quiet = ("project", "data.csv", "--strict")
    assert run("", *quiet)[0] == 0


def test_strict_audits_fail_by_what_the_report_warns_of(run):
    with Faulty(model=lambda rows: np.full((len(rows), 3), 1 / 3)) as server:
        config = f'[model]\nurl = "{server.url}"\npreflight = false\n'
        audit = ("audit", "model.toml", "data.csv", "--by-position", "--sections", "answers", "-q")
        assert run(config, *audit, "-o", "a.json")[0] == 0
        assert run(config, *audit, "-o", "a.json", "--strict")[0] == 1


def test_the_page_of_the_command_line_describes_a_model(run, tmp_path, monkeypatch):
    monkeypatch.setenv("MODEL_TOKEN", "s3cr3t-token")
    page = (Path(__file__).parents[1] / "docs" / "cli.md").read_text(encoding="utf-8")
    run(page.split("```toml\n")[1].split("```")[0], "--version")
    model = configured(str(tmp_path / "model.toml"), {})
    assert model.output_names == ("ok", "default")
    assert (model.limits.max_parallel, model.limits.max_per_second) == (4, 20.0)
    assert "s3cr3t" not in repr(model)
