"""The verdict on a fine-tuning run, from the difference of its errors."""

import pytest

from gfm.evaluation.comparison import Difference
from gfm.run.before_after import _verdict


@pytest.mark.parametrize(
    ("low", "high", "num_photos", "words"),
    [
        (-2.0, -1.0, 12, "SAD is lower than before"),
        (-2.0, 1.0, 12, "no better than before: the interval of the difference of SAD includes 0"),
        (1.0, 2.0, 12, "SAD is higher than before: keep the old weights, or lower optimizer.lr"),
        (-2.0, -1.0, 9, "SAD is lower than before; 9 photos are too few to be sure, so hold"),
    ],
)
def test_verdict(low, high, num_photos, words):
    assert _verdict(Difference((low + high) / 2, low, high), num_photos).startswith(words)
