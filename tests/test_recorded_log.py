"""The prediction log: what a file holds, whose it is, and what a kill or a tear costs."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from recording import Paid, X, recorded, truth

import blackbox_xai as bx
from blackbox_xai.adapters import CallableModel, RecordedModel
from blackbox_xai.errors import InputError, LogError


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.sqlite"


def test_a_log_answers_a_later_run_with_the_same_bits(path):
    paid = Paid()
    scores = recorded(paid, path).predict(X)
    later = Paid()
    again, cost = recorded(later, path).predict_counted(X)
    np.testing.assert_array_equal(again, scores)
    assert (cost.rows, cost.calls, cost.cache_hits, later.total) == (0, 0, 200, 0)


def test_the_log_is_private_and_holds_neither_inputs_nor_names(path):
    rows = X.copy()
    rows[:, 1] = 1234.56789
    recorded(Paid(), path, batch_size=200).predict(rows)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert np.float64(1234.56789).tobytes() not in content
    assert truth(rows)[:1].tobytes() in content
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_open_file_is_made_private(path):
    path.touch(0o644)
    path.chmod(0o644)
    recorded(Paid(), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_log_of_another_model_is_refused(path):
    recorded(Paid(), path).predict(X)
    with pytest.raises(LogError, match=r"holds the scores of another model.*'v1', this model 'v2'"):
        RecordedModel(CallableModel(Paid()), path, fingerprint="v2")


def test_models_that_can_tell_what_they_are_need_no_name(path):
    from sklearn.linear_model import LinearRegression

    fitted = LinearRegression().fit(X, X[:, 0])
    RecordedModel(bx.as_model(fitted), path).predict(X)
    assert RecordedModel(bx.as_model(fitted), path).predict_counted(X)[1].rows == 0
    other = LinearRegression().fit(X, X[:, 1])
    with pytest.raises(LogError, match="another model"):
        RecordedModel(bx.as_model(other), path)
    with pytest.raises(InputError, match="fingerprint must be given: a CallableModel cannot tell"):
        RecordedModel(CallableModel(Paid()), path)


def test_a_newer_format_is_refused(path):
    recorded(Paid(), path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = '7' WHERE name = 'schema'")
    with pytest.raises(
        LogError, match="has format '7'; this version of the library reads format 1"
    ):
        recorded(Paid(), path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p.write_bytes(b"some other file" * 100), "is damaged or no prediction log"),
        (lambda p: p.mkdir(), "cannot be opened: Is a directory"),
        (lambda p: p.symlink_to(p.parent / "elsewhere"), "cannot be opened"),
    ],
)
def test_what_is_no_log_is_refused_and_left_alone(path, make, message):
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(LogError, match=message):
        recorded(Paid(), path)
    assert before is None or path.read_bytes() == before


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(LogError, match="cannot be opened: No such file or directory"):
        recorded(Paid(), tmp_path / "absent" / "log.sqlite")


@pytest.mark.parametrize(
    ("pragma", "message"),
    [
        ("max_page_count = 8", "the disk is full. What was answered is kept in memory"),
        ("query_only = 1", "it is read-only"),
    ],
)
def test_a_log_that_cannot_grow_says_so_and_what_was_paid_is_kept(path, pragma, message):
    paid = Paid()
    model = recorded(paid, path, batch_size=100)
    model._log._connection.execute(f"PRAGMA {pragma}")
    rows = np.random.default_rng(3).normal(size=(2000, 4))
    with pytest.raises(LogError, match=message) as caught:
        model.predict(rows)
    answered = sum(part is not None for part in caught.value.partial)
    assert answered == paid.total > 0
    model._log.close()  # there is room again: the file is opened anew
    scores = model.predict(rows)
    np.testing.assert_array_equal(scores, truth(rows))
    assert paid.total == 2000


def test_a_damaged_log_never_gives_a_wrong_score(path, tmp_path):
    model = recorded(Paid(), path, batch_size=200)
    model.predict(X)
    model.close()
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    outcomes = Counter()
    for i in range(60):
        hurt = tmp_path / f"hurt{i}.sqlite"
        broken = bytearray(content)
        start = int(rng.integers(0, len(content) - 64))
        broken[start : start + 64] = rng.bytes(64)
        hurt.write_bytes(broken if i % 3 else content[:start])
        try:
            scores = recorded(Paid(), hurt).predict(X)
        except LogError as error:
            words = str(error)
            outcomes[
                "refused" if "Move the file away" in words or "cannot be" in words else words
            ] += 1
        else:
            np.testing.assert_array_equal(scores, truth(X))
            outcomes["right"] += 1
    assert outcomes["refused"] >= 20
    assert set(outcomes) <= {"refused", "right"}


def test_a_changed_score_is_seen(path):
    model = recorded(Paid(), path)
    model.predict(X)
    model.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE scores SET scores = zeroblob(20)")
    with pytest.raises(LogError, match=r"does not match its checksum\. Move the file away"):
        recorded(Paid(), path).predict(X)


def test_damaged_notes_are_seen(path):
    model = recorded(Paid(), path)
    model.predict(X)
    model.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE meta SET value = '[' WHERE name = 'model'")
    with pytest.raises(LogError, match="is damaged: its notes cannot be read"):
        recorded(Paid(), path)


def test_a_torn_write_ahead_log_costs_only_what_was_torn(path, tmp_path):
    paid = Paid()
    model = recorded(paid, path, batch_size=20)
    model.predict(X)
    for cut in (0, 100, 5000, 20_000):
        copy = tmp_path / f"cut{cut}"
        copy.mkdir()
        for file in (path, Path(f"{path}-wal")):
            shutil.copy(file, copy / file.name)
        wal = copy / f"{path.name}-wal"
        wal.write_bytes(wal.read_bytes()[: -cut or None])
        later = Paid()
        scores, cost = recorded(later, copy / path.name).predict_counted(X)
        np.testing.assert_array_equal(scores, truth(X))
        assert cost.rows == later.total <= 200
        if cut == 0:
            assert later.total == 0


SCRIPT = """
import itertools, sys, time
import numpy as np
from blackbox_xai.adapters import CallableModel, RecordedModel

