"""Plots: what is drawn is true, readable, and inside the figure, for awkward inputs too."""

from __future__ import annotations

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from blackbox_xai import plotting
from blackbox_xai.errors import InputError
from blackbox_xai.layouts import ImageLayout, TabularLayout, TextLayout
from blackbox_xai.ledger import Ledger
from blackbox_xai.plotting import style
from blackbox_xai.plotting.image import segment_edges, to_rgb
from blackbox_xai.plotting.interactions import interaction_heatmap
from blackbox_xai.plotting.maps import group_small
from blackbox_xai.plotting.overview import mean_size
from blackbox_xai.plotting.text import right_to_left, text_pieces
from blackbox_xai.results import Explanation

matplotlib.use("Agg")

AWKWARD = ["n" * 120, "the price in $ and $x_1$", "العمر", "収入 (円)", "tab\tand\nline", ""]


@pytest.fixture(autouse=True)
def _close_figures():
    from matplotlib import pyplot

    before = dict(matplotlib.rcParams)
    yield
    assert dict(matplotlib.rcParams) == before
    pyplot.close("all")


def explanation(values, layout, *, names=None, outputs=("yes",), std_err=None, base=None):
    d, k = values.shape
    base = np.zeros(k) if base is None else base
    return Explanation(
        values=values,
        std_err=std_err,
        base=base,
        scores=base + np.nansum(values, axis=0),
        feature_names=tuple(names or (f"x{i}" for i in range(d))),
        output_names=tuple(outputs),
        scale="probability",
        layout=layout,
        method="KernelShap",
        settings={},
        masker={},
        cost=Ledger(calls=2, rows=1234),
        diagnostics={},
    )


def drawn_texts(figure):
    """Texts that are really drawn; matplotlib also keeps labels of ticks beyond the limits."""
    yield from figure.texts
    if figure._suptitle is not None:
        yield figure._suptitle
    for ax in figure.findobj(matplotlib.axes.Axes):
        yield from ax.texts
        yield from [ax.title, ax._left_title]
        if ax.get_legend() is not None:
            yield from ax.get_legend().get_texts()
        for axis in (ax.xaxis, ax.yaxis) if ax.axison else ():
            yield axis.label
            for tick in axis._update_ticks():
                yield from [tick.label1, tick.label2]


def assert_inside(ax):
    """Every visible text lies inside its figure (one pixel of rounding allowed)."""
    figure = ax.get_figure(root=True)
    figure.canvas.draw()
    box, renderer = figure.bbox, figure.canvas.get_renderer()
    texts = [t for t in drawn_texts(figure) if t.get_visible() and t.get_text().strip()]
    assert texts
    for shown in texts:
        extent = shown.get_window_extent(renderer)
        assert extent.x0 >= box.x0 - 1, (shown.get_text(), extent)
        assert extent.x1 <= box.x1 + 1, (shown.get_text(), extent)
        assert extent.y0 >= box.y0 - 1, (shown.get_text(), extent)
        assert extent.y1 <= box.y1 + 1, (shown.get_text(), extent)


# --- the local plots -----------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 3, 60])
@pytest.mark.parametrize("with_error", [False, True])
def test_a_row_with_awkward_names_stays_inside_the_figure(d, with_error):
    rng = np.random.default_rng(d)
    values = rng.normal(size=(d, 1))
    names = [AWKWARD[i % len(AWKWARD)] for i in range(d)]
    error = np.abs(values) / 5 if with_error else None
    why = explanation(values, TabularLayout(tuple(range(d))), names=names, std_err=error)
    assert_inside(plotting.plot_explanation(why))


def test_bars_lead_from_base_to_prediction():
    values = np.array([0.3, -0.1, 0.05])
    ax = plotting.waterfall(values, "abc", base=0.2, score=0.45)
    ends = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches]
    np.testing.assert_allclose(ends, [(0.2, 0.5), (0.5, 0.4), (0.4, 0.45)], atol=1e-12)
    texts = [t.get_text() for t in ax.texts]
    assert {"+0.300", "−0.100", "+0.0500", "0.200", "0.450"} <= set(texts)


