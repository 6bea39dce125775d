"""How close values of features are to each other, over all kinds of columns."""

import numpy as np
import pandas as pd

from blackbox_xai import TabularMasker
from blackbox_xai.protocols import Closeness

APART = np.exp(-1)


def test_numbers_go_by_the_share_of_the_background_between_them():
    background = np.arange(10.0)[:, None] ** 3
    close = TabularMasker(background).bind([512.0]).closeness(np.array([8, 6, 0]))
    assert close.shape == (1, 4, 4)
    np.testing.assert_allclose(close[0, 0], np.exp([0, 0, -0.2, -0.8]))
    np.testing.assert_allclose(close, close.transpose(0, 2, 1))


def test_scale_and_order_of_columns_do_not_matter():
    rng = np.random.default_rng(0)
    background, x = rng.normal(size=(30, 3)), rng.normal(size=3)
    fills = np.array([3, 5, 29])
    close = TabularMasker(background).bind(x).closeness(fills)
    other = TabularMasker(np.exp(background)[:, ::-1]).bind(np.exp(x)[::-1]).closeness(fills)
    np.testing.assert_array_equal(other, close[::-1])


def test_categories_are_alike_or_not():
    frame = pd.DataFrame(
        {
            "colour": pd.Categorical(["red", "blue", "red", "green"]),
            "code": [1, 2, 3, 1],
            "size": [1.0, np.nan, 3.0, np.nan],
            "name": ["a", "b", "c", "a"],
        }
    )
    masked = TabularMasker(frame, categorical=["code"]).bind(frame.iloc[1])
    colour, code, size, name = masked.closeness(np.array([0, 1, 3]))
    np.testing.assert_allclose(colour[0], [1, APART, 1, APART])
    np.testing.assert_allclose(code[1], [APART, 1, APART, 1])
    np.testing.assert_allclose(size[0], [1, APART, 1, 1])
    np.testing.assert_allclose(name[2], [1, APART, 1, APART])


def test_columns_of_a_group_go_together():
    rng = np.random.default_rng(1)
    background, x, fills = rng.normal(size=(20, 3)), rng.normal(size=3), np.arange(4)
    single = TabularMasker(background).bind(x).closeness(fills)
    masker = TabularMasker(background, groups={"both": [0, 2]})
    masked = masker.bind(x)
    grouped = masked.closeness(fills)
    both = masked.feature_names.index("both")
    np.testing.assert_allclose(grouped[both], single[0] * single[2])
    np.testing.assert_allclose(grouped[1 - both], single[1])


def test_a_bound_row_offers_closeness():
    offered: Closeness = TabularMasker(np.zeros((2, 1))).bind([0.0]).closeness
    np.testing.assert_array_equal(offered(np.array([0, 1])), np.ones((1, 3, 3)))
