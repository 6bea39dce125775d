"""What masking costs beside the model: tables, images and texts, and memory of many masks.

Run: ``python tests/benchmarks/masking_overhead.py``. CPU time of the process, best of several, so
the load of the machine matters little; "copy" and "np.where" are the same rows written plainly.
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

import blackbox_xai as bx
from blackbox_xai.values import ValueFunction

RNG = np.random.default_rng(0)


def best(call: Callable[[], object], repeats: int = 7) -> float:
    """Return the least CPU time of ``call`` in seconds."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return min(times)


def tables() -> None:
    """Print nanoseconds a row for coalitions over a background."""
    print(f"{'rows of a table':34}{'ours':>9}{'np.where':>10}{'ratio':>7}   ns a row")
    for d, r, m in ((10, 100, 1000), (30, 100, 340), (30, 1, 34_000), (200, 50, 100)):
        background, x = RNG.normal(size=(r, d)), RNG.normal(size=d)
        kept = RNG.random((m, d)) < 0.5
        plain = np.empty((m, r, d))

        def where(
            plain: np.ndarray = plain,
            kept: np.ndarray = kept,
            x: np.ndarray = x,
            background: np.ndarray = background,
        ) -> None:
            plain[:] = np.where(kept[:, None, :], x, background)

        floor = best(where) / (m * r) * 1e9
        for name, container in (("array", background), ("frame", pd.DataFrame(background))):
            masked = bx.TabularMasker(container).bind(x)
            batch = masked.allocate(m * r)
            ours = best(partial(masked.write, batch, 0, kept, None)) / (m * r) * 1e9
            label = f"{name}, {d} columns x {r} fills"
            print(f"{label:34}{ours:9.1f}{floor:10.1f}{ours / floor:7.2f}")


def images() -> None:
    """Print milliseconds for each masked 224 x 224 x 3 image."""
    print(f"\n{'224 x 224 x 3 images':34}{'select':>9}{'blend':>10}{'copy':>7}   ms an image")
    for dtype in (np.uint8, np.float32, np.float64):
        image = (RNG.random((224, 224, 3)) * 255).astype(dtype)
        for name, one in (("last", image), ("first", np.moveaxis(image, -1, 0).copy())):
            masked = bx.ImageMasker(bx.Grid(), channels=name).bind(one)
            batch = masked.allocate(12)
            hard = RNG.random((12, 49)) < 0.5
            soft = RNG.random((12, 49))
            select = best(partial(masked.write, batch, 0, hard, None)) / 12 * 1e3
            blend = best(partial(masked.write, batch, 0, soft, None)) / 12 * 1e3
            copy = best(partial(np.copyto, batch, one)) / 12 * 1e3
            label = f"{np.dtype(dtype).name}, channels {name}"
            print(f"{label:34}{select:9.3f}{blend:10.3f}{copy:7.3f}")


def texts() -> None:
    """Print milliseconds for 5,000 masked texts."""
    print(f"\n{'5,000 masked texts':34}{'ours':>9}   ms in all")
    for n in (20, 100, 200):
        masked = bx.TextMasker().bind(" ".join(f"word{i}" for i in range(n)))
        batch, kept = masked.allocate(5000), RNG.random((5000, n)) < 0.5
        ours = best(partial(masked.write, batch, 0, kept, None), 5) * 1e3
        print(f"{f'{n} words':34}{ours:9.1f}")


def memory() -> None:
    """Print the peak of memory above the baseline for many masks."""
    print(f"\n{'masks on a 224 x 224 x 3 image':34}{'peak':>9}   MB above the baseline")
    model = bx.as_model(lambda batch: batch.mean(axis=(1, 2, 3)))
    for n in (1000, 4000):
        v = ValueFunction(
            model, bx.ImageMasker(bx.Grid(rows=10, columns=10)).bind(RNG.random((224, 224, 3)))
        )
        kept = RNG.random((n, 100)) < 0.5
        tracemalloc.start()
        v(kept)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(f"{f'{n} masks':34}{peak / 1e6:9.1f}")


if __name__ == "__main__":
    tables()
    images()
    texts()
    memory()
