"""Scores that were paid for, kept in a file: an sqlite database of keys and scores."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
import time
import weakref
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from blackbox_xai._checks import shown
from blackbox_xai.errors import LogError

__all__ = ["PredictionLog"]

_SCHEMA = "1"
_WAIT_SECONDS = 30.0
_PAUSE_SECONDS = 0.01
_LOOKUP = 500
_CHECK_BYTES = 4


class PredictionLog:
    """A file of scores by row key, for one model; several threads and processes may use it.

    Neither inputs nor addresses nor headers are stored. The file is readable by its owner alone.
    Every batch is one transaction: after a kill -9 the file holds all batches that were written.

    Parameters
    ----------
    path : path
        The file; made when it is not there.
    fingerprint : str
        Tells one model from another.

    Raises
    ------
    LogError
        When the file cannot be used, is damaged, or belongs to another model.
    """

    def __init__(self, path: str | os.PathLike[str], fingerprint: str) -> None:
        self.path = Path(path)
        self._fingerprint = fingerprint
        self._lock = threading.RLock()
        self._owner = 0
        self._connection: sqlite3.Connection | None = None
        with self._use():
            pass

    def find(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return the scores, as bytes, of the keys that are known."""
        found: dict[bytes, bytes] = {}
        with self._use() as connection:
            for start in range(0, len(keys), _LOOKUP):
                some = keys[start : start + _LOOKUP]
                query = f"SELECT key, scores FROM scores WHERE key IN ({','.join('?' * len(some))})"
                for key, stored in connection.execute(query, some):
                    found[key] = self._checked(key, stored)
        return found

    def add(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Keep scores, as bytes, in one transaction."""
        rows = ((key, scores + _check(key, scores)) for key, scores in pairs)
        with self._use() as connection, _transaction(connection):
            connection.executemany("INSERT OR IGNORE INTO scores VALUES (?, ?)", rows)

    def note(self, name: str) -> str | None:
        """Return what was noted about the model under ``name``."""
        with self._use() as connection:
            found = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def set_note(self, name: str, value: str) -> None:
        """Note something about the model."""
        with self._use() as connection, _transaction(connection):
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def close(self) -> None:
        """Close the file; it is opened again when it is needed."""
        with self._lock:
            if self._connection is not None:
                _close(self._connection, self._owner)
            self._connection = None

    def __len__(self) -> int:
        """Return the number of rows that are known."""
        with self._use() as connection:
            return int(connection.execute("SELECT count(*) FROM scores").fetchone()[0])

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open file behind."""
        return {"path": self.path, "_fingerprint": self._fingerprint}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the file when it is needed."""
        vars(self).update(state)
        self._lock = threading.RLock()
        self._owner = 0
        self._connection = None

    @contextmanager
    def _use(self) -> Iterator[sqlite3.Connection]:
        """Give the connection of this process, and say what is wrong in our words."""
        with self._lock:
            try:
                if self._connection is None or self._owner != os.getpid():
                    # A connection of the parent process is kept: closing it here is not ours.
                    self._parents = self._connection
                    self._connection = self._opened()
                    self._owner = os.getpid()
                    weakref.finalize(self, _close, self._connection, self._owner)
                yield self._connection
            except sqlite3.Error as error:
                raise LogError(f"{self.name} {_reason(error)}") from error
            except OSError as error:
                if isinstance(error, LogError):
                    raise
                reason = error.strerror or type(error).__name__
                raise LogError(f"{self.name} cannot be opened: {reason}.") from error

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"The prediction log {shown(str(self.path))}"

    def _opened(self) -> sqlite3.Connection:
        _make_private(self.path)
        connection = sqlite3.connect(
            self.path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            _write_ahead(connection)
            connection.execute("PRAGMA synchronous = NORMAL")
            with _transaction(connection):
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
                )
                connection.execute(
                    "CREATE TABLE IF NOT EXISTS scores "
                    "(key BLOB PRIMARY KEY, scores BLOB NOT NULL) WITHOUT ROWID"
                )
                self._claim(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _claim(self, connection: sqlite3.Connection) -> None:
        """Make the log this model's, or see that it is."""
        insert = "INSERT OR IGNORE INTO meta VALUES (?, ?)"
        connection.execute(insert, ("schema", _SCHEMA))
        connection.execute(insert, ("fingerprint", self._fingerprint))
        notes = dict(connection.execute("SELECT name, value FROM meta"))
        if notes["schema"] != _SCHEMA:
            raise LogError(
                f"{self.name} has format {shown(notes['schema'])}; this version of the library "
                f"reads format {_SCHEMA}. Use another path."
            )
        if notes["fingerprint"] != self._fingerprint:
            raise LogError(
                f"{self.name} holds the scores of another model: it has the fingerprint "
                f"{shown(notes['fingerprint'], 60)}, this model {shown(self._fingerprint, 60)}. "
                "Use another path."
            )

    def _checked(self, key: bytes, stored: Any) -> bytes:
        scores = stored[:-_CHECK_BYTES] if isinstance(stored, bytes) else b""
        if not scores or len(scores) % 8 or stored[-_CHECK_BYTES:] != _check(key, scores):
            raise LogError(
                f"{self.name} is damaged: a score does not match its checksum. {_WAY_OUT}"
            )
        return scores


_WAY_OUT = "Move the file away and start again."


def _check(key: bytes, scores: bytes) -> bytes:
    return zlib.crc32(scores, zlib.crc32(key)).to_bytes(_CHECK_BYTES, "little")


def _close(connection: sqlite3.Connection, owner: int) -> None:
    """Close a connection in the process that opened it; a fork has to leave it alone."""
    if owner == os.getpid():
        connection.close()


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Change to a write-ahead log. Sqlite gives up at once when the file is in use; we wait."""
    give_up = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > give_up:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _make_private(path: Path) -> None:
    """Make the file, or what is there, readable by its owner alone, before anything is written."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    handle = os.open(path, flags, 0o600)
    try:
        if hasattr(os, "fchmod") and stat.S_IMODE(os.fstat(handle).st_mode) != 0o600:
            os.fchmod(handle, 0o600)
    finally:
        os.close(handle)


def _reason(error: sqlite3.Error) -> str:
    text = str(error)
    if isinstance(error, sqlite3.OperationalError):
        if "full" in text:
            return "cannot grow: the disk is full. What was answered is kept in memory; make room."
        if "readonly" in text:
            return "cannot be written: it is read-only. Make it writable or use another path."
        if "locked" in text:
            return f"was locked by another process for {_WAIT_SECONDS:.0f} s. Try again."
        return f"cannot be used: {text}."
    return f"is damaged or no prediction log: {text}. {_WAY_OUT}"
