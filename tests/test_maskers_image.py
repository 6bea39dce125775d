"""Images: segments, fills, channel orders, and what the model sees."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import blackbox_xai as bx
from blackbox_xai.errors import InputError
from blackbox_xai.maskers.labels import relabelled
from blackbox_xai.values import ValueFunction

RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 256, (12, 16, 3)).astype(np.uint8)
BLOCKS = np.repeat(np.repeat(np.arange(16).reshape(4, 4), 3, axis=0), 4, axis=1)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("block", range(16))
@pytest.mark.parametrize(
    "labels", [BLOCKS, BLOCKS + 1, BLOCKS * 10 - 40, (BLOCKS * 3).astype(np.uint8)]
)
def test_a_planted_block_is_the_only_segment_that_matters(
    labels: Any, block: int, first: bool
) -> None:
    inside = np.tile((block == BLOCKS)[..., None], 3)
    inside = np.moveaxis(inside, -1, 0) if first else inside
    image = np.moveaxis(PHOTO, -1, 0) if first else PHOTO
    model = bx.as_model(lambda images: images[:, inside].astype(float).mean(axis=1))
    masker = bx.ImageMasker(labels, fill=0, channels="first" if first else "last")
    v = ValueFunction(model, masker.bind(image))
    scores = v(~np.eye(17, 16, dtype=bool))[:, 0]
    expected = np.full(17, scores[16])
    expected[block] = 0
    np.testing.assert_array_equal(scores, expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int32, np.float32, np.float64, bool])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 3), (5, 7, 4), (1, 5, 7), (3, 5, 7)])
def test_pixels_are_those_of_the_image_or_of_the_fill(shape: tuple[int, ...], dtype: Any) -> None:
    rng = np.random.default_rng(1)
    scale = 1 if dtype is bool else 200
    image = (rng.random(shape) * scale).round().astype(dtype)
    masked = bx.ImageMasker(bx.Grid(rows=2, columns=2)).bind(image)
    kept = rng.random((5, 4)) < 0.5
    received = masked.apply(kept)
    assert received.dtype == dtype
    assert received.shape == (5, *shape)
    pixels = kept[:, masked.labels]
    if image.ndim == 3:
        pixels = np.expand_dims(pixels, 1 if shape[0] in (1, 3) else 3)
    np.testing.assert_array_equal(received, np.where(pixels, image, masked.filled[0]))
    np.testing.assert_array_equal(masked.apply(kept.astype(float)), received)


@given(weight=st.floats(0, 1), seed=st.integers(0, 20))
def test_blending_mixes_image_and_fill(weight: float, seed: int) -> None:
    image = np.random.default_rng(seed).random((5, 6, 3))
    masked = bx.ImageMasker(bx.Grid(rows=1, columns=1), fill=0.25).bind(image)
    received = masked.apply([weight])[0]
    np.testing.assert_allclose(received, weight * image + (1 - weight) * 0.25, atol=1e-12)
    rounded = bx.ImageMasker(bx.Grid(rows=1, columns=1), fill=40).bind(PHOTO).apply([weight])[0]
    exact = weight * PHOTO.astype(float) + (1 - weight) * 40
    assert rounded.dtype == np.uint8
    assert np.abs(rounded - exact).max() <= 0.5 + 1e-4


def test_masks_of_pixels_are_written_as_they_are() -> None:
    rng = np.random.default_rng(1)
    fills = [bx.ColourFill(colour=0), bx.ColourFill(colour=9)]
    masked = bx.ImageMasker(bx.Grid(rows=2, columns=2), fill=fills).bind(PHOTO)
    weights = rng.random((2, 12, 16)) < 0.5
    batch = masked.allocate(4)
    masked.blend(batch, 0, weights)
    expected = [np.where(one[..., None], PHOTO, fill) for one in weights for fill in (0, 9)]
    np.testing.assert_array_equal(batch, expected)
    pixels = masked.pixels()
    assert len(pixels.feature_names) == 12 * 16
    np.testing.assert_array_equal(pixels.apply(weights.reshape(2, -1)), batch)
    one = masked.allocate(2)
    masked.blend(one, 0, weights.astype(float), np.array([1, 0]))
    np.testing.assert_array_equal(one, batch[[1, 2]])


def test_fills_do_what_they_say() -> None:
    rng = np.random.default_rng(1)
    labels = np.repeat([[0, 5]], 5, axis=0).repeat(3, axis=1)
    image = rng.random((5, 6, 3))
    mean = bx.ImageMasker(labels, bx.MeanFill()).bind(image).filled[0]
    for segment in (np.s_[:, :3], np.s_[:, 3:]):
        np.testing.assert_allclose(
            mean[segment], image[segment].mean(axis=(0, 1)) + 0 * mean[segment]
        )
    other = rng.random((5, 6, 3))
    np.testing.assert_array_equal(bx.ImageMasker(labels, other).bind(image).filled[0], other)
    several = bx.ImageMasker(labels, np.stack([other, image])).bind(image)
    np.testing.assert_array_equal(several.varies, [[True, True], [False, False]])
    colour = bx.ImageMasker(labels, (0.1, 0.2, 0.3)).bind(image).filled[0]
    np.testing.assert_array_equal(colour[2, 2], [0.1, 0.2, 0.3])
    blurred = bx.ImageMasker(labels, bx.BlurFill(sigma=50)).bind(image).filled[0]
    assert (blurred.std(axis=(0, 1)) < image.std(axis=(0, 1)) / 20).all()
    drawn = bx.ImageMasker(labels, bx.DrawnFill(n_draws=5)).bind(image)
    assert drawn.n_fills == 5
    colours = {tuple(pixel) for pixel in image.reshape(-1, 3)}
    assert {tuple(pixel) for pixel in drawn.filled.reshape(-1, 3)} <= colours
    again = bx.ImageMasker(labels, bx.DrawnFill(n_draws=5)).bind(image)
    np.testing.assert_array_equal(drawn.filled, again.filled)
    own = bx.ImageMasker(labels, lambda image, labels: image * (labels == 1)[..., None])
    np.testing.assert_array_equal(own.bind(image).varies, [[True, False]])


def test_transparency_is_kept_unless_it_is_a_colour() -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (4, 4, 4)).astype(np.uint8)
    hidden = np.zeros(1, dtype=bool)
    one = np.zeros((4, 4), dtype=int)
    kept = bx.ImageMasker(one, 7, channels="last").bind(image).apply(hidden)[0]
    np.testing.assert_array_equal(kept[..., 3], image[..., 3])
    assert (kept[..., :3] == 7).all()
    rgb = bx.ImageMasker(one, (7, 8, 9), channels="last").bind(image).apply(hidden)[0]
    np.testing.assert_array_equal(rgb[0, 0], [7, 8, 9, image[0, 0, 3]])
    bands = bx.ImageMasker(one, 7, channels="last", keep_alpha=False).bind(image).apply(hidden)
    assert (bands == 7).all()


def test_segmenters_cover_the_image() -> None:
    skimage = pytest.importorskip("skimage.data")
    image = skimage.chelsea()[50:150:2, 100:250:2]
    for segmenter, least, most in [
        (bx.Slic(n_segments=30), 15, 60),
        (bx.Quickshift(max_dist=20), 2, 400),
        (bx.Felzenszwalb(), 2, 200),
        (bx.Grid(rows=3, columns=4), 12, 12),
        (bx.Regions(), 12, 120),
    ]:
        masked = bx.ImageMasker(segmenter).bind(image)
        d = len(masked.feature_names)
        assert least <= d <= most
        np.testing.assert_array_equal(np.unique(masked.labels), np.arange(d))
        scaled = bx.ImageMasker(segmenter).bind(image / 255)
        np.testing.assert_array_equal(scaled.labels, masked.labels)


def test_noise_still_gives_about_as_many_superpixels_as_asked_for() -> None:
    noise = np.random.default_rng(0).random((60, 80, 3))
    assert 10 <= len(bx.ImageMasker(bx.Slic(n_segments=20)).bind(noise).feature_names) <= 40


def test_superpixels_become_a_grid_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    import skimage.segmentation

    asked = []

    def one_segment(image: Any, *, compactness: float, **settings: Any) -> Any:
        asked.append((compactness, sorted(settings)))
        return np.ones(image.shape[:2], dtype=int)

    monkeypatch.setattr(skimage.segmentation, "slic", one_segment)
    masked = bx.ImageMasker(bx.Slic(n_segments=12, compactness=2.0)).bind(rng.random((30, 40)))
    assert [compactness for compactness, _ in asked] == [2, 20, 200]
    assert len(masked.feature_names) == 12


@pytest.mark.parametrize(("n_segments", "pixels"), [(50, 224 * 224), (200, 200_000)])
def test_superpixels_of_large_images_come_from_a_smaller_copy(
    n_segments: int, pixels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    import skimage.segmentation

    seen, real = [], skimage.segmentation.slic

    def slic(image: Any, **settings: Any) -> Any:
        seen.append(image.shape)
        return real(image, **settings)

    monkeypatch.setattr(skimage.segmentation, "slic", slic)
    photo = np.kron(RNG.random((5, 10, 3)), np.ones((120, 100, 1)))
    labels = bx.ImageMasker(bx.Slic(n_segments=n_segments)).bind(photo).labels
    assert labels.shape == (600, 1000)
    assert seen[0][0] * seen[0][1] == pytest.approx(pixels, rel=0.01)
    assert n_segments / 2 <= labels.max() + 1 <= n_segments * 2
    inner = labels.reshape(5, 120, 10, 100)[:, 20:100, :, 20:80]
    shared = set(inner[0, :, 0].flat) & set(inner[0, :, 1].flat)
    assert not shared


def test_equal_superpixels_are_the_default() -> None:
    image = RNG.random((40, 60, 3))
    np.testing.assert_array_equal(
        bx.ImageMasker().bind(image).labels, bx.ImageMasker(bx.Slic()).bind(image).labels
    )


@pytest.mark.parametrize("size", [(64, 64), (150, 150), (100, 240), (300, 300)])
def test_regions_follow_objects_on_an_image_of_any_size(size: tuple[int, int]) -> None:
    data, transform = pytest.importorskip("skimage.data"), pytest.importorskip("skimage.transform")
    photo = transform.resize(data.astronaut(), size, anti_aliasing=True)
    masked = bx.ImageMasker(bx.Regions()).bind(photo)
    n = len(masked.feature_names)
    assert masked.labels.shape == size
    assert 12 <= n <= 60
    side = round(n**0.5)
    squares = bx.ImageMasker(bx.Grid(rows=side, columns=side)).bind(photo).labels
    of_regions, of_squares = bx.MeanFill()(photo, masked.labels), bx.MeanFill()(photo, squares)
    assert ((photo - of_regions) ** 2).mean() < ((photo - of_squares) ** 2).mean()


@pytest.mark.parametrize("image", [np.ones((8, 8)), np.eye(8), np.eye(3, 40)])
def test_where_no_regions_are_found_equal_superpixels_stand_in(image: Any) -> None:
    np.testing.assert_array_equal(bx.Regions()(image), bx.Slic()(image))


@pytest.mark.parametrize(
    "segmenter", [bx.Regions(), bx.Slic(), bx.Quickshift(), bx.Felzenszwalb(), bx.Grid()]
)
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (8, 5), (1, 1, 3)])
def test_tiny_images_have_at_least_one_segment(segmenter: Any, shape: tuple[int, ...]) -> None:
    masked = bx.ImageMasker(segmenter, fill=0, channels="last").bind(np.ones(shape))
    d = len(masked.feature_names)
    assert 1 <= d <= shape[0] * shape[1]
    assert masked.varies.all()
    np.testing.assert_array_equal(masked.apply(np.zeros(d, dtype=bool))[0], np.zeros(shape))


def test_an_image_equal_to_its_fill_does_not_vary() -> None:
    assert not bx.ImageMasker(bx.Grid(rows=1, columns=1)).bind(np.full((4, 4), 3)).varies.any()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            np.zeros((2, 4, 4, 3)),
            r"x must be one image of numbers.* got float64 of shape \(2, 4, 4",
        ),
        (np.zeros(5), "x must be one image of numbers"),
        (np.zeros((0, 5)), "x must be one image of numbers"),
        (np.array([["a", "b"]]), "x must be one image of numbers"),
        (np.array([[1.0, np.nan]]), r"x is not finite at \(0, 1\)"),
        (np.zeros((3, 9, 3)), r"shape \(3, 9, 3\), from which it cannot be told"),
        (np.zeros((9, 9, 5)), "cannot be told where its channels stand"),
    ],
)
def test_what_is_not_an_image_is_refused(x: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        bx.ImageMasker(bx.Grid()).bind(x)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"segmenter": np.zeros((3, 3), int)}, r"shape \(12, 16\), got \(3, 3\)"),
        ({"segmenter": np.zeros((12, 16))}, "segmenter must give integer labels, got float64"),
        ({"segmenter": bx.Grid(rows=0)}, "rows must be at least 1"),
        ({"segmenter": bx.Slic(n_segments=0)}, "n_segments must be at least 1"),
        ({"segmenter": bx.Slic(compactness=-1)}, "compactness must be a number above 0"),
        ({"fill": "mean"}, "fill must be a fill, a colour or an image, got 'mean'"),
        ({"fill": None}, "fill must be a fill"),
        ({"fill": (1, 2)}, "colour must be one number or one for each of 3 channels"),
        ({"fill": 300}, "fill has values from 300 to 300, which the image's type uint8"),
        ({"fill": np.nan}, "fill must be finite"),
        ({"fill": np.zeros((3, 3))}, r"fill images must have shape \(12, 16, 3\)"),
        (
            {"fill": lambda image, labels: image[:2]},
            r"fill must give images of shape \(12, 16, 3\)",
        ),
        ({"fill": bx.BlurFill(sigma=0)}, "sigma must be a number above 0"),
        ({"fill": bx.DrawnFill(n_draws=0)}, "n_draws must be at least 1"),
        ({"channels": "middle"}, "channels must be 'last', 'first' or None"),
    ],
)
def test_settings_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        bx.ImageMasker(**({"segmenter": bx.Grid()} | settings)).bind(PHOTO)


def test_images_of_two_shapes_do_not_share_a_batch() -> None:
    masker = bx.ImageMasker(bx.Grid(rows=1, columns=1))
    batch = masker.bind(PHOTO).allocate(1)
    with pytest.raises(InputError, match="Images explained together must be alike"):
        masker.bind(PHOTO[:5]).write(batch, 0, np.ones((1, 1), bool), None)


def test_images_of_two_sizes_are_explained_side_by_side() -> None:
    rng = np.random.default_rng(1)
    images = [rng.random((4, 4)), rng.random((6, 5)), rng.random((4, 4)).astype(np.float32)]
    masker = bx.ImageMasker(bx.Grid(rows=2, columns=2), fill=0.0)
    shapes = []

    def model(batch: Any) -> Any:
        shapes.append(batch.shape[1:])
        return batch.mean(axis=(1, 2))

    together = bx.Occlusion().explain_many(model, images, masker)
    assert set(shapes) == {(4, 4), (6, 5)}
    for one, image in zip(together, images, strict=True):
        alone = bx.Occlusion().explain(model, image, masker)
        np.testing.assert_array_equal(one.values, alone.values)


@given(labels=st.lists(st.integers(-5, 300), min_size=6, max_size=6))
def test_labels_are_renumbered_in_their_order(labels: list[int]) -> None:
    result = relabelled(np.array(labels).reshape(2, 3), 2, 3).ravel()
    known = sorted(set(labels))
    assert result.tolist() == [known.index(label) for label in labels]


def test_settings_are_described() -> None:
    described = bx.ImageMasker(np.zeros((2, 2), int), fill=0.5).describe()
    assert described["segmenter"] == [[0, 0], [0, 0]]
    assert described["fill"] == 0.5
    assert bx.ImageMasker().describe()["fill"] == {"type": "GreyFill"}


def test_mid_grey_is_within_the_range_of_the_image() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros((4, 4), int)
    unit, wide = rng.random((4, 4, 3)), rng.integers(0, 900, (4, 4, 3), dtype=np.int32)
    for image in (unit, wide, rng.normal(size=(4, 4, 1))):
        filled = bx.GreyFill()(image, labels)
        assert np.unique(filled).tolist() == [(image.min() + image.max()) / 2]
    photo = rng.integers(0, 60, (4, 4, 4), dtype=np.uint8)
    assert np.unique(bx.GreyFill()(photo, labels)).tolist() == [127.0]
    clear = np.dstack([unit, np.full((4, 4), 255.0)])
    assert bx.GreyFill()(clear, labels).max() <= 1


def test_a_segment_of_one_colour_is_hidden_too() -> None:
    image = np.zeros((2, 4))
    image[:, 2:] = 1.0
    masked = bx.ImageMasker(bx.Grid(rows=1, columns=2)).bind(image)
    assert masked.varies.all()


def test_a_colour_in_other_units_is_warned_of() -> None:
    unit = np.random.default_rng(0).random((6, 5, 3))
    with pytest.warns(UserWarning, match=r"127.*numbers from"):
        bx.ImageMasker(bx.Grid(rows=2, columns=2), fill=127).bind(unit)
    bx.ImageMasker(bx.Grid(rows=2, columns=2), fill=0).bind(unit)
    bx.ImageMasker(bx.Grid(rows=2, columns=2), fill=255).bind((40 * unit).astype(np.uint8))
