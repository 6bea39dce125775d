"""Maskers: how features of a table, an image or a text are hidden."""

from __future__ import annotations

from blackbox_xai.maskers.defaults import default_masker
from blackbox_xai.maskers.fills import (
    BlurFill,
    ColourFill,
    DrawnFill,
    GreyFill,
    ImageFill,
    MeanFill,
)
from blackbox_xai.maskers.image import ImageMasker
from blackbox_xai.maskers.labels import Grid
from blackbox_xai.maskers.segments import Felzenszwalb, Quickshift, Regions, Slic
from blackbox_xai.maskers.tabular import TabularMasker
from blackbox_xai.maskers.text import TextMasker

__all__ = [
    "BlurFill",
    "ColourFill",
    "DrawnFill",
    "Felzenszwalb",
    "GreyFill",
    "Grid",
    "ImageFill",
    "ImageMasker",
    "MeanFill",
    "Quickshift",
    "Regions",
    "Slic",
    "TabularMasker",
    "TextMasker",
    "default_masker",
]
