"""A model that counts what is paid for, and records of it, for the tests of recorded models."""

from __future__ import annotations

from collections import Counter

import numpy as np

from blackbox_xai.adapters import CallableModel, RecordedModel

__all__ = ["Killed", "Paid", "X", "recorded", "truth"]

X = np.random.default_rng(0).normal(size=(200, 4))


def truth(rows):
    rows = np.asarray(rows, float)
    weighted = rows * [1.0, 2.0, 3.0, 4.0]  # no matrix product: its last bits go with the batch
    return np.c_[weighted[:, 0] + weighted[:, 1] + weighted[:, 2] + weighted[:, 3], rows[:, 0] / 3]


class Paid:
    """Counts how often each row is paid for."""

    def __init__(self):
        self.rows = Counter()
        self.calls = 0
        self.poison = set()
        self.die_after = None

    def __call__(self, batch):
        if self.die_after is not None:
            if self.die_after == 0:
                raise Killed
            self.die_after -= 1
        self.calls += 1
        self.rows.update(map(bytes, np.ascontiguousarray(batch)))
        if any(row[0] in self.poison for row in batch):
            raise ValueError("poisoned")
        return truth(batch)

    @property
    def total(self):
        return sum(self.rows.values())


class Killed(BaseException):
    """Ends a call as the end of the process would: nothing of ours runs on it."""


def recorded(paid, path=None, batch_size=16, **settings):
    settings.setdefault("probe", False)
    model = CallableModel(paid, batch_size=batch_size)
    return RecordedModel(model, path, fingerprint="v1", **settings)
