"""Settings of the tests that every test module shares."""

from __future__ import annotations

import os
import signal

import matplotlib as mpl
import pytest
from hypothesis import HealthCheck, settings

collect_ignore = ["typing_api.py"]  # checked by the type checkers, never run

mpl.use("Agg")

# Deterministic, so that a failure is seen again; a shared machine has no honest deadlines.
settings.register_profile(
    "dev",
    derandomize=True,
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("ci", parent=settings.get_profile("dev"), max_examples=100)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


# A shell that runs the tests in the background has Ctrl-C ignored by them and all they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave tests that need model servers to ``make test-servers``."""
    if "servers" in config.option.markexpr:
        return
    skip = pytest.mark.skip(reason="needs real model servers; run: make test-servers")
    for item in items:
        if item.get_closest_marker("servers"):
            item.add_marker(skip)
