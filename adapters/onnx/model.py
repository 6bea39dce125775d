"""ONNX models behind the contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from blackbox_xai._inputs import is_frame
from blackbox_xai.adapters.base import Adapter
from blackbox_xai.errors import LoadError
from blackbox_xai.protocols import Scale

__all__ = ["OnnxModel"]


class OnnxModel(Adapter):
    def __init__(
        self,
        source: Any,
        *,
        output_names: Any = None,
        scale: Scale | None = None,
        batch_size: int | None = None,
    ) -> None:
        super().__init__(output_names=output_names, scale=scale, batch_size=batch_size)
        import onnxruntime

        if isinstance(source, onnxruntime.InferenceSession):
            self._session = source
            self._bytes = None
        else:
            if isinstance(source, str):
                source = Path(source).read_bytes()
            self._bytes = bytes(source)
            self._open()

    def _open(self) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(self._bytes, options)
        except Exception as error:
            raise LoadError(f"The ONNX model cannot be opened: {error}") from error

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        del state["_session"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def _predict_batch(self, batch: Any) -> Any:
        kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64}
        if is_frame(batch):
            batch = batch.to_numpy()
        (only,) = self._session.get_inputs()
        feed = {only.name: np.asarray(batch, kinds.get(only.type))}
        answer = self._session.run(None, feed)[-1]
        if isinstance(answer, list):
            answer = np.array([list(row.values()) for row in answer])
        return answer
