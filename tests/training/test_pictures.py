"""A run writes pictures of its results and curves."""

import math

import numpy as np
import torch
from PIL import Image

from gfm.training.callbacks.result_picture import Tile, cut_out, draw, sheet
from gfm.training.curve_plot import _panels, _smooth, draw_curves, find_best, read_curves

CSV = """best,epoch,step,train/loss,train/loss_glance,val/sad
,0,0,,,10.0
,0,0,2.0,1.5,
,0,1,1.0,0.5,
40.0,0,1,,,40.0
,1,3,0.5,0.2,
20.0,1,3,,,20.0
"""


def test_the_cut_out_of_a_perfect_matte():
    image = torch.zeros(3, 40, 60, dtype=torch.uint8)
    image[0] = 200
    alpha = torch.zeros(1, 40, 60)
    alpha[:, :, :30] = 1
    drawn = draw(cut_out(image, alpha), 40)
    assert drawn.shape == (40, 60, 3)
    assert abs(drawn[:, :30].astype(int) - [200, 0, 0]).max() <= 1
    assert (drawn[:, 31:, 2] > 50).all()  # nothing of the old background


def test_tiles_lie_below_the_names_of_their_columns():
    wide, narrow = (np.full((20, width, 3), 9, np.uint8) for width in (80, 60))
    rows = [[Tile(wide, "a"), Tile(wide)], [Tile(narrow, "b" * 99), Tile(narrow, "SAD 1")]]
    drawn = sheet(rows, ("photo", "alpha"))
    assert drawn.shape == (26 + 2 * (20 + 26) + 8, 80 + 8 + 80, 3)
    for left in (0, 88):
        assert (drawn[26:46, left : left + 80] == 9).all()
        assert (drawn[80:100, left + 10 : left + 70] == 9).all()
        assert (drawn[80:100, left : left + 10] == 255).all()
    texts = [
        drawn[:26, :80],
        drawn[:26, 88:],
        drawn[46:72, :80],
        drawn[100:, :80],
        drawn[100:, 88:],
    ]
    assert all(text.min() < 128 for text in texts)
    assert (drawn[46:80, 80:] == 255).all()  # no caption, and none that is too long


def test_curves_are_read_and_drawn(tmp_path):
    (tmp_path / "metrics.csv").write_text(CSV)
    curves = read_curves(tmp_path / "metrics.csv")
    assert curves["val/sad"] == ([0, 2, 4], [10, 40, 20])  # the first before training
    assert curves["train/loss_glance"] == ([1, 2, 4], [1.5, 0.5, 0.2])
    assert draw_curves(tmp_path / "metrics.csv", tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width > picture.height
    assert sorted(p.name for p in tmp_path.iterdir()) == ["curves.png", "metrics.csv"]


def test_only_a_validation_at_step_0_was_before_training(tmp_path):
    """A run without an objective logs no best value."""
    (tmp_path / "metrics.csv").write_text("epoch,step,val/sad\n0,4,2\n0,9,1\n")
    assert read_curves(tmp_path / "metrics.csv")["val/sad"] == ([5, 10], [2, 1])


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
    assert find_best({"val/sad": ([2, 4], [math.nan] * 2)}, "val/sad", "min") is None
    (tmp_path / "metrics.csv").write_text(CSV)
    curves = read_curves(tmp_path / "metrics.csv")
    assert find_best(curves, "val/sad", "min") == ("val/sad", 4, 20)  # not that before training
    pictures = []
    for objective in ("val/sad", "val/mad"):
        draw_curves(tmp_path / "metrics.csv", tmp_path / "curves.png", objective)
        with Image.open(tmp_path / "curves.png") as picture:
            pictures.append(np.asarray(picture.convert("RGB")).astype(int))
    is_red = [((p[..., 0] > 160) & (p[..., 1:].max(-1) < 80)).sum() for p in pictures]
    assert is_red[0] > 50 > is_red[1] == 0


def test_each_metric_of_an_added_dataset_has_a_panel():
    curves = {name: ([1], [2]) for name in ("val/p3m10k/mse", "val/p3m10k/sad")}
    assert list(_panels(curves)) == ["p3m10k/mse", "p3m10k/sad"]


def test_only_long_curves_are_smoothed():
    assert _smooth([4.0, 2.0, 0.0]) == [4, 2, 0]
    noisy = [float(i % 2) for i in range(200)]
    assert set(_smooth(noisy)[3:]) == {0.5}


def test_without_rows_there_are_no_curves(tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,step\n")
    assert not draw_curves(tmp_path / "metrics.csv", tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()
