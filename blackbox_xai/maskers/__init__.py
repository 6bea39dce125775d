"""Maskers: how features of a table, an image or a text are hidden."""

from __future__ import annotations

from blackbox_xai.maskers.tabular import TabularMasker

__all__ = ["TabularMasker"]
