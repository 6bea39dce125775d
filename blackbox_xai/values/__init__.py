"""The value function ``v(kept) -> scores`` and the loop that pays for it.

Explainers are generators: they yield a ``Query``, are sent the scores, and return their result.
So one loop can run many inputs side by side, and coalitions of several inputs share batches.
"""

from __future__ import annotations

from blackbox_xai.values.function import ValueFunction
from blackbox_xai.values.linking import check_linked, linked
from blackbox_xai.values.paying import drive, drive_all
from blackbox_xai.values.query import Link, Query, Rows, Steps
from blackbox_xai.values.watch import Detector, Watch

__all__ = [
    "Detector",
    "Link",
    "Query",
    "Rows",
    "Steps",
    "ValueFunction",
    "Watch",
    "check_linked",
    "drive",
    "drive_all",
    "linked",
]