def test_bars_that_do_not_add_up_begin_at_zero():
    ax = plotting.waterfall(np.array([0.3, -0.1]), "ab", base=0.2, score=0.9)
    ends = sorted(bar.get_x() + bar.get_width() for bar in ax.patches)
    np.testing.assert_allclose(ends, [-0.1, 0.3])
    assert ax.get_xlabel().startswith("effect on")


def test_whiskers_are_95_percent_intervals():
    ax = plotting.waterfall(np.array([1.0]), "a", base=0.0, score=1.0, std_err=np.array([0.1]))
    (_, _, (whiskers,)) = ax.containers[1]
    (segment,) = whiskers.get_segments()
    np.testing.assert_allclose(segment[:, 0], [1 - 0.196, 1 + 0.196], atol=1e-4)
    assert "95 %" in ax.get_xlabel()
    assert (
        "exact"
        in plotting.waterfall(
            np.ones(1), "a", base=0.0, score=1.0, std_err=np.zeros(1)
        ).get_xlabel()
    )


def test_all_zero_and_missing_attributions_are_drawn():
    assert_inside(plotting.waterfall(np.zeros(3), "abc", base=0.5, score=0.5))
    ax = plotting.waterfall(np.array([0.1, np.nan]), "ab", base=0.0, score=0.1)
    assert "not available" in [t.get_text() for t in ax.texts]
    assert_inside(ax)


@pytest.mark.parametrize("k", [1, 12])
def test_the_title_says_which_output_is_drawn(k):
    values = np.tile(np.arange(1.0, k + 1), (2, 1))
    why = explanation(values, TabularLayout((1, 2)), outputs=[f"class {j}" for j in range(k)])
    ax = plotting.plot_explanation(why)
    assert f"class {k - 1}" in ax.figure.get_suptitle()
    assert "1,234 model rows" in ax.figure.get_suptitle()
    assert "class 0" in plotting.plot_explanation(why, output=0).get_xlabel()
    with pytest.raises(InputError, match="output must be one of"):
        plotting.plot_explanation(why, output="nothing")


def test_a_given_axes_is_used_and_its_figure_left_alone():
    from matplotlib import pyplot

    figure, ax = pyplot.subplots(layout="constrained")
    why = explanation(np.ones((2, 1)), TabularLayout((1, 2)))
    assert plotting.plot_explanation(why, ax=ax, title="mine") is ax
    assert ax.get_title(loc="left") == "mine"
    assert not figure.get_suptitle()


def test_a_dark_ground_gets_the_dark_palette():
    from matplotlib import pyplot

    with pyplot.style.context("dark_background"):
        ax = plotting.waterfall(np.ones(1), "a", base=0.0, score=1.0)
    assert matplotlib.colors.to_hex(ax.patches[0].get_facecolor()) == plotting.DARK.raises


def test_mathematics_in_names_is_not_typeset():
    ax = plotting.waterfall(np.ones(1), ["$x_1$"], base=0.0, score=2.0)
    label = ax.get_yticklabels()[0]
    assert label._preprocess_math(label.get_text()) == ("$x_1$", False)


def test_an_image_is_drawn_beside_its_overlay():
    labels = np.repeat(np.arange(4), 16).reshape(8, 8)
    labels[0, 0] = -1
    pixels = np.linspace(0, 1, 64).reshape(8, 8)
    why = explanation(np.array([[1.0], [-2.0], [0.0], [np.nan]]), ImageLayout(labels, pixels))
    ax = plotting.plot_explanation(why)
    left, right, colour_bar = ax.child_axes
    assert left.images[0].get_array().shape == (8, 8, 3)
    painted = right.images[1]
    assert painted.get_clim() == (-2.0, 2.0)
    assert painted.get_array()[0, 0] == 0
    assert "effect on probability of yes" in colour_bar.get_ylabel().replace("\n", " ")
    assert_inside(ax)


