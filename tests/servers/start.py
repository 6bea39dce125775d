"""Starts the real servers on the loopback address, and ends them with everything they started."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import urllib3
from servers.install import home, python_of

REAL = Path(__file__).parent / "real"
START_SECONDS = 90


@dataclass
class Served:
    """A running server: base address, folder of the model, rows and the probabilities of them."""

    origin: str
    folder: Path
    X: np.ndarray
    p: np.ndarray
    names: list


def free_ports(count):
    """Ports that are free now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def installed(name):
    """Whether the environment of a server is there."""
    return python_of(name).exists()


@contextlib.contextmanager
def running(name, folder, *, kind="probabilities"):
    """Fit the model, start the server, wait until it is ready, and yield what it serves."""
    python = str(python_of(name))
    model = folder / "model"
    if not (model / "truth.npz").exists():
        subprocess.run([python, str(REAL / "train.py"), str(model)], check=True, timeout=120)
    ports = free_ports(3)
    command, ready = COMMANDS[name](python, model, ports, kind)
    log = (folder / f"{name}.log").open("wb")
    environment = {**os.environ, "BENTOML_DO_NOT_TRACK": "True", "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment |= {"FOLDER": str(model), "KIND": kind, "BENTOML_HOME": str(folder)}
    environment["TMPDIR"] = str(folder)  # two of TorchServe would share a socket
    environment["PATH"] = f"{Path(python).parent}:{environment['PATH']}"
    process = subprocess.Popen(
        command, stdout=log, stderr=log, start_new_session=True, cwd=model, env=environment
    )
    origin = f"http://127.0.0.1:{ports[0]}"
    try:
        address = ready if ready.startswith("http") else origin + ready
        wait_until(address, process, folder / f"{name}.log", READY.get(name, b""))
        with np.load(model / "truth.npz") as held:
            names = [str(name) for name in held["names"]]
            served = Served(origin, model, held["X"], held["p"], names)
        yield served
    finally:
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            os.killpg(process.pid, signal.SIGTERM)  # BentoML ends its workers, if it is let
            process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)
        log.close()


def wait_until(url, process, log, word):
    until = time.monotonic() + START_SECONDS
    http = urllib3.PoolManager(retries=False, timeout=2)
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(urllib3.exceptions.HTTPError):
            reply = http.request("GET", url)
            if reply.status == 200 and word in reply.data:
                return
        time.sleep(0.3)
    raise RuntimeError(f"{url} is not ready:\n{log.read_text()[-3000:]}")


def mlserver(python, model, ports, kind):
    settings = {
        "host": "127.0.0.1",
        "http_port": ports[0],
        "grpc_port": ports[1],
        "metrics_port": ports[2],
        "parallel_workers": 0,
    }
    about = {
        "name": "bc",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./model.joblib", "version": "v1"},
    }
    (model / "settings.json").write_text(json.dumps(settings))
    (model / "model-settings.json").write_text(json.dumps(about))
    return [f"{Path(python).parent}/mlserver", "start", str(model)], "/v2/models/bc/ready"


def kserve(python, model, ports, kind):
    script = [python, str(REAL / "kserve_server.py"), str(model)]
    return [*script, str(ports[0]), str(ports[1]), kind], "/v2/models/bc/ready"


def litserve(python, model, ports, kind):
    script = [python, str(REAL / "litserve_server.py"), str(model)]
    return [*script, str(ports[0]), kind], "/health"


def triton(python, model, ports, kind):
    script = [python, str(REAL / "triton_server.py"), str(model)]
    return [*script, *map(str, ports), kind], "/v2/models/bc/ready"


def mlflow(python, model, ports, kind):
    if not (model / kind).exists():
        save = [python, str(REAL / "mlflow_save.py"), str(model)]
        subprocess.run(save, check=True, timeout=120, cwd=model)
    serve = [f"{Path(python).parent}/mlflow", "models", "serve", "-m", str(model / kind)]
    where = ["-h", "127.0.0.1", "-p", str(ports[0]), "--env-manager", "local"]
    return [*serve, *where], "/ping"


def bentoml(python, model, ports, kind):
    serve = [f"{Path(python).parent}/bentoml", "serve", "bentoml_server:Scores"]
    where = ["--working-dir", str(REAL), "--host", "127.0.0.1", "--port", str(ports[0])]
    return [*serve, *where], "/readyz"


def torchserve(python, model, ports, kind):
    handler, folder = REAL / "torchserve_handler.py", Path(python).parent
    archive = [
        f"{folder}/torch-model-archiver",
        "--model-name",
        "bc",
        "--version",
        "1.0",
        "--force",
    ]
    archive += ["--handler", str(handler), "--serialized-file", str(model / "model.joblib")]
    path = {"PATH": f"{folder}:{os.environ['PATH']}"}
    subprocess.run(
        [*archive, "--export-path", str(model)], check=True, timeout=120, env=os.environ | path
    )
    names = ("inference", "management", "metrics")
    lines = [f"{n}_address=http://127.0.0.1:{p}" for n, p in zip(names, ports, strict=True)]
    lines += [f"grpc_{n}_port={p}" for n, p in zip(names, free_ports(2), strict=False)]
    lines += ["default_workers_per_model=1", "disable_token_authorization=true"]
    (model / "config.properties").write_text("\n".join(lines))
    serve = [f"{folder}/torchserve", "--start", "--foreground", "--ncs", "--model-store"]
    settings = ["--models", "bc=bc.mar", "--ts-config", str(model / "config.properties")]
    return [
        *serve,
        str(model),
        *settings,
        "--disable-token-auth",
    ], f"http://127.0.0.1:{ports[1]}/models/bc"


COMMANDS = {
    "mlserver": mlserver,
    "kserve": kserve,
    "litserve": litserve,
    "triton": triton,
    "mlflow": mlflow,
    "bentoml": bentoml,
    "torchserve": torchserve,
}

READY = {"torchserve": b'"READY"'}  # healthy long before its worker is

__all__ = ["Served", "home", "installed", "running"]
