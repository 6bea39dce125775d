"""A model server on the loopback address that fails on purpose, the same way each time.

Whether a request fails depends on a seed, on the rows it carries, and on how often these rows were
sent before; so a run repeats whatever the threads do.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from email.utils import formatdate

import numpy as np

WEIGHTS = np.array([[1.0, -0.5, 0.25], [-1.0, 0.5, 0.5], [0.5, 1.0, -1.0], [0.1, 0.2, 0.3]])
LABELS = ("bad", "fair", "good")
COLUMNS = ("a", "b", "c", "d")


def truth(rows):
    """Scores (n, 3) of rows (n, 4): a softmax of a linear function."""
    raw = (np.asarray(rows, float)[:, :, None] * WEIGHTS).sum(axis=1)  # the same in any batch
    raised = np.exp(raw - raw.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def text_truth(texts):
    """Scores (n, 3) of texts, from their lengths."""
    return truth([[len(t) % 5, t.count("a"), t.count("e"), 1.0] for t in texts])


@dataclass
class Plan:
    """How the server fails.

    ``faults`` maps a fault to its probability for each request. The other fields are limits that
    always hold; they may be changed while the server runs.
    """

    faults: dict = field(default_factory=dict)
    seed: int = 0
    delay: float = 0.0
    max_rows: int | None = None
    refusal: str = "413"
    poison: tuple = ()
    poison_as: str = "500"
    per_second: float | None = None
    retry_after: str = "fraction"
    token: str | None = None
    labels: bool = False
    logits: bool = False
    metadata: bool = True
    max_batch_size: int | None = None
    binary: bool = True
    version: str | None = None
    noise: float = 0.0
    reverse: bool = False
    loading_until: float = 0.0
    hang: float = 5.0
    drip: float = 0.005
    encoding: str | None = None
    pack: object = None


class Refused(Exception):
    """Raised by a model that has too much to do."""


class Faulty:
    """The server; use it as a context manager. ``url`` is its address."""

    def __init__(self, plan=None, *, model=truth, tls=None):
        self.plan = plan or Plan()
        self.model = model
        self.tls = tls
        self.requests = 0
        self.rows = 0
        self.scored = 0
        self.sizes = []
        self.kinds = Counter()
        self.accepted = 0
        self.seen = []
        self.elsewhere = "http://127.0.0.1:1/else"
        self._attempts = Counter()
        self._lock = threading.Lock()
        self._window = []
        self._rng = np.random.default_rng(0)

    def __enter__(self):
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._socket.getsockname()[1]
        self.origin = f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"
        self.url = self.origin + "/v2/models/m"
        self._closed = False
        self._connections = set()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._closed = True
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.drop_all()

    def drop_all(self):
        """Close every open connection."""
        with self._lock:
            connections, self._connections = self._connections, set()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self):
        while not self._closed:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self.accepted += 1
                self._connections.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        if self.tls is not None:
            try:
                connection = self.tls.wrap_socket(connection, server_side=True)
            except OSError:
                return
        reader = connection.makefile("rb", buffering=1 << 16)
        try:
            while (request := read_request(reader)) is not None:
                if self._answer(connection, *request):
                    break
        except OSError:
            pass
        except (KeyError, ValueError, TypeError) as error:
            send(connection, 400, json.dumps({"error": repr(error)}).encode())
        finally:
            with self._lock:
                self._connections.discard(connection)
            reader.close()
            connection.close()

    def _answer(self, connection, method, path, headers, body):
        """Answer one request; True closes the connection."""
        path = path.split("?")[0]
        self.seen.append((method, path, headers))
        if self.plan.token and headers.get("authorization") != f"Bearer {self.plan.token}":
            return send(connection, 401, b'{"error": "who are you?"}')
        if method == "GET" or path.endswith("/index"):
            return self._metadata(connection, path)
        with self._lock:
            self.requests += 1
        if time.time() < self.plan.loading_until:
            return send(connection, 503, b'{"error": "model is loading"}')
        refused = self._too_fast()
        if refused is not None:
            self.kinds["429"] += 1
            return send(connection, 429, b'{"error": "slow down"}', refused)
        return self._infer(connection, path, headers, body)

    def _infer(self, connection, path, headers, body):
        message, rest = split_body(headers, body)
        protocol, rows = rows_of(path, message, rest)
        n = len(rows)
        with self._lock:
            self.rows += n
            self.sizes.append(n)
            key = hashlib.blake2b(repr(rows).encode() if protocol in TEXT else rows.tobytes())
            attempt = self._attempts[key.digest()]
            self._attempts[key.digest()] += 1
        fault = self._draw(key.digest(), attempt)
        if fault is None:
            fault = self._standing_fault(rows, n, protocol)
        self.kinds[fault or "ok"] += 1
        if self.plan.delay:
            time.sleep(self.plan.delay)
        if fault in BEFORE:
            return BEFORE[fault](self, connection)
        try:
            scores = self._scores(rows, protocol)
        except Refused:
            return send(connection, 503, b'{"error": "too many at once"}')
        with self._lock:
            self.scored += n
        if fault in IN_SCORES:
            scores = IN_SCORES[fault](scores)
        elif fault is not None and fault in AFTER and AFTER[fault][0]:
            return AFTER[fault][1](self, connection, b"")
        payload, kind = encode(self, protocol, message, scores, n)
        if fault in AFTER:
            return AFTER[fault][1](self, connection, payload)
        if self.plan.encoding is not None:
            payload, kind = self.plan.pack(payload), {"Content-Encoding": self.plan.encoding}
        return send(connection, 200, payload, kind)

    def _scores(self, rows, protocol):
        if protocol in TEXT:
            return text_truth(rows)
        scores = np.asarray(self.model(rows), float)
        if self.plan.logits:
            scores = np.log(scores) + 1.0
        if self.plan.noise:
            scores = scores + self._rng.normal(0, self.plan.noise, scores.shape)
        if self.plan.reverse:
            scores = scores[::-1]
        return scores

    def _draw(self, key, attempt):
        """Return the fault of this request, or None."""
        seed = hashlib.blake2b(key + struct.pack("<qq", self.plan.seed, attempt), digest_size=8)
        u = int.from_bytes(seed.digest(), "little") / 2.0**64
        for fault, p in self.plan.faults.items():
            if u < p:
                return fault
            u -= p
        return None

    def _standing_fault(self, rows, n, protocol):
        plan = self.plan
        if plan.max_rows is not None and n > plan.max_rows:
            return plan.refusal
        if protocol not in TEXT and len(plan.poison):
            hit = (rows[:, None, :] == np.asarray(plan.poison)[None]).all(axis=2).any()
            if hit:
                return plan.poison_as
        return None

    def _too_fast(self):
        """Return the headers of a 429, or None."""
        if self.plan.per_second is None:
            return None
        with self._lock:
            now = time.monotonic()
            self._window = [t for t in self._window if t > now - 0.25]
            if len(self._window) < self.plan.per_second * 0.25:
                self._window.append(now)
                return None
            wait = self._window[0] + 0.25 - now
        return {
            "fraction": {"Retry-After": f"{wait:.3f}"},
            "seconds": {"Retry-After": str(int(np.ceil(wait)))},
            "ms": {"Retry-After-Ms": str(int(np.ceil(wait * 1e3)))},
            "date": {"Retry-After": formatdate(np.ceil(time.time() + wait), usegmt=True)},
            "none": {},
        }[self.plan.retry_after]

    def _metadata(self, connection, path):
        plan = self.plan
        if time.time() < plan.loading_until and path.endswith("/ready"):
            return send(connection, 503, b'{"error": "model is loading"}')
        pages = {
            "/v2": {
                "name": "faulty",
                "version": "1",
                "extensions": ["binary_tensor_data"][: plan.binary],
            },
            "/v2/health/ready": {},
            "/v2/models/m/ready": {},
            "/v2/repository/index": [{"name": "m"}],
            "/v2/models/m": {
                "name": "m",
                "platform": "faulty",
                "inputs": [{"name": "X", "datatype": "FP64", "shape": [-1, 4]}],
                "outputs": [{"name": "scores", "datatype": "FP64", "shape": [-1, 3]}],
            },
            "/v1/models/m": {"name": "m", "ready": True},
            "/ping": {"status": "Healthy"},
        }
        if plan.max_batch_size is not None:
            pages["/v2/models/m/config"] = {"max_batch_size": plan.max_batch_size}
        if not plan.metadata:
            pages["/v2/models/m"] = {"name": "m", "inputs": [], "outputs": []}
        if path not in pages:
            return send(connection, 404, b'{"error": "not found"}')
        return send(connection, 200, json.dumps(pages[path]).encode())


def read_request(reader):
    line = reader.readline(1 << 16)
    if not line:
        return None
    method, path, _ = line.decode().split(" ", 2)
    headers = {}
    while (line := reader.readline(1 << 16).strip()) != b"":
        name, _, value = line.decode().partition(":")
        headers[name.strip().lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", 0)))
    return method, path, headers, body


def send(connection, status, body, extra=None, *, length=None, close=False):
    headers = {
        "Content-Type": "application/json",
        "Content-Length": str(len(body) if length is None else length),
    }
    headers.update(extra or {})
    head = f"HTTP/1.1 {status} x\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    connection.sendall(head.encode() + b"\r\n" + body)
    return close


# ---- protocols ----------------------------------------------------------------------------

TEXT = ("hf", "tei")
TYPES = {"FP64": "<f8", "FP32": "<f4", "INT64": "<i8"}


def split_body(headers, body):
    length = headers.get("inference-header-content-length")
    if length is None:
        return json.loads(body), b""
    return json.loads(body[: int(length)]), body[int(length) :]


def rows_of(path, message, rest):
    """Return the protocol and the rows of a request."""
    if "/v2/" in path:
        return "v2", v2_rows(message["inputs"], rest)
    if path.endswith(":predict"):
        return "v1", np.asarray(message["instances"], float)
    if path == "/invocations":
        if "dataframe_split" in message:
            frame = message["dataframe_split"]
            order = [frame["columns"].index(name) for name in COLUMNS]
            return "mlflow", np.asarray(frame["data"], float)[:, order]
        return "mlflow", np.asarray(message["inputs"], float)
    if path.startswith("/predictions/"):
        return "torchserve", np.asarray(message["instances"], float)
    if path == "/hf":
        return "hf", [message["inputs"]]
    if isinstance(message.get("inputs"), list):
        return "tei", [text for (text,) in message["inputs"]]
    return "custom", np.asarray(message["input"], float)


def v2_rows(inputs, rest):
    columns = []
    for tensor in inputs:
        size = (tensor.get("parameters") or {}).get("binary_data_size")
        if size is None:
            data = np.asarray(tensor["data"], float)
        else:
            data = np.frombuffer(rest[:size], TYPES[tensor["datatype"]]).astype(float)
            rest = rest[size:]
        columns.append(data.reshape(tensor["shape"]))
    return np.hstack(columns)


def tokens(scores):
    """JSON values of scores; what is not finite becomes a bare token."""
    return [[float(v) for v in row] for row in scores]


def encode(server, protocol, message, scores, n):
    """Return the body of an answer and its further headers."""
    plan = server.plan
    if isinstance(scores, list):
        rows = scores
    elif plan.labels:
        rows = [[int(i)] for i in np.argmax(scores, axis=1)]
    else:
        rows = tokens(scores)
    if protocol == "v2":
        return v2_body(plan, message, rows)
    if protocol in TEXT:
        labelled = [
            sorted(
                ({"label": name, "score": v} for name, v in zip(LABELS, row, strict=False)),
                key=lambda pair: -pair["score"],
            )
            for row in rows
        ]
        return json.dumps(labelled[0] if protocol == "hf" else labelled).encode(), None
    if protocol == "torchserve":
        return json.dumps(rows).encode(), {"Content-Type": ""}
    key = "output" if protocol == "custom" else "predictions"
    return json.dumps({key: rows}).encode(), None


def v2_body(plan, message, rows):
    widths = {len(row) for row in rows}
    flat = [v for row in rows for v in row]
    output = {
        "name": "scores",
        "shape": [len(rows), max(widths)],
        "datatype": "INT64" if plan.labels else "FP64",
    }
    answer = {"id": message.get("id"), "model_name": "m", "outputs": [output]}
    if plan.version is not None:
        answer["model_version"] = plan.version
    plain = all(isinstance(v, float) for v in flat) and len(widths) == 1
    if (message.get("parameters") or {}).get("binary_data_output") and plain:
        raw = np.array(flat, "<f8").tobytes()
        output["parameters"] = {"binary_data_size": len(raw)}
        head = json.dumps(answer).encode()
        return head + raw, {
            "Inference-Header-Content-Length": str(len(head)),
            "Content-Type": "application/octet-stream",
        }
    output["data"] = flat
    return json.dumps(answer).encode(), None


# ---- faults -------------------------------------------------------------------------------


BOMB = gzip.compress(b" " * 20_000_000)


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return True


def hang(server, connection):
    time.sleep(server.plan.hang)
    return True


def bomb(server, connection):
    return send(connection, 200, BOMB, {"Content-Encoding": "gzip"})


def drip(server, connection, body):
    head = f"HTTP/1.1 200 x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    connection.sendall(head)
    for i in range(len(body)):
        connection.sendall(body[i : i + 1])
        time.sleep(server.plan.drip)
    return False


def drip_headers(server, connection, body):
    connection.sendall(b"HTTP/1.1 200 x\r\n")
    for _ in range(1000):
        connection.sendall(b"X-A: b\r\n"[:4])
        time.sleep(server.plan.drip)
    return True


def chunked_cut(server, connection, body):
    head = b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n"
    connection.sendall(head + f"{len(body):x}\r\n".encode() + body + b"\r\n")
    return True


def wrong_id(server, connection, body):
    if b"Inference" in body or not body.startswith(b"{"):
        return send(connection, 200, b"{}")
    cut = body.find(b'"outputs"')
    return send(connection, 200, b'{"id": "somebody else", ' + body[cut:])


def first(value):
    def change(scores):
        rows = tokens(scores)
        rows[0][0] = value
        return rows

    return change


def canned(status, body, extra=None):
    return lambda server, connection: send(connection, status, body, extra)


def close_quietly(server, connection):
    return True


def said_by(server):
    """The credentials that came with the last request."""
    return server.seen[-1][2]["authorization"]


# Faults before scoring; faults in the scores; faults of the answer: (needs no body, function).
BEFORE = {
    "500": canned(500, b'{"error": "ValueError: boom"}'),
    "503": canned(503, b'{"error": "busy"}'),
    "503 data": canned(  # TorchServe's word for rows that the model cannot take
        503, b'{"code": 503, "type": "InternalServerException", "message": "Prediction failed"}'
    ),
    "413": canned(413, b"too large"),
    "400 batch": canned(400, b'{"error": "inference request batch-size must be <= 5"}'),
    "400": canned(400, b'{"error": "bad value"}'),
    "504": canned(504, b"gateway timeout"),
    "502": canned(502, b"bad gateway"),
    "reset": lambda server, connection: reset(connection),
    "close": close_quietly,
    "hang": hang,
    "bomb": bomb,
    "login": canned(200, b"<html>Please log in</html>", {"Content-Type": "text/html"}),
    "empty": canned(200, b""),
    "error 200": canned(200, b'{"error": "oops"}'),
    "deep": canned(200, b"[" * 100_000),
    "quota": canned(429, b'{"error": {"code": "insufficient_quota"}}'),
    "302": lambda server, connection: send(connection, 302, b"", {"Location": server.elsewhere}),
    "echo": lambda server, connection: send(
        connection, 400, json.dumps({"error": f"odd: {said_by(server)}"}).encode()
    ),
    "echo cut": lambda server, connection: send(
        connection, 400, json.dumps({"error": "x" * 190 + said_by(server)}).encode()
    ),
    "echo 200": lambda server, connection: send(
        connection, 200, b"<html>" + b"x" * 60 + said_by(server).encode()
    ),
}
IN_SCORES = {
    "nan": first(float("nan")),
    "infinity": first(float("inf")),
    "null": first(None),
    "text": first("0.3"),
    "true": first(True),
    "negative": first(-0.5),
    "fewer rows": lambda scores: tokens(scores)[:-1] or [[]],
    "more rows": lambda scores: [*tokens(scores), [0.2, 0.3, 0.5]],
    "fewer classes": lambda scores: tokens(scores[:, :-1]),
}
AFTER = {
    "lost": (True, lambda server, connection, body: reset(connection)),
    "truncated": (
        False,
        lambda server, connection, body: send(
            connection, 200, body[: len(body) // 2], length=len(body), close=True
        ),
    ),
    "chunk": (False, chunked_cut),
    "drip": (False, drip),
    "drip headers": (False, drip_headers),
    "wrong id": (False, wrong_id),
}