def test_a_pixel_map_is_drawn_instead_of_segments():
    heatmap = np.linspace(-1, 3, 16).reshape(4, 4, 1)
    why = explanation(np.ones((1, 1)), ImageLayout(np.zeros((4, 4), dtype=int), np.zeros((4, 4))))
    object.__setattr__(why, "heatmap", heatmap)
    _, right, _ = plotting.plot_explanation(why).child_axes
    np.testing.assert_allclose(right.images[1].get_array(), heatmap[..., 0])
    assert right.images[1].get_clim() == (-3.0, 3.0)


def test_images_of_any_kind_become_bytes():
    grey = np.array([[0, 255]], dtype=np.uint8)
    assert to_rgb(grey).shape == (1, 2, 3)
    assert to_rgb(np.zeros((3, 5, 7))).shape == (5, 7, 3)
    assert to_rgb(np.zeros((5, 7, 4))).shape == (5, 7, 3)
    assert to_rgb(np.array([[-1.0, 1.0]]))[0, :, 0].tolist() == [0, 255]
    with pytest.raises(InputError, match="image must have shape"):
        to_rgb(np.zeros((2, 2, 2, 2)))


def test_edges_stand_between_segments():
    edges = segment_edges(np.array([[0, 0], [0, 0], [1, 1]]))
    assert edges.tolist() == [[False, False], [True, True], [False, False]]


LONG_TEXT = " ".join(["good"] * 400)


@pytest.mark.parametrize(
    "content", ["so good", "", "!!!", "$5 und 10$ mehr", "הסרט היה טוב מאוד", LONG_TEXT, "x" * 900]
)
def test_a_text_stays_inside_the_figure(content):
    starts = [
        i for i in range(len(content)) if content[i] != " " and content[i - 1 : i] in ("", " ")
    ]
    spans = [((i, (content + " ").index(" ", i)),) for i in starts]
    values = np.linspace(-1, 1, max(len(spans), 1))[: len(spans), None]
    why = explanation(values, TextLayout(content, tuple(spans)))
    ax = plotting.plot_explanation(why)
    assert_inside(ax)
    if content == LONG_TEXT:
        assert any("more characters are not shown" in t.get_text() for t in ax.texts)


@given(st.text(max_size=30), st.lists(st.integers(0, 30), max_size=6))
def test_pieces_put_together_are_the_text(content, cuts):
    cuts = sorted({min(cut, len(content)) for cut in cuts})
    spans = [[(a, b)] for a, b in zip(cuts[:-1:2], cuts[1::2], strict=False)]
    pieces = text_pieces(content, spans)
    assert "".join(content[p.start : p.stop] for p in pieces) == content
    assert [p.feature for p in pieces if p.feature >= 0] == list(range(len(spans)))


def test_overlapping_spans_are_refused():
    with pytest.raises(InputError, match="spans must not overlap"):
        text_pieces("abc", [[(0, 2)], [(1, 3)]])


def test_lines_under_tokens_say_sign_and_size():
    ax = plotting.text(np.array([1.0, -0.5, 0.0]), "a b c", [[(0, 1)], [(2, 3)], [(4, 5)]])
    full, dashed = ax.lines
    assert full.get_linewidth() > dashed.get_linewidth()
    assert full.get_linestyle() != dashed.get_linestyle()


def test_right_to_left_text_is_laid_out_from_the_right():
    assert right_to_left("טוב")
    assert not right_to_left("good")
    ax = plotting.text(np.array([1.0, 2.0]), "טוב מאוד", [[(0, 3)], [(4, 8)]])
    first, second = ax.texts[:2]
    assert first.get_position()[0] > second.get_position()[0]


# --- overviews -----------------------------------------------------------------------------------


