"""What checks, deadlines and limits cost, beside a bare loop over urllib3.

    python tests/benchmarks/serving_overhead.py

A server in a process of its own answers Open Inference requests of 16 rows after a pause. The bare
loop writes requests from threads by json and parses the answers; HttpModel does the same work
with everything it checks. Both run in turn, several times; the best of each is compared.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import queue
import resource
import sys
import threading
import time
from pathlib import Path

import numpy as np
import urllib3

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import blackbox_xai as bx
from blackbox_xai.adapters.http import HttpModel, Limits, OpenInference
from blackbox_xai.adapters.http.codecs.tensors import Tensor
from blackbox_xai.adapters.http.rows import as_rows

D, K, ROWS = 30, 2, 16


def answer(rows):
    """A whole reply with the same scores for each of so many rows."""
    output = {"name": "p", "shape": [rows, K], "datatype": "FP64", "data": [0.25, 0.75] * rows}
    body = json.dumps({"outputs": [output]}).encode()
    head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
    return f"{head}{len(body)}\r\n\r\n".encode() + body


def serve(pause, ports):
    """Answer every request with the same scores after ``pause`` seconds."""
    import selectors
    import socket

    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    ports.put(listener.getsockname()[1])
    listener.setblocking(False)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    replies = {rows: answer(rows) for rows in range(1, ROWS + 1)}
    due, buffers = [], {}
    while True:
        wait = max(due[0][0] - time.monotonic(), 0) if due else None
        for key, _ in selector.select(wait):
            if key.fileobj is listener:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(connection, selectors.EVENT_READ)
                buffers[connection] = b""
                continue
            connection = key.fileobj
            data = b""
            with contextlib.suppress(OSError):
                data = connection.recv(1 << 20)
            if not data:
                selector.unregister(connection)
                connection.close()
                continue
            buffers[connection] += data
            head, mark, rest = buffers[connection].partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split()[0]) if mark else 1
            if mark and len(rest) >= length:
                buffers[connection] = b""
                shape = rest.replace(b" ", b"").partition(b'"shape":[')[2]
                due.append((time.monotonic() + pause, connection, int(shape.split(b",")[0])))
        while due and due[0][0] <= time.monotonic():
            with contextlib.suppress(OSError):
                due[0][1].sendall(replies[due[0][2]])
            due.pop(0)


@contextlib.contextmanager
def server(pause):
    context = multiprocessing.get_context("spawn")
    ports = context.Queue()
    process = context.Process(target=serve, args=(pause, ports), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ports.get(timeout=30)}/v2/models/m"
    finally:
        process.terminate()


def bare(url, X, in_flight):
    """Seconds and CPU seconds of a loop without any care."""
    pool = urllib3.PoolManager(maxsize=in_flight, retries=False).connection_from_url(url)
    jobs = queue.SimpleQueue()
    for start in range(0, len(X), ROWS):
        jobs.put(start)
    scores = np.empty((len(X), K))

    def work():
        while True:
            try:
                start = jobs.get_nowait()
            except queue.Empty:
                return
            data = X[start : start + ROWS]
            tensor = {"name": "input", "shape": [ROWS, D], "datatype": "FP64"}
            body = json.dumps({"inputs": [tensor | {"data": data.ravel().tolist()}]})
            headers = {"Content-Type": "application/json"}
            reply = pool.urlopen("POST", "/v2/models/m/infer", body=body, headers=headers)
            values = json.loads(reply.data)["outputs"][0]["data"]
            scores[start : start + ROWS] = np.reshape(values, (-1, K))

    def run():
        threads = [threading.Thread(target=work) for _ in range(in_flight)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]

    return timed(run)


def careful(url, X, in_flight):
    """Seconds and CPU seconds of HttpModel."""
    limits = Limits(max_parallel=in_flight)
    codec = OpenInference(inputs=(Tensor("input", "FP64", (-1, D)),))
    model = HttpModel(
        url, protocol=codec, scale="probability", batch_size=ROWS, limits=limits, preflight=False
    )
    return timed(lambda: model.predict(X))


def timed(run):
    before = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    run()
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def compare(in_flight, requests, repeats):
    X = np.random.default_rng(0).normal(size=(requests * ROWS, D))
    with server(0.05) as url:
        runs = [(bare(url, X, in_flight), careful(url, X, in_flight)) for _ in range(repeats)]
    plain, ours = (min(run[i] for run in runs) for i in (0, 1))
    cpu = [min(run[i][1] for run in runs) / requests * 1e3 for i in (0, 1)]
    return requests / plain[0], requests / ours[0], ours[0] / plain[0], cpu


def explaining(in_flight, n_jobs):
    """Requests a second while 200 inputs are explained, and of the bare loop before and after."""
    X = np.random.default_rng(0).normal(size=(232, D))
    limits = Limits(max_parallel=in_flight)
    codec = OpenInference(inputs=(Tensor("input", "FP64", (-1, D)),))
    with server(0.05) as url:
        model = HttpModel(url, protocol=codec, scale="probability", batch_size=ROWS, limits=limits)
        model.predict(X)
        rows = np.tile(X, (50, 1))[: 640 * ROWS]
        plain = [640 / bare(url, rows, in_flight)[0]]
        before, began = model.spent["requests"], time.perf_counter()
        explainer = bx.KernelShap(budget=512)
        explainer.explain_many(model, X[:200], bx.TabularMasker(X[200:208]), n_jobs=n_jobs)
        rate = (model.spent["requests"] - before) / (time.perf_counter() - began)
        plain.append(640 / bare(url, rows, in_flight)[0])
        return rate, sum(plain) / 2


def codec_seconds(binary):
    """CPU seconds to encode 16 images of 3 x 64 x 64 FP32 and decode 16 x 10 scores."""
    images = np.random.default_rng(0).random((16, 3, 64, 64)).astype(np.float32)
    tensor = Tensor("x", "FP32", (-1, 3, 64, 64))
    codec = OpenInference(inputs=(tensor,), binary=binary)
    rows = codec.prepare(as_rows(images))
    times = []
    for _ in range(5):
        began = time.process_time()
        codec.encode(rows, "t")
        times.append(time.process_time() - began)
    return min(times)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    print("50 ms answers, 16 x 30 rows a request")
    print("in flight   bare req/s   ours req/s   wall ratio   CPU ms a request: bare, ours")
    for in_flight, requests in ((1, 40), (16, 640), (64, 2560)):
        plain, ours, wall, cpu = compare(in_flight, requests, repeats)
        print(
            f"{in_flight:9d} {plain:12.1f} {ours:12.1f} {wall:12.3f} {cpu[0]:18.2f} {cpu[1]:8.2f}"
        )
    for n_jobs in (1, 2, 4):
        rate, plain = explaining(16, n_jobs)
        print(
            f"explain_many, 200 inputs, 16 in flight, n_jobs={n_jobs}: {rate:.0f} req/s, "
            f"{rate / 320:.2f} of 320; the bare loop: {plain / 320:.2f}"
        )
    text, raw = codec_seconds(binary=False), codec_seconds(binary=True)
    print(
        f"16x3x64x64 FP32: JSON {text * 1e3:.1f} ms, binary {raw * 1e3:.2f} ms: 1/{text / raw:.0f}"
    )


if __name__ == "__main__":
    main()
