"""What an adapter, deduplication and the prediction log cost beside the model itself.

Run: ``python tests/benchmarks/adapters_overhead.py``. CPU time of the process, in microseconds a
row, best of several; so the load of the machine matters little.
"""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import onnxruntime
from sklearn.ensemble import RandomForestClassifier
from sklearn.neural_network import MLPClassifier

import blackbox_xai as bx

ROWS, COLUMNS = 20_000, 30


def best(call: Callable[[], object], rows: int, repeats: int = 7) -> float:
    """Return the least CPU time of ``call`` in microseconds a row."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        times.append(time.process_time() - began)
    return 1e6 * min(times) / rows


def _run(session: onnxruntime.InferenceSession, feed: dict[str, np.ndarray], _: object) -> object:
    return session.run(None, feed)


def adapters(x: np.ndarray) -> list[tuple[str, float, float]]:
    """Return name, bare and adapted time a row, at 4096 rows in a batch."""
    from skl2onnx import to_onnx

    x = x[:4096]
    y = np.digitize(x[:, 0] + x[:, 1], [-0.7, 0.7])
    narrow = x.astype(np.float32)
    found = []
    weights = np.random.default_rng(0).normal(size=(COLUMNS, 3))

    def product(batch: np.ndarray) -> np.ndarray:
        return batch @ weights

    found.append(("function: one matrix product", product, bx.as_model(product)))
    for name, fitted in (
        ("forest, 50 trees", RandomForestClassifier(50, max_depth=8, random_state=0)),
        ("network 64-64", MLPClassifier((64, 64), max_iter=20, random_state=0)),
    ):
        fitted.fit(x, y)
        found.append((f"scikit-learn {name}", fitted.predict_proba, bx.as_model(fitted)))
        content = to_onnx(fitted, narrow[:1]).SerializeToString()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(content, options)
        feed = {session.get_inputs()[0].name: narrow}
        bare = partial(_run, session, feed)
        found.append((f"ONNX {name}", bare, bx.as_model(content)))
    return [
        (name, best(partial(bare, x), 4096), best(partial(model.predict, x), 4096))
        for name, bare, model in found
    ]


def records(x: np.ndarray, folder: Path) -> list[tuple[str, float]]:
    """Return what is done with a row, and its time."""
    scores = np.random.default_rng(1).random((ROWS, 3))
    names = (folder / f"log{i}" for i in itertools.count())

    def model(batch: np.ndarray) -> np.ndarray:
        return scores[: len(batch)]

    plain = bx.CallableModel(model, batch_size=1000)

    def fresh(path: Path | None = None) -> None:
        recorded = bx.RecordedModel(plain, path, fingerprint="bench", probe=False)
        recorded.predict(x)
        recorded.close()

    warm = bx.RecordedModel(plain, fingerprint="bench", probe=False)
    warm.predict(x)
    kept = folder / "kept"
    fresh(kept)

    def unasked(batch: np.ndarray) -> np.ndarray:
        raise RuntimeError

    def resumed() -> None:
        later = bx.RecordedModel(bx.as_model(unasked), kept, fingerprint="bench", probe=False)
        later.predict(x)
        later.close()

    base = best(lambda: plain.predict(x), ROWS)
    memory = best(fresh, ROWS)
    return [
        ("deduplicate new rows", memory - base),
        ("answer known rows from memory", best(lambda: warm.predict(x), ROWS)),
        ("write to the log", best(lambda: fresh(next(names)), ROWS, 4) - memory),
        ("answer from the log of an earlier run", best(resumed, ROWS, 4)),
        ("joblib.Memory, row by row (peer)", _joblib_memory(x, folder)),
    ]


def _joblib_memory(x: np.ndarray, folder: Path) -> float:
    cached = joblib.Memory(folder / "joblib", verbose=0).cache(_score_row)
    return best(lambda: [cached(row) for row in x[:200]], 200, 1)


def _score_row(row: np.ndarray) -> np.ndarray:
    return row[:3]


def main() -> int:
    """Print the two tables; fail when a bar is missed."""
    warnings.simplefilter("ignore")
    x = np.random.default_rng(0).normal(size=(ROWS, COLUMNS))
    print(
        f"{'model, 4096 x 30 float64':42} {'bare':>8} {'adapter':>8} {'added':>8}  us a row (CPU)"
    )
    for name, bare, adapted in adapters(x):
        print(f"{name:42} {bare:8.3f} {adapted:8.3f} {adapted - bare:8.3f}")
    print()
    with tempfile.TemporaryDirectory() as folder:
        rows = records(x, Path(folder))
    for name, each in rows:
        print(f"{name:42} {each:8.2f}  us a row (CPU)")
    figures = dict(rows)
    met = figures["deduplicate new rows"] <= 2 and figures["write to the log"] <= 25
    print("bars: deduplication <= 2, log <= 25:", "met" if met else "MISSED")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