def test_mean_sizes_and_their_interval():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(400, 2)) * [1.0, 0.0]
    mean, low, high = mean_size(values, np.random.default_rng(1))
    np.testing.assert_allclose(mean, np.abs(values).mean(axis=0))
    width = 2 * 1.96 * np.abs(values[:, 0]).std() / 20
    assert high[0] - low[0] == pytest.approx(width, rel=0.15)
    assert low[1] == high[1] == 0


@pytest.mark.parametrize("d", [1, 3, 60])
def test_overviews_stay_inside_the_figure(d):
    rng = np.random.default_rng(d)
    names = [AWKWARD[i % len(AWKWARD)] for i in range(d)]
    values = rng.normal(size=(30, d))
    values[0, 0] = np.nan
    data = rng.normal(size=(30, d))
    data[:5] = np.nan
    mean, low, high = mean_size(values, rng)
    ax = plotting.bar(mean, names, low=low, high=high, title="t" * 200)
    assert_inside(ax)
    if d == 60:
        assert "50 other features" in ax.get_xlabel().replace("\n", " ")
    assert_inside(plotting.beeswarm(values, names, data=data, unit="u" * 100))
    assert_inside(
        plotting.scatter(
            data[:, 0], values[:, 0], name=names[0], colour=data[:, 0], colour_name="c"
        )
    )


def test_cohorts_have_their_own_bars():
    ax = plotting.bar(np.array([[1.0, 2.0], [3.0, 0.5]]), "ab", cohorts=["young", "old"])
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["young", "old"]
    widths = sorted(patch.get_width() for patch in ax.patches)
    assert widths == [0.5, 1.0, 2.0, 3.0]
    with pytest.raises(InputError, match="mean must have shape"):
        plotting.bar(np.ones(3), "ab")


def test_points_of_a_swarm_stand_at_their_attribution():
    values = np.array([[0.5], [-0.25], [0.5]])
    ax = plotting.beeswarm(values, ["a"])
    points = ax.collections[0].get_offsets()
    np.testing.assert_allclose(np.sort(points[:, 0]), [-0.25, 0.5, 0.5])
    assert len({tuple(p) for p in np.asarray(points).round(6).tolist()}) == 3
    with pytest.raises(InputError, match="values must have shape"):
        plotting.beeswarm(np.ones(3), "abc")


def test_a_swarm_caps_points_and_scatter_says_what_is_missing():
    values = np.random.default_rng(0).normal(size=(3000, 1))
    ax = plotting.beeswarm(values, ["a"])
    assert len(ax.collections[0].get_offsets()) == 2000
    ax = plotting.scatter(np.array([1.0, np.nan]), np.array([1.0, 2.0]), name="age")
    assert ax.get_xlabel() == "age (2 rows, 1 missing not shown)"
    with pytest.raises(InputError, match="same shape"):
        plotting.scatter(np.ones(2), np.ones(3), name="age")


def test_rare_categories_become_other():
    labels = np.array([0, 0, 1, 2, 2, 2])
    places, names = group_small(labels, ("a", "b", "c"), limit=2)
    assert names == ("c", "other")
    assert places.tolist() == [1, 1, 1, 0, 0, 0]


@pytest.mark.parametrize("k", [1, 12])
def test_a_map_tells_predictions_apart_by_shape(k):
    rng = np.random.default_rng(k)
    labels = np.arange(60) % k
    ax = plotting.map_points(
        rng.normal(size=(60, 2)),
        labels,
        [AWKWARD[j % len(AWKWARD)] for j in range(k)],
        ringed=labels == 0,
        note="PCA, 61 % of variance",
        title="Where are the data?",
    )
    assert_inside(ax)
    shown = sum(len(c.get_offsets()) for c in ax.collections[:-1])
    assert shown == 60
    with pytest.raises(InputError, match="points must have shape"):
        plotting.map_points(np.ones((2, 3)), np.zeros(2, dtype=int), ["a"])


def test_a_large_map_says_how_many_points_it_shows():
    labels = np.zeros(30_000, dtype=int)
    points = np.random.default_rng(0).normal(size=(30_000, 2))
    ax = plotting.map_points(points, labels, ["a"])
    assert ax.get_xlabel().startswith("20,000 of 30,000 points shown")


