"""Make the model and the data inside the package: ``python examples/make_embedded_model.py``.

Gradient boosting on the Wisconsin breast cancer data that scikit-learn ships, as an ONNX file, with
the rows it was fitted on (the background) and the rows it has never seen (to be audited). With the
pinned versions, two runs write the same bytes. Another folder can be named as the only argument.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import train_test_split

import blackbox_xai


def write_rows(path: Path, names: list[str], rows: np.ndarray, labels: np.ndarray) -> None:
    """Write rows and, as the last column, their diagnosis; no digit is lost."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*names, "diagnosis"])
        writer.writerows([*row, label] for row, label in zip(rows.tolist(), labels, strict=True))


def main(folder: Path) -> None:
    """Fit, convert, check that the file answers as the estimator does, and write."""
    data = load_breast_cancer()
    names = [str(name) for name in data.feature_names]
    x_train, x_test, y_train, y_test = train_test_split(
        data.data, data.target, test_size=0.3, random_state=0, stratify=data.target
    )
    estimator = GradientBoostingClassifier(n_estimators=60, max_depth=3, random_state=0)
    estimator.fit(x_train.astype(np.float32), y_train)
    onnx_model = to_onnx(
        estimator,
        initial_types=[("rows", FloatTensorType([None, len(names)]))],
        options={"zipmap": False},
        target_opset={"": 17, "ai.onnx.ml": 3},
    )
    # The converter lists the opsets in the order of a set, which changes from run to run.
    opsets = sorted(onnx_model.opset_import, key=lambda opset: opset.domain)
    del onnx_model.opset_import[:]
    onnx_model.opset_import.extend(opsets)
    file = onnx_model.SerializeToString(deterministic=True)

    session = onnxruntime.InferenceSession(file)
    rows = x_test.astype(np.float32)
    (scores,) = session.run(["probabilities"], {"rows": rows})
    assert np.abs(scores - estimator.predict_proba(rows)).max() < 1e-5
    accuracy = float((scores.argmax(axis=1) == y_test).mean())
    assert accuracy > 0.93, accuracy
    assert len(file) < 300_000

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "breast_cancer.onnx").write_bytes(file)
    write_rows(folder / "background.csv", names, x_train, data.target_names[y_train])
    write_rows(folder / "held_out.csv", names, x_test, data.target_names[y_test])
    print(f"{len(file)} bytes, right on {accuracy:.1%} of {len(y_test)} held-out rows: {folder}")


if __name__ == "__main__":
    default = Path(blackbox_xai.__file__).parent / "data"
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else default)
