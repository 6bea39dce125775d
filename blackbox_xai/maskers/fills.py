"""What hidden segments of an image are filled with.

Each fill is a frozen dataclass called with an image ``(height, width, channels)`` and its labels
``(height, width)``; it returns one filled image, or several ``(r, height, width, channels)`` over
which scores are averaged. Any callable that does the same may stand in its place.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import check_int, check_positive, shown
from blackbox_xai.errors import InputError
from blackbox_xai.protocols import FloatArray, IntArray

__all__ = ["BlurFill", "ColourFill", "DrawnFill", "Fill", "GreyFill", "ImageFill", "MeanFill"]

_FAR = 10.0  # ranges of the image beyond it; a dark picture of bright paint stays within

Fill = Callable[[NDArray[Any], IntArray], NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class GreyFill:
    """Mid-grey: 127 in images of bytes, else halfway from the darkest to the brightest number.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.zeros((1, 2), int)
    >>> GreyFill()(np.array([[[0.0], [1.0]]]), labels)[..., 0]
    array([[0.5, 0.5]])
    >>> GreyFill()(np.array([[[9], [20]]], dtype=np.uint8), labels)[..., 0]
    array([[127., 127.]])
    """

    def __call__(
        self,
        image: NDArray[Any],
        labels: IntArray,  # noqa: ARG002  # every fill is called alike
    ) -> FloatArray:
        """Return the filled image."""
        if image.dtype == np.uint8:
            return np.full(image.shape, 127.0)
        colours = image[..., :3] if image.shape[-1] == 4 else image
        return np.full(image.shape, float(colours.min()) / 2 + float(colours.max()) / 2)


@dataclass(frozen=True, kw_only=True)
class MeanFill:
    """Each segment becomes its mean colour, as in lime; one of a single colour stays as it is.

    Examples
    --------
    >>> import numpy as np
    >>> image, labels = np.array([[[1.0], [3.0], [8.0]]]), np.array([[0, 0, 1]])
    >>> MeanFill()(image, labels)[..., 0]
    array([[2., 2., 8.]])
    """

    def __call__(self, image: NDArray[Any], labels: IntArray) -> FloatArray:
        """Return the filled image."""
        flat = labels.ravel()
        sizes = np.bincount(flat)
        channels = image.reshape(len(flat), -1).astype(np.float64).T
        means = np.stack([np.bincount(flat, weights=channel) / sizes for channel in channels])
        return means.T[labels]


@dataclass(frozen=True, kw_only=True)
class BlurFill:
    """The image, blurred until its detail is gone.

    Parameters
    ----------
    sigma : float
        Width of the Gaussian, in pixels.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.array([[[0.0], [0.0], [9.0], [0.0], [0.0]]])
    >>> blurred = BlurFill(sigma=1.0)(image, np.zeros((1, 5), int))
    >>> blurred[0, :, 0].round(1)
    array([0.5, 2.2, 3.6, 2.2, 0.5])
    """

    sigma: float = 10.0

    def __call__(
        self,
        image: NDArray[Any],
        labels: IntArray,  # noqa: ARG002  # every fill is called alike
    ) -> FloatArray:
        """Return the filled image."""
        from skimage.filters import gaussian

        sigma = check_positive("sigma", self.sigma)
        blurred: FloatArray = gaussian(  # type: ignore[no-untyped-call]  # skimage is untyped
            image.astype(np.float64), sigma=sigma, channel_axis=-1, preserve_range=True
        )
        return blurred


@dataclass(frozen=True, kw_only=True)
class ColourFill:
    """One colour everywhere.

    Parameters
    ----------
    colour : float or tuple of float
        One number, or one for each channel, in units of the image. One that is far outside the
        range of the image, as 127 where pixels end at 1, is warned of.

    Examples
    --------
    >>> import numpy as np
    >>> filled = ColourFill(colour=(255, 0, 0))(np.zeros((2, 2, 3)), np.zeros((2, 2), int))
    >>> filled[0, 0]
    array([255.,   0.,   0.])
    """

    colour: float | tuple[float, ...] = 0.0

    def __call__(
        self,
        image: NDArray[Any],
        labels: IntArray,  # noqa: ARG002  # every fill is called alike
    ) -> FloatArray:
        """Return the filled image."""
        colour = np.asarray(self.colour, dtype=np.float64)
        channels = image.shape[-1]
        opaque = 3 if channels == 4 else channels
        if colour.ndim > 1 or colour.size not in (1, opaque, channels):
            raise InputError(
                f"colour must be one number or one for each of {channels} channels, "
                f"got {shown(self.colour)}."
            )
        _warn_of_scale(colour, image)
        filled = np.zeros(image.shape)
        filled[..., : max(colour.size, 1) if colour.size > 1 else channels] = colour
        return filled


def _warn_of_scale(colour: FloatArray, image: NDArray[Any]) -> None:
    """Warn of a colour in other units than the image: its type holds more than its numbers use."""
    low, high = float(image.min()), float(image.max())
    far = _FAR * (high - low)
    if image.dtype.kind == "f" and (colour.max() > high + far or colour.min() < low - far) and far:
        warnings.warn(
            f"fill is {shown(colour.tolist())}, but the image has numbers from {low:g} to "
            f"{high:g}. Give the fill in units of the image.",
            UserWarning,
            stacklevel=2,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageFill:
    """Another image, or several: hidden segments show what they hold there.

    Parameters
    ----------
    images : ndarray of shape (height, width[, channels]) or (r, height, width, channels)
        In units of the explained image, channels last.

    Examples
    --------
    >>> import numpy as np
    >>> import blackbox_xai as bx
    >>> masker = bx.ImageMasker(np.array([[0, 1]]), ImageFill(images=np.array([[7, 8]])))
    >>> masker.bind(np.array([[1, 2]])).apply([True, False])
    array([[[1, 8]]])
    """

    images: Any

    def __call__(
        self,
        image: NDArray[Any],
        labels: IntArray,  # noqa: ARG002  # every fill is called alike
    ) -> NDArray[Any]:
        """Return the filled image or images."""
        images = np.asarray(self.images)
        if images.ndim == 2:
            images = images[..., None]
        if (
            images.shape[-3:] != image.shape
            or images.ndim not in (3, 4)
            or images.dtype.kind not in "fiub"
        ):
            raise InputError(
                f"fill images must have shape {image.shape}, or (r, ...) for several, "
                f"got {np.shape(self.images)} of {images.dtype}."
            )
        return images


@dataclass(frozen=True, kw_only=True)
class DrawnFill:
    """Each segment takes the colour of a pixel drawn from the image, several times.

    Parameters
    ----------
    n_draws : int
        Filled images drawn; scores are averaged over them, and their spread gives error bars.
    random_state : int
        Seed.

    Examples
    --------
    >>> import numpy as np
    >>> image, labels = np.array([[[1.0], [3.0], [8.0]]]), np.array([[0, 0, 1]])
    >>> filled = DrawnFill(n_draws=4)(image, labels)
    >>> filled.shape, set(filled.ravel().tolist()) <= {1.0, 3.0, 8.0}
    ((4, 1, 3, 1), True)
    """

    n_draws: int = 8
    random_state: int = 0

    def __call__(self, image: NDArray[Any], labels: IntArray) -> NDArray[Any]:
        """Return filled images of shape ``(n_draws, height, width, channels)``."""
        n_draws = check_int("n_draws", self.n_draws, minimum=1)
        rng = np.random.default_rng(check_int("random_state", self.random_state, minimum=0))
        pixels = image.reshape(-1, image.shape[-1])
        drawn = rng.integers(len(pixels), size=(n_draws, int(labels.max()) + 1))
        return pixels[drawn][:, labels]