def test_curves_and_agreement():
    x = np.linspace(0, 1, 5)
    means = np.stack([1 - x, x])
    ax = plotting.curves(x, means, ["deletion", "n" * 120], low=means - 0.1, high=means + 0.1)
    assert_inside(ax)
    assert ax.lines[0].get_linestyle() != ax.lines[1].get_linestyle()
    np.testing.assert_allclose(ax.lines[0].get_ydata(), 1 - x)
    with pytest.raises(InputError, match="means must have shape"):
        plotting.curves(x, means, ["one"])
    matrix = np.array([[1.0, 0.5], [np.nan, 1.0]])
    ax = plotting.agreement(matrix, ["Lime", "n" * 120], chance=0.17, ceiling=matrix)
    assert_inside(ax)
    assert ax.texts[1].get_text() == "0.500\nof 0.500"
    assert "chance 0.170" in ax.get_xlabel()
    with pytest.raises(InputError, match="matrix must have shape"):
        plotting.agreement(np.ones((2, 3)), ["a", "b"])


# --- rules ---------------------------------------------------------------------------------------


def luminance(colour):
    channels = np.array(matplotlib.colors.to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(a, b):
    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("palette", [plotting.LIGHT, plotting.DARK])
def test_colours_have_contrast(palette):
    assert contrast(palette.text, palette.ground) >= 4.5
    for colour in (palette.raises, palette.lowers, palette.faint):
        assert contrast(colour, palette.ground) >= 3


def test_categories_have_contrast_on_white():
    assert len(style.CATEGORIES) == len(style.MARKERS) == 8
    for colour in style.CATEGORIES:
        assert contrast(colour, "#ffffff") >= 3


def test_names_are_cut_to_their_width_and_wrapped():
    cut = style.fit("n" * 120, 1.0)
    assert cut.endswith("…")
    assert style.text_width(cut) <= 1.0
    assert style.fit("short", 1.0) == "short"
    lines = style.wrap("word " * 100, 2.0, lines=3).split("\n")
    assert len(lines) == 3
    assert all(style.text_width(line) <= 2.0 for line in lines)


def test_ticks_are_written_for_people():
    assert [style.tick(v) for v in (-0.5, -0.0, 20000.0, 1e-7)] == ["−0.5", "0", "20,000", "1e−7"]


def test_matplotlib_is_loaded_only_to_draw():
    code = "import sys, blackbox_xai.plotting; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("palette", [style.LIGHT, style.DARK])
def test_a_map_of_interactions_can_be_read(palette):
    names = [f"a rather long name that only a number tells apart, {i} of 6" for i in range(6)]
    pairs = np.linspace(-1, 1, 36).reshape(6, 6)
    pairs[0, 1] = pairs[1, 0] = 3e-17
    axes = interaction_heatmap(pairs + pairs.T, np.zeros(6), names, palette=palette)
    below = [label.get_text() for label in axes.get_xticklabels()]
    assert below == [label.get_text() for label in axes.get_yticklabels()]
    assert len(set(below)) == 6
    image = axes.images[0]
    for text in axes.texts:
        j, i = (int(place) for place in text.get_position())
        ground, ink = luminance(image.to_rgba(image.get_array()[i, j])), luminance(text.get_color())
        assert (max(ground, ink) + 0.05) / (min(ground, ink) + 0.05) > 3
        assert "e" not in text.get_text()


def test_rounding_dust_is_written_as_nothing():
    values = np.array([[2.0], [-1.0], [6e-17], [-3e-17], [1e-18], [0.0], [2e-17], [5e-17]])
    why = explanation(values, TabularLayout(tuple(range(8))), std_err=np.zeros((8, 1)))
    for text in (repr(why), why._repr_html_()):
        assert "e−" not in text
    texts = [text.get_text() for text in why.plot(max_display=8).texts]
    assert not any("e−" in text for text in texts)