path, paid, stop_at = sys.argv[1], open(sys.argv[2], "ab", buffering=0), int(sys.argv[3])
X = np.random.default_rng(0).normal(size=(200, 4))
calls = itertools.count(1)

def model(batch):
    paid.write(np.ascontiguousarray(batch).tobytes())
    if next(calls) == stop_at:
        time.sleep(60)  # paid for, and never answered
    return batch.sum(axis=1) / 3

kept = RecordedModel(CallableModel(model, batch_size=5), path, fingerprint="v1", probe=False)
print(kept.predict(X).tobytes().hex())
"""


def run(path, counted, stop_at=0, **options):
    arguments = [sys.executable, "-c", SCRIPT, str(path), str(counted), str(stop_at)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, **options)


def test_a_killed_run_pays_again_only_for_what_was_in_flight(path, tmp_path):
    counted = tmp_path / "paid"
    counted.touch()
    first = run(path, counted, stop_at=12)
    while counted.stat().st_size < 32 * 60:
        time.sleep(0.005)
        assert first.poll() is None
    first.send_signal(signal.SIGKILL)
    first.communicate()
    second = run(path, counted)
    answer = second.communicate(timeout=600)[0].strip()
    paid = counted.stat().st_size // 32
    assert paid == 200 + 5  # the batch that was in flight is paid twice, and no other
    np.testing.assert_array_equal(np.frombuffer(bytes.fromhex(answer)), X.sum(axis=1) / 3)
    third = run(path, counted)
    assert third.communicate(timeout=600)[0].strip() == answer
    assert counted.stat().st_size // 32 == paid


def test_two_processes_may_share_a_log(path, tmp_path):
    counted = tmp_path / "paid"
    runs = [run(path, counted) for _ in range(2)]
    answers = {one.communicate(timeout=600)[0].strip() for one in runs}
    assert [one.returncode for one in runs] == [0, 0]
    assert len(answers) == 1
    with closing(sqlite3.connect(path)) as connection, connection:
        assert connection.execute("SELECT count(*) FROM scores").fetchone() == (200,)


def test_a_log_that_another_process_is_making_is_waited_for(path, monkeypatch):
    """Sqlite itself does not wait when the journal mode changes."""
    waits = []
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        def pause(seconds):
            waits.append(seconds)
            if len(waits) == 3:
                other.execute("COMMIT")

        monkeypatch.setattr(time, "sleep", pause)
        model = recorded(Paid(), path)
        np.testing.assert_array_equal(model.predict(X), truth(X))
    assert len(waits) == 3
