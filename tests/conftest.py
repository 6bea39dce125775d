"""Settings of the tests that every test module shares."""

from __future__ import annotations

import os

import matplotlib as mpl
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
