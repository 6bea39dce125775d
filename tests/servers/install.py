"""Installs real model servers, each into an environment of its own.

    python tests/servers/install.py [name ...]

The environments go to the folder named by BLACKBOX_XAI_SERVERS, or to .venv-servers beside the
project. The tests marked ``servers`` start what is there. Without a name five servers are
installed; BentoML and TorchServe (more than a gigabyte, and it needs Java) only by name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGES = {
    "mlserver": ["mlserver", "mlserver-sklearn"],
    "kserve": ["kserve", "scikit-learn"],
    "mlflow": ["mlflow", "scikit-learn"],
    "litserve": ["litserve", "scikit-learn"],
    "triton": ["nvidia-pytriton", "scikit-learn", "numpy<2"],
}
BY_NAME = {
    "bentoml": ["bentoml", "scikit-learn"],
    "torchserve": [
        "torchserve",
        "torch-model-archiver",
        "torch",
        "pyyaml",
        "scikit-learn",
        "setuptools",
    ],
}


def home():
    """The folder of the environments."""
    root = Path(__file__).resolve().parents[2]
    return Path(os.environ.get("BLACKBOX_XAI_SERVERS") or root / ".venv-servers")


def python_of(name):
    """The interpreter of a server's environment."""
    return home() / name / "bin" / "python"


def base_python(name):
    """The Python that makes an environment.

    The interpreter embedded in Triton is Debian's; with a later patch level beside it, its
    standard library does not fit.
    """
    debian = Path("/usr/bin/python3")
    if name == "triton" and debian.exists():
        return str(debian)
    return sys.executable


def install(name):
    """Make the environment of one server unless it is there."""
    folder = home() / name
    done = folder / "installed"
    if done.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([base_python(name), "-m", "venv", str(folder)], check=True)
    pip = [str(python_of(name)), "-m", "pip", "install", "--quiet", *(PACKAGES | BY_NAME)[name]]
    subprocess.run(pip, check=True)
    done.touch()


def main(names):
    unknown = sorted(set(names) - set(PACKAGES | BY_NAME))
    if unknown:
        sys.exit(f"unknown servers {unknown}; known are {sorted(PACKAGES | BY_NAME)}")
    for name in names or PACKAGES:
        print(f"{name} ...", flush=True)
        install(name)


if __name__ == "__main__":
    main(sys.argv[1:])
