"""A run leaves pictures of its result and of its curves."""

import numpy as np
import pytest
import torch
from PIL import Image

from gfm.training.callbacks.result_picture import sheet, tiles
from gfm.training.curve_plot import _panels, _smooth, draw_curves, find_best, read_curves

CSV = """epoch,step,train/loss,train/loss_glance,val/sad
0,1,2.0,1.5,
0,2,1.0,0.5,
0,2,,,40.0
1,4,0.5,0.2,
1,4,,,20.0
"""


def test_the_tiles_of_a_perfect_matte():
    image = torch.zeros(3, 40, 60, dtype=torch.uint8)
    image[0] = 200
    truth = torch.zeros(1, 40, 60, dtype=torch.uint8)
    truth[:, :, :30] = 255
    drawn = tiles(image, truth / 255, truth, height=40)
    assert drawn.shape == (40, 240, 3)
    photo, alpha, cutout, true_alpha = np.split(drawn, 4, axis=1)
    assert (photo == [200, 0, 0]).all()
    np.testing.assert_array_equal(alpha, true_alpha)
    assert abs(cutout[:, :30].astype(int) - [200, 0, 0]).max() <= 1
    assert (cutout[:, 31:, 2] > 50).all()  # nothing of the old background


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (3, 2), (6, 3)])
def test_a_sheet_of_any_number(count, rows):
    drawings = [np.full((20, 80 - 8 * (i % 2), 3), 9, np.uint8) for i in range(count)]
    drawn = sheet(drawings)
    assert drawn.shape == (28 + 20 * rows, 80 if count == 1 else 168, 3)
    assert drawn[:28].min() < 128  # names


def test_curves_are_read_and_drawn(tmp_path):
    (tmp_path / "metrics.csv").write_text(CSV)
    curves = read_curves(tmp_path / "metrics.csv")
    assert curves["val/sad"] == ([2, 4], [40, 20])
    assert curves["train/loss_glance"] == ([1, 2, 4], [1.5, 0.5, 0.2])
    assert draw_curves(tmp_path / "metrics.csv", tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width > picture.height
    assert sorted(p.name for p in tmp_path.iterdir()) == ["curves.png", "metrics.csv"]


def test_the_panels_are_those_that_people_look_at():
    names = [
        *("train/loss", "train/loss_glance", "train/learning_rate", "train/samples_per_second"),
        *("val/sad", "val/sad_transition", "val/sad_foreground", "val/sad_background"),
        *("val/mad", "val/mad_transition", "val/mse", "val/grad", "val/conn", "val/mine"),
    ]
    panels = _panels({name: ([1], [0.5]) for name in names})
    assert {title: len(curves) for title, (_, curves) in panels.items()} == {
        "training loss": 2,
        "SAD (thousands)": 4,
        "MAD (per pixel)": 2,
        "learning rate": 1,
        "samples per second": 1,
        "mine": 1,
    }
    dim = _panels({name: ([1], [0.5]) for name in ("val/sad", "val/mse", "val/grad", "val/conn")})
    assert list(dim) == ["SAD (thousands)", "MSE (per pixel)"]


def test_the_best_validation_is_marked(tmp_path):
    curves = {"val/sad": ([2, 4, 6], [40, 20, 30])}
    assert find_best(curves, "val/sad", "min") == ("val/sad", 4, 20)
    assert find_best(curves, "val/sad", "max") == ("val/sad", 2, 40)
    assert find_best(curves, "val/mine", "min") is None
    (tmp_path / "metrics.csv").write_text(CSV)
    pictures = []
    for objective in ("val/sad", "val/mad"):
        draw_curves(tmp_path / "metrics.csv", tmp_path / "curves.png", objective)
        with Image.open(tmp_path / "curves.png") as picture:
            pictures.append(np.asarray(picture.convert("RGB")).astype(int))
    is_red = [((p[..., 0] > 160) & (p[..., 1:].max(-1) < 80)).sum() for p in pictures]
    assert is_red[0] > 50 > is_red[1] == 0


def test_long_curves_are_smooth_and_short_ones_are_not():
    assert _smooth([4.0, 2.0, 0.0]) == [4, 2, 0]
    noisy = [float(i % 2) for i in range(200)]
    assert set(_smooth(noisy)[3:]) == {0.5}


def test_without_rows_there_are_no_curves(tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,step\n")
    assert not draw_curves(tmp_path / "metrics.csv", tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()
