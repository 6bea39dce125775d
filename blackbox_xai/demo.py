"""The model and the data inside the package: something real to try every method on.

A gradient-boosted classifier of breast tumours as an ONNX file, the 398 rows it was fitted on, and
171 rows it has never seen. ``examples/make_embedded_model.py`` in the repository makes them again.
The data are the Wisconsin diagnostic breast cancer set (Street, Wolberg and Mangasarian, 1993).
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["Demo", "load_demo"]

_DATA = Path(__file__).parent / "data"
_OUTPUTS = ("malignant", "benign")


@dataclass(frozen=True, eq=False)
class Demo:
    """A black box and its data.

    Parameters
    ----------
    model_path : Path
        The ONNX file; it answers with the probabilities of ``output_names``.
    output_names : tuple of str
        Names of the two outputs.
    feature_names : tuple of str
        Names of the 30 columns.
    x : ndarray of shape (171, 30)
        Measurements of tumours the model has never seen; lengths and areas in the units of the
        data set.
    y : ndarray of shape (171,)
        What those tumours were: positions in ``output_names``.
    background : ndarray of shape (398, 30)
        The rows the model was fitted on.
    """

    model_path: Path
    output_names: tuple[str, ...]
    feature_names: tuple[str, ...]
    x: FloatArray
    y: IntArray
    background: FloatArray

    @property
    def sha256(self) -> str:
        """SHA-256 of the model file, 64 hexadecimal digits."""
        return hashlib.sha256(self.model_path.read_bytes()).hexdigest()


def load_demo() -> Demo:
    """Return the model and the data inside the package; nothing is downloaded.

    Returns
    -------
    Demo

    Examples
    --------
    >>> import blackbox_xai as bx
    >>> demo = bx.load_demo()
    >>> demo.x.shape, demo.background.shape, demo.feature_names[:2]
    ((171, 30), (398, 30), ('mean radius', 'mean texture'))
    >>> model = bx.as_model(demo.model_path, output_names=demo.output_names)
    >>> round(float((model.predict(demo.x).argmax(axis=1) == demo.y).mean()), 3)
    0.942
    """
    feature_names, x, labels = _read("held_out.csv")
    return Demo(
        model_path=_DATA / "breast_cancer.onnx",
        output_names=_OUTPUTS,
        feature_names=feature_names,
        x=x,
        y=np.array([_OUTPUTS.index(label) for label in labels], dtype=np.intp),
        background=_read("background.csv")[1],
    )


def _read(name: str) -> tuple[tuple[str, ...], FloatArray, list[str]]:
    """Return the names of the columns, the rows, and what stands in the last column."""
    with (_DATA / name).open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    cells = np.array([row[:-1] for row in rows], dtype=np.float64)
    return tuple(header[:-1]), cells, [row[-1] for row in rows]
