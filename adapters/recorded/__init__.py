"""Models that are never asked the same row twice."""

from __future__ import annotations

from blackbox_xai.adapters.recorded.model import RecordedModel

__all__ = ["RecordedModel"]
