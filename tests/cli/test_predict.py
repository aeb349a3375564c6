"""``gfm predict``: photos in, mattes, cut-outs, composites and maps out.

``tests/reliability/test_bad_predict.py`` tests the options that it refuses.
"""

import os
import shutil
import time
from typing import get_args

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from gfm import load_model
from gfm.cli import app
from gfm.cli import predict as command
from gfm.inference.foreground import ForegroundMethod
from gfm.inference.predictor import Precision
from gfm.inference.video.codecs import ALPHA_FORMATS, CUTOUT_FORMATS
from tests.cli.conftest import files
from tests.inference.small import write_network


@pytest.fixture
def photos(tmp_path):
    rng = np.random.default_rng(0)
    for name, size in (("a.jpg", (60, 80)), ("b.png", (70, 50)), ("sub/a.webp", (64, 64))):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (*size, 3), dtype=np.uint8)).save(path)
    return tmp_path / "photos"


def read(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def test_a_folder(predict, photos, tmp_path, weights):
    done = predict(photos)
    assert done.exit_code == 0, done.output
    out = tmp_path / "out"
    names = ["a.png", "b.png", "sub/a.png"]
    assert files(out) == sorted(f"{kind}/{name}" for kind in ("alpha", "cutout") for name in names)
    matte = load_model(weights, device="cpu", inference="native")
    with Image.open(photos / "b.png") as photo:
        np.testing.assert_array_equal(read(out / "alpha/b.png"), np.array(matte(photo)))
        cutout = np.array(matte.cutout(photo))
        np.testing.assert_array_equal(np.array(Image.open(out / "cutout/b.png")), cutout)


def test_all_outputs(predict, photos, tmp_path):
    everything = "alpha,cutout,composite,glance,focus"
    done = predict(photos / "a.jpg", "--output", everything, "--background", "#0a7", "--bits", 16)
    assert done.exit_code == 0, done.output
    out = {name: read(tmp_path / f"out/{name}/a.png") for name in everything.split(",")}
    assert out["alpha"].dtype == out["focus"].dtype == np.uint16
    assert set(np.unique(out["glance"])) <= {0, 128, 255}
    alpha = out["alpha"].astype(np.float64)[..., None] / 65535
    colour = np.array([0x77, 0xAA, 0])
    expected = alpha * out["cutout"][..., :3] + (1 - alpha) * colour
    assert np.abs(out["composite"] - expected).max() <= 1
    certain = out["glance"] == 128
    np.testing.assert_array_equal(out["alpha"][certain], out["focus"][certain])


def test_a_picture_as_background(predict, photos, tmp_path):
    """The background covers the photo, cropped around its middle."""
    stripes = np.zeros((40, 400, 3), np.uint8)
    stripes[:, 160:240] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    options = "--output", "alpha,composite", "--background", tmp_path / "stripes.png"
    assert predict(photos / "sub", *options).exit_code == 0
    alpha = read(tmp_path / "out/alpha/a.png")
    composite = read(tmp_path / "out/composite/a.png")
    assert (composite[alpha == 0] > 250).all()
    assert (alpha == 0).any()


def test_existing_results_are_skipped(predict, photos, tmp_path):
    assert predict(photos).exit_code == 0
    old = tmp_path / "out/alpha/a.png"
    old.write_bytes(b"mine")
    (tmp_path / "out/alpha/b.png").unlink()
    done = predict(photos)
    assert done.exit_code == 0
    assert "2 of 3 already exist" in done.output
    assert (tmp_path / "out/alpha/b.png").is_file()
    assert old.read_bytes() == b"mine"
    assert predict(photos, "--overwrite").exit_code == 0
    assert read(old) is not None
    os.utime(photos / "b.png", (time.time() + 60,) * 2)  # edited since
    assert "3 of 3 already exist, perhaps from other weights, 1 of them older than their inp" in (
        predict(photos).output
    )


def test_only_missing_results_are_written(predict, photos, tmp_path):
    mine = tmp_path / "out/alpha/a.png"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"true matte")
    done = predict(photos / "a.jpg", photos / "b.png")
    assert done.exit_code == 0, done.output
    assert "0 of 2 already exist, and 1 in part" in done.output
    assert mine.read_bytes() == b"true matte"
    assert files(tmp_path / "out/cutout") == ["a.png", "b.png"]


def test_shards(predict, photos, tmp_path):
    result = predict(photos, "--shard", "2/2")
    assert result.exit_code == 0, result.output
    assert "part 2 of 2: 1 of 3 photos and clips" in result.output
    assert [path.name for path in (tmp_path / "out/alpha").rglob("*.png")] == ["b.png"]


def test_existing_results_do_not_hide_a_wrong_checkpoint(predict, photos, tmp_path, weights):
    assert predict(photos).exit_code == 0
    assert "perhaps from other weights; --overwrite" in predict(photos).output
    newer = tmp_path / "newer.ckpt"
    shutil.copyfile(weights, newer)
    done = predict(photos, "--checkpoint", newer)
    assert done.exit_code == 0
    assert "3 already exist, 3 of them older than newer.ckpt; --overwrite" in done.output
    newer.write_bytes(newer.read_bytes()[:-100])
    assert "newer.ckpt is damaged" in predict(photos, "--checkpoint", newer).stderr
    done = predict(photos, "--checkpoint", "nowhere.ckpt")
    assert done.exit_code == 1
    assert "no checkpoint nowhere.ckpt" in done.stderr


