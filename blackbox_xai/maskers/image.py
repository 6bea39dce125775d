"""Segments of an image, hidden by painting a fill over them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._plain import plain
from blackbox_xai.maskers._pictures import as_dtype, as_image, channels_first, filled_images
from blackbox_xai.maskers.fills import GreyFill
from blackbox_xai.maskers.labels import relabelled
from blackbox_xai.maskers.masked_image import MaskedImage
from blackbox_xai.maskers.segments import Segmenter, Slic
from blackbox_xai.protocols import IntArray

__all__ = ["ImageMasker"]


@dataclass(frozen=True, eq=False)
class ImageMasker:
    """Hides segments of an image.

    Parameters
    ----------
    segmenter : callable or ndarray of shape (height, width)
        ``Slic``, ``Regions``, ``Quickshift``, ``Felzenszwalb``, ``Grid``, any function of an image
        (channels last) that returns a label for each pixel, or such labels. Labels may start
        anywhere and have gaps: every distinct label is a segment.
    fill : callable, number, sequence or ndarray
        ``GreyFill``, ``MeanFill``, ``BlurFill``, ``ColourFill``, ``ImageFill``, ``DrawnFill``, or a
        function of image and labels; a number or a colour; an image (channels last); or a list of
        fills, whose scores are averaged.
    channels : {"last", "first"}, optional
        Where colours stand in the image. None: found from the shape, or an error if that is not
        possible. The model receives images in the layout that the user gives.
    keep_alpha : bool
        Whether the fourth of four channels is transparency, which is never hidden.

    Examples
    --------
    >>> import numpy as np
    >>> masked = ImageMasker(np.array([[1, 1, 7]]), fill=0).bind(np.array([[5, 6, 7]]))
    >>> masked.feature_names
    ('segment 0', 'segment 1')
    >>> batch = masked.allocate(1)
    >>> masked.write(batch, 0, np.array([[True, False]]), None)
    >>> masked.inputs(batch, 1)
    array([[[5, 6, 0]]])
    """

    segmenter: Segmenter | NDArray[Any] = field(default_factory=Slic)
    fill: Any = field(default_factory=GreyFill)
    channels: Literal["last", "first"] | None = field(default=None, kw_only=True)
    keep_alpha: bool = field(default=True, kw_only=True)

    def bind(self, x: Any) -> MaskedImage:
        """Return an image with segments that can be hidden.

        Parameters
        ----------
        x : array of shape (height, width), (height, width, channels) or (channels, height, width)
            Integers or floats; NaN and infinity are refused.

        Returns
        -------
        MaskedImage

        Raises
        ------
        InputError
            When ``x`` is not one image, or the segmenter or fill does not fit it.
        """
        image = as_image(x)
        first = channels_first(image.shape, self.channels)
        last = np.moveaxis(image, 0, -1) if first else image
        labels = self._labels(last)
        coloured = last if last.ndim == 3 else last[..., None]
        filled = filled_images(self.fill, coloured, labels)
        if self.keep_alpha and coloured.shape[-1] == 4:
            filled[..., 3] = coloured[..., 3]
        filled = np.moveaxis(filled, -1, 1) if first else filled
        filled = np.ascontiguousarray(filled).reshape(-1, *image.shape)
        return MaskedImage(image, as_dtype(filled, image.dtype), labels, first)

    def _labels(self, image: NDArray[Any]) -> IntArray:
        given = self.segmenter(image) if callable(self.segmenter) else self.segmenter
        return relabelled(given, *image.shape[:2])

    def describe(self) -> dict[str, Any]:
        """Return the settings as plain data."""
        return {
            "kind": "ImageMasker",
            "segmenter": plain(self.segmenter),
            "fill": plain(self.fill),
            "channels": self.channels,
            "keep_alpha": self.keep_alpha,
        }
