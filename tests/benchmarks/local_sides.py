"""Runs one benchmark in this environment and in that of the peers, and collects what both print."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path


def interpreter(place, needed, wanted=()):
    """Return the interpreter of the peers' environment at ``place``, made when it is not there.

    Packages ``wanted`` are left out where they cannot be installed.
    """
    python = Path(place) / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *needed], check=True)
        if wanted:
            subprocess.run([*pip, *wanted], check=False)
    return str(python)


def records_of(script, pythons):
    """Run ``script --run side`` under the interpreter of each side; return its lines of JSON."""
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    environ["TQDM_DISABLE"] = "1"
    found = {}
    for side, python in pythons.items():
        command = [python, script, *sys.argv[1:], "--run", side]
        done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=True)
        lines = done.stdout.splitlines()
        found[side] = [json.loads(line) for line in lines if line.startswith("{")]
    return found