def test_an_error_in_one_file_does_not_stop_the_others(predict, photos, tmp_path):
    """Two photos have the same result, and some results cannot be written."""
    for name in ("x.jpg", "x.webp", f"{'n' * 240}.jpg", "folder.jpg", "file/y.jpg"):
        (photos / name).parent.mkdir(exist_ok=True)
        shutil.copy(photos / "a.jpg", photos / name)
    (photos / "notes.txt").touch()
    out = tmp_path / "out"
    (out / "alpha/folder.png").mkdir(parents=True)
    (out / "cutout").mkdir()
    (out / "cutout/file").touch()
    done = predict(photos)
    assert done.exit_code == 1
    assert files(out / "alpha") == ["a.png", "b.png", f"{'n' * 240}.png", "sub/a.png"]
    lines = done.stdout.splitlines()
    assert lines[0] == "left out: 1 .txt"
    assert [line.split(": ")[0] for line in lines[1:4]] == ["failed"] * 3
    assert f"x.jpg, {photos}/x.webp: all would write {out}/alpha/x.png" in lines[1]
    assert f"failed: {photos}/file/y.jpg: cannot write to {out}/cutout/file: " in lines[2]
    assert f"cannot write {out}/alpha/folder.png: Is a directory" in lines[3]
    assert lines[4].startswith("4 written")
    assert done.stderr == "error: 4 failed (listed above)\n"
    done = predict(photos / "folder.jpg", "--output", "alpha")
    assert "Is a directory" in done.stdout, "the folder counted as a result"


def test_odd_names_are_printed_as_they_are(predict, tmp_path):
    """They are neither turned into emoji nor obeyed by the terminal."""
    folder = tmp_path / "shoot:camera:1 [bold]"
    folder.mkdir()
    for name in ("\x1b[31mred.jpg", "b.\x1b[31m"):
        (folder / name).write_text("no picture")
    done = predict(folder)
    assert done.exit_code == 1
    assert f"cannot read {folder}/\\x1b[31mred.jpg" in done.output
    assert "left out: 1 .\\x1b[31m" in done.output
    assert "\x1b" not in done.output


def test_results_beside_their_photos(predict, photos, monkeypatch):
    """If the command is repeated, its own results are not taken for photos."""
    assert predict(photos, "-o", photos).exit_code == 0
    made = files(photos)
    assert len(made) == 9
    done = predict(photos, "-o", photos)
    assert "3 of 3 already exist" in done.output
    assert "left out: 6 results of earlier commands" in done.output
    monkeypatch.chdir(photos)
    assert "2 of 2 already exist" in predict("*.*", "-o", ".").output
    assert files(photos) == made


def test_inputs_are_not_overwritten(predict, photos, tmp_path):
    source = tmp_path / "out/alpha/b.png"
    source.parent.mkdir(parents=True)
    shutil.copy(photos / "b.png", source)
    before = source.read_bytes()
    for words in ([], ["--output", "alpha"], ["--overwrite"]):
        done = predict(source.parent, *words)
        assert done.exit_code == 1
        assert done.stderr.startswith(f"error: {source}: its result would overwrite the input")
    assert predict(photos / "b.png", "--background", source).exit_code == 1
    assert files(tmp_path / "out") == ["alpha/b.png"]
    assert source.read_bytes() == before


def test_standard_input(predict, photos, tmp_path):
    data = (photos / "b.png").read_bytes()
    assert predict("-", input=data).exit_code == 0
    assert read(tmp_path / "out/alpha/stdin.png").shape == (70, 50)


def test_orientation_and_size(predict, tmp_path):
    """A rotated photo larger than ``--max-size``."""
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((60, 90, 3), np.uint8)).save(tmp_path / "p.jpg", exif=exif)
    assert predict(tmp_path / "p.jpg", "--max-size", 32).exit_code == 0
    assert read(tmp_path / "out/alpha/p.png").shape == (90, 60)


def test_matting_with_one_branch_of_rim(photos, tmp_path):
    rim = write_network(tmp_path / "rim.ckpt", "rim")
    for branch in ("tt", "ft"):
        words = ["predict", photos / "b.png", "--checkpoint", rim, "-o", tmp_path / branch]
        words += ["--branch", branch, "--output", "alpha", "--inference", "native"]
        assert CliRunner().invoke(app, list(map(str, words))).exit_code == 0
    mattes = [read(tmp_path / f"{branch}/alpha/b.png") for branch in ("tt", "ft")]
    assert (mattes[0] != mattes[1]).any()


def test_the_choices_of_the_command_are_those_of_the_code():
    """They are repeated, because --help should not wait for torch."""
    assert command.Precision == Precision
    assert command.ForegroundMethod == ForegroundMethod
    assert set(get_args(command.AlphaVideo)) == set(ALPHA_FORMATS)
    assert set(get_args(command.CutoutVideo)) == set(CUTOUT_FORMATS)
