"""Segmenters: an image in, one label for each pixel out.

Each is a small frozen dataclass that is called with an image ``(height, width)`` or ``(height,
width, channels)``. Any callable that does the same may stand in its place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from blackbox_xai._checks import check_int, check_positive
from blackbox_xai.maskers.labels import Grid, colours_of
from blackbox_xai.protocols import FloatArray

__all__ = ["Felzenszwalb", "Quickshift", "Regions", "Segmenter", "Slic"]

Segmenter = Callable[[NDArray[Any]], NDArray[Any]]

# Borders of superpixels need no more pixels than these, and no more for each of them.
_PIXELS, _PIXELS_EACH = 224 * 224, 1000
# Quick shift is run at this side, where a kernel of this width finds some thirty regions.
_SIDE, _KERNEL = 224, 4.0
_FEWEST, _MOST = 12, 120


@dataclass(frozen=True, kw_only=True)
class Slic:
    """Superpixels of about equal size (k-means in colour and place).

    Parameters
    ----------
    n_segments : int
        About how many segments.
    compactness : float
        Weight of place against colour; high values give square segments.
    sigma : float
        Width of a Gaussian that smooths the image first, in pixels.

    Notes
    -----
    Large images are segmented on a reduced copy of 1,000 pixels a segment, at least 224 x 224.

    On noisy images k-means scatters its segments and merges what is left into a few. When fewer
    than half of ``n_segments`` come out, place is weighted 10 and then 100 times as much, and at
    last a grid is returned.

    References
    ----------
    Achanta et al. (2012), SLIC superpixels compared to state-of-the-art superpixel methods.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((20, 40))
    >>> image[:, 20:] = 1.0
    >>> labels = Slic(n_segments=2)(image)
    >>> bool((labels[:, :18] == labels[0, 0]).all() and labels[0, 0] != labels[0, -1])
    True
    """

    n_segments: int = 50
    compactness: float = 10.0
    sigma: float = 1.0

    def __call__(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return labels of shape ``(height, width)``."""
        from skimage.segmentation import slic

        n_segments = check_int("n_segments", self.n_segments, minimum=1)
        compactness = check_positive("compactness", self.compactness)
        height, width = image.shape[:2]
        enough = min(n_segments, height * width) / 2
        most = max(_PIXELS, _PIXELS_EACH * n_segments)
        colours = _reduced(colours_of(image), (height * width / most) ** 0.5)
        for stiffer in (1, 10, 100):
            labels: NDArray[Any] = slic(
                colours,
                n_segments=n_segments,
                compactness=compactness * stiffer,
                sigma=self.sigma,
                channel_axis=-1,
            )
            if len(np.unique(labels)) >= enough:
                return _enlarged(labels, height, width)
        rows = max(round((n_segments * height / width) ** 0.5), 1)
        return Grid(rows=rows, columns=max(round(n_segments / rows), 1))(image)


@dataclass(frozen=True, kw_only=True)
class Quickshift:
    """Segments that follow modes of colour and place.

    Parameters
    ----------
    kernel_size : float
        Width of the density estimate, in pixels.
    max_dist : int
        Longest link between two pixels of a segment.
    ratio : float
        Weight of colour against place, 0 to 1.
    random_state : int
        Seed of the noise that breaks ties.

    References
    ----------
    Vedaldi and Soatto (2008), Quick shift and kernel methods for mode seeking.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((20, 40, 3))
    >>> image[:, 20:] = 1.0
    >>> labels = Quickshift(ratio=1.0, max_dist=20)(image)
    >>> labels.shape, bool(set(labels[:, :18].flat).isdisjoint(labels[:, 22:].flat))
    ((20, 40), True)
    """

    kernel_size: float = 4
    max_dist: int = 200
    ratio: float = 0.2
    random_state: int = 0

    def __call__(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return labels of shape ``(height, width)``."""
        from skimage.segmentation import quickshift

        labels: NDArray[Any] = quickshift(  # type: ignore[no-untyped-call]  # skimage is untyped
            colours_of(image),
            kernel_size=self.kernel_size,  # pyright: ignore[reportArgumentType]  # any float, as skimage documents
            max_dist=self.max_dist,
            ratio=self.ratio,
            rng=self.random_state,
            convert2lab=True,
        )
        return labels


@dataclass(frozen=True, kw_only=True)
class Regions:
    """Some thirty segments that follow objects, on an image of any size; they may differ in size.

    Quick shift with a kernel that grows with the image; images above 224 pixels are segmented on
    a reduced copy. Where fewer than 12 or more than 120 regions come out, as on tiny
    images, ``Slic()`` takes over.

    Parameters
    ----------
    random_state : int
        As for ``Quickshift``.

    Examples
    --------
    >>> import numpy as np
    >>> down, across = np.mgrid[:96, :96]
    >>> image = (down // 24 * 4 + across // 24) * 7 % 16 / 15
    >>> labels = Regions()(image)
    >>> labels.shape, 12 <= len(np.unique(labels)) <= 120
    ((96, 96), True)
    """

    random_state: int = 0

    def __call__(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return labels of shape ``(height, width)``."""
        height, width = image.shape[:2]
        shrink = max(height, width) / _SIDE
        kernel = max(_KERNEL * min(shrink, 1.0), 1.0)
        find = Quickshift(kernel_size=kernel, random_state=self.random_state)
        found = find(_reduced(colours_of(image), shrink))
        if not _FEWEST <= len(np.unique(found)) <= _MOST:
            return Slic()(image)
        return _enlarged(found, height, width)


@dataclass(frozen=True, kw_only=True)
class Felzenszwalb:
    """Segments that end where colour changes more than inside them.

    Parameters
    ----------
    size : float
        Larger values give larger segments.
    sigma : float
        Width of a Gaussian that smooths the image first, in pixels.
    min_size : int
        Smallest segment, in pixels.

    References
    ----------
    Felzenszwalb and Huttenlocher (2004), Efficient graph-based image segmentation.

    Examples
    --------
    >>> import numpy as np
    >>> image = np.zeros((20, 40, 3))
    >>> image[:, 20:] = 1.0
    >>> labels = Felzenszwalb(size=10, sigma=0.1)(image)
    >>> len(np.unique(labels)), bool(labels[0, 0] != labels[0, -1])
    (2, True)
    """

    size: float = 100.0
    sigma: float = 0.8
    min_size: int = 50

    def __call__(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return labels of shape ``(height, width)``."""
        from skimage.segmentation import felzenszwalb

        labels: NDArray[Any] = felzenszwalb(
            colours_of(image),
            scale=self.size,
            sigma=self.sigma,
            min_size=self.min_size,
            channel_axis=-1,
        )
        return labels


def _reduced(colours: FloatArray, shrink: float) -> FloatArray:
    """Return colours ``(height, width, 3)`` at a size smaller by ``shrink``; never a larger one."""
    from skimage.transform import resize

    if shrink <= 1:
        return colours
    rows, columns = (max(round(side / shrink), 1) for side in colours.shape[:2])
    smaller: FloatArray = resize(colours, (rows, columns), order=1, anti_aliasing=True)  # type: ignore[no-untyped-call]  # skimage is untyped
    return smaller


def _enlarged(labels: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Return the labels of a smaller copy at full size."""
    down = np.arange(height) * labels.shape[0] // height
    across = np.arange(width) * labels.shape[1] // width
    larger: NDArray[Any] = labels[np.ix_(down, across)]
    return larger
