"""The verdict on a fine-tuning run, from the difference of its errors."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from gfm.evaluation.comparison import Difference
from gfm.run.before_after import _verdict, show_before_and_after


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


@pytest.mark.parametrize(
    ("before", "after", "is_usable"),
    [(0.1, 0.05, True), (0.1, 0.1, True), (0.05, 0.1, False), (0.9, 0.6, False)],
)
def test_worse_weights_and_those_as_bad_as_an_empty_matte_are_not_recommended(
    tmp_path, before, after, is_usable
):
    alpha = np.zeros((40, 40), np.uint8)
    alpha[:, :10] = 255  # 400 pixels: an empty matte has a SAD of 0.4 thousand
    cv2.imwrite(str(tmp_path / "a.png"), alpha)
    photos = [
        SimpleNamespace(name=name, alpha=tmp_path / "a.png", is_cutout=False) for name in ("a", "b")
    ]
    for file, sad in (("before.csv", before), ("per_image.csv", after)):
        (tmp_path / file).write_text(f"name,sad\na,{sad}\nb,{sad}\n")
    assert show_before_and_after(tmp_path, {}, photos) == is_usable
