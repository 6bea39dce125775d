"""Explain a model behind HTTP: ``python examples/http_model.py``.

The script starts a server on the loopback address that speaks the Open Inference Protocol, as
Triton, MLServer and KServe do, and scores with the model inside the package. The client knows
nothing but the URL.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

import blackbox_xai as bx


class Server(ThreadingHTTPServer):
    """Serves one model at ``/v2/models/tumour`` and counts the rows it was asked for."""

    daemon_threads = True

    def __init__(self, model: Any) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.model = model
        self.rows = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Where the model is."""
        return f"http://127.0.0.1:{self.server_address[1]}/v2/models/tumour"

    def describe(self) -> dict[str, Any]:
        """Return what the protocol lets a client ask about the model."""
        return {
            "name": "tumour",
            "platform": "onnx",
            "inputs": [{"name": "rows", "datatype": "FP64", "shape": [-1, 30]}],
            "outputs": [{"name": "probabilities", "datatype": "FP64", "shape": [-1, 2]}],
        }

    def infer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to an inference request."""
        (rows,) = request["inputs"]
        scores = self.model.predict(np.array(rows["data"], dtype=float).reshape(rows["shape"]))
        with self.lock:
            self.rows += len(scores)
        output = {"name": "probabilities", "datatype": "FP64", "shape": list(scores.shape)}
        answer = {"model_name": "tumour", "outputs": [output | {"data": scores.ravel().tolist()}]}
        return answer | {"id": request["id"]} if "id" in request else answer


class Handler(BaseHTTPRequestHandler):
    """Answers what the protocol asks, in JSON."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        """Describe the model."""
        known = self.path == "/v2/models/tumour"
        self.answer(200 if known else 404, self.server.describe() if known else {})

    def do_POST(self) -> None:
        """Score rows."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, self.server.infer(json.loads(body)))

    def answer(self, status: int, content: dict[str, Any]) -> None:
        """Send JSON."""
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Keep the terminal quiet."""


def main() -> None:
    """Explain through HTTP and in process: the same numbers, and every row accounted for."""
    demo = bx.load_demo()
    local = bx.as_model(demo.model_path, output_names=demo.output_names)
    masker = bx.TabularMasker(demo.background[:10], feature_names=demo.feature_names)
    explainer = bx.KernelShap(budget=1_000)

    with Server(local) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        model = bx.as_model(server.url, output_names=demo.output_names, scale="probability")
        why = explainer.explain(model, demo.x[0], masker)
        server.shutdown()

    print(why)
    print(f"the server scored {server.rows} rows")
    here = explainer.explain(local, demo.x[0], masker)
    np.testing.assert_allclose(why.values, here.values, atol=1e-12)
    assert why.cost.rows <= 1_000
    # Beside the rows of the explanation, the server saw only those of the checks before it.
    assert 0 <= server.rows - why.cost.rows <= 8


if __name__ == "__main__":
    main()
