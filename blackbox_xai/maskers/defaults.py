"""A sensible masker for data of any kind."""

from __future__ import annotations

from typing import Any

import numpy as np

from blackbox_xai._checks import shown
from blackbox_xai._inputs import is_frame
from blackbox_xai.errors import InputError
from blackbox_xai.maskers.fills import ImageFill
from blackbox_xai.maskers.image import ImageMasker
from blackbox_xai.maskers.tabular import TabularMasker
from blackbox_xai.maskers.text import TextMasker
from blackbox_xai.protocols import Masker

__all__ = ["default_masker"]


def default_masker(inputs: Any, background: Any = None) -> Masker:
    """Return a masker that fits inputs of this kind.

    Parameters
    ----------
    inputs : array, frame or list
        A batch: rows of a table, images (or a list of images), or a list of texts.
    background : array or frame, optional
        Rows that hidden columns are filled from; needed for tables. For images: what hidden
        segments show, one image or several. Texts have none.

    Returns
    -------
    Masker
        ``TabularMasker`` over the background, ``ImageMasker`` with SLIC segments and mean colours,
        or ``TextMasker`` that drops words.

    Raises
    ------
    InputError
        When the kind of data cannot be told, or the background does not go with it.

    Examples
    --------
    >>> default_masker(["good film", "bad film"])
    TextMasker(tokenizer=None, level='word', unit='position', mode='drop', mask_token='[MASK]', \
n_tokens=1)
    """
    if is_frame(inputs):
        return _tabular(background)
    if isinstance(inputs, str | bytes):
        raise InputError(f"inputs must be a batch, got one text {shown(inputs)}. Put it in a list.")
    if hasattr(inputs, "tocsr"):
        raise InputError(
            f"inputs must be dense, got {shown(type(inputs).__name__)}. Pass inputs.toarray()."
        )
    first = _first(inputs)
    if isinstance(first, str):
        if background is not None:
            raise InputError("background must be None for texts; hidden words are dropped.")
        return TextMasker()
    n_axes = _axes(first)
    if n_axes == 1:
        return _tabular(background)
    if n_axes in (2, 3):
        _refuse_single_image(inputs)
        return ImageMasker() if background is None else ImageMasker(fill=_images(background))
    raise InputError(
        "inputs must be rows of a table, images or texts; each must have 1, 2 or 3 axes, "
        f"got {shown(first)}."
    )


def _tabular(background: Any) -> TabularMasker:
    if background is None:
        raise InputError(
            "background must be given for tables: rows that stand for not knowing a value, such "
            "as the training data."
        )
    return TabularMasker(background)


def _images(background: Any) -> ImageFill:
    return background if callable(background) else ImageFill(images=background)


def _first(inputs: Any) -> Any:
    try:
        return next(iter(inputs))
    except StopIteration:
        raise InputError("inputs must have at least one row, got 0.") from None
    except TypeError as error:
        raise InputError(f"inputs must be an array, frame or list, got {shown(inputs)}.") from error


def _axes(first: Any) -> int:
    try:
        return np.ndim(first)
    except ValueError as error:
        raise InputError(f"inputs must hold rows of equal length, got {shown(first)}.") from error


def _refuse_single_image(inputs: Any) -> None:
    """Say so when a batch is more likely one colour image."""
    shape = np.shape(inputs) if isinstance(inputs, np.ndarray) else ()
    if len(shape) == 3 and shape[2] in (3, 4):
        raise InputError(
            f"inputs of shape {shape} look like one colour image; a batch is expected. "
            "Pass inputs[None]."
        )
