"""Label maps against golden figures."""

import numpy as np
import pytest

from gfm.data.trimap import trimap_from_alpha
from gfm.errors import GFMError
from tests.golden.formula import GOLDEN

LABELS = np.load(GOLDEN / "labels.npz")


def test_trimap():
    np.testing.assert_array_equal(trimap_from_alpha(LABELS["alpha"], 25), LABELS["trimap_25"])


def test_one_trimap_holds_dilation_and_erosion():
    trimap = trimap_from_alpha(LABELS["alpha"], 50)
    np.testing.assert_array_equal((trimap > 0) * 255, LABELS["dilation_50"])
    np.testing.assert_array_equal((trimap == 255) * 255, LABELS["erosion_50"])


@pytest.mark.parametrize(
    "alpha", [np.zeros((4, 4)), np.zeros((4, 4, 1), np.uint8)], ids=["float", "3-d"]
)
def test_wrong_alpha(alpha):
    with pytest.raises(GFMError, match="H×W uint8"):
        trimap_from_alpha(alpha, 25)
