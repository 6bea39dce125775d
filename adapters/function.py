"""Any Python function as a model."""

from __future__ import annotations

from typing import Any

from blackbox_xai.adapters.base import Adapter

__all__ = ["CallableModel"]


class CallableModel(Adapter):
    def __init__(self, function: Any, **settings: Any) -> None:
        super().__init__(**settings)
        self._function = function

    def _predict_batch(self, batch: Any) -> Any:
        return self._function(batch)
