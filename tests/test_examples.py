"""Every script in examples/ runs, warnings being errors, and its own assertions hold."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DATA = ROOT / "blackbox_xai" / "data"
SCRIPTS = sorted(p for p in (ROOT / "examples").glob("*.py") if not p.name.startswith("make_"))


def run(script: Path, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", str(script), *arguments],
        cwd=cwd,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_example(script: Path, tmp_path: Path) -> None:
    done = run(script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.slow
def test_embedded_model_can_be_made_again(tmp_path: Path) -> None:
    done = run(ROOT / "examples" / "make_embedded_model.py", str(tmp_path), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("held_out.csv", "background.csv"):
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes()
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    if all(f"{name}=={version(name)}" in pins for name in ("onnx", "scikit-learn", "skl2onnx")):
        made = (tmp_path / "breast_cancer.onnx").read_bytes()
        assert made == (DATA / "breast_cancer.onnx").read_bytes()
