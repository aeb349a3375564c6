"""``gfm predict`` with clips, alone and mixed with photos, damaged, and processed before."""

import os
import shutil
import signal
import sys

import numpy as np
import pytest
from PIL import Image

from gfm import load_model
from tests.cli.conftest import files
from tests.inference.video.clips import draw_frames, read_audio, read_video, write_clip


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    return write_clip(tmp_path_factory.mktemp("clips") / "clip.mp4", audio="aac")


@pytest.fixture
def clip(drawn, tmp_path):
    return shutil.copy(drawn, tmp_path / "clip.mp4")


def test_clips_and_photos(predict, clip, drawn, tmp_path, weights):
    Image.fromarray(draw_frames()[0]).save(tmp_path / "clip.png")  # has the same name
    shutil.copy(drawn, tmp_path / "other.mov")
    done = predict(tmp_path / "clip.png", clip, tmp_path / "other.mov", "--background", "white")
    assert done.exit_code == 0, done.output
    assert "3 written" in done.output
    made = [f"{kind}/clip.png" for kind in ("alpha", "cutout", "composite")]
    for name in ("clip", "other"):
        made += [f"alpha/{name}.mkv", f"cutout/{name}.mov", f"composite/{name}.mp4"]
    assert files(tmp_path / "out") == sorted(made)
    matte = load_model(weights, device="cpu", inference="native")
    expected = [np.array(matte(Image.fromarray(frame))) for frame in read_video(clip)[0]]
    alphas, times = read_video(tmp_path / "out/alpha/clip.mkv", "gray")
    assert np.abs(np.subtract(alphas, expected, dtype=int)).max() <= 1
    assert times == [0.04 * i for i in range(8)]
    assert read_audio(tmp_path / "out/composite/clip.mp4")[0] == "aac"


def test_formats_and_bits(predict, clip, tmp_path):
    maps = "alpha,cutout,glance,focus"
    options = ["--output", maps, "--cutout-video", "png", "--bits", "16"]
    assert predict(clip, *options).exit_code == 0
    assert len(files(tmp_path / "out/cutout/clip_frames")) == 9
    alpha, _ = read_video(tmp_path / "out/alpha/clip.mkv", "gray16le")
    assert (np.array(alpha) % 257).any()
    done = predict(clip, "--bits", "16", "--alpha-video", "h264")
    assert done.exit_code == 1
    assert done.stderr == "error: --bits 16: --alpha-video h264 has 8; choose ffv1\n"


def test_existing_results_are_skipped(predict, clip, tmp_path):
    for output in ("alpha/clip.mkv", "cutout/clip_frames/timestamps.txt"):
        (tmp_path / "out" / output).parent.mkdir(parents=True)
        (tmp_path / "out" / output).write_bytes(b"mine")
    done = predict(clip, "--cutout-video", "png")
    assert done.exit_code == 0
    assert "1 of 1 already exist" in done.output
    assert predict(clip, "--output", "alpha,cutout,glance").exit_code == 0
    assert (tmp_path / "out/alpha/clip.mkv").read_bytes() == b"mine"
    assert files(tmp_path / "out/glance") == ["clip.mkv"]
    assert predict(clip, "--output", "alpha", "--overwrite").exit_code == 0
    assert len(read_video(tmp_path / "out/alpha/clip.mkv")[0]) == 8


def test_a_folder_of_photos_does_not_pass_for_frames(predict, clip, tmp_path):
    photo = tmp_path / "shoot/clip_frames/1.png"
    photo.parent.mkdir(parents=True)
    Image.fromarray(draw_frames()[0]).save(photo)
    shutil.copy(clip, tmp_path / "shoot")
    done = predict(tmp_path / "shoot", "--cutout-video", "png")
    assert done.exit_code == 1
    frames = tmp_path / "out/cutout/clip_frames"
    assert f"cannot write {frames}: it contains other files; move them away" in done.stdout
    assert files(frames) == ["1.png"]


def test_a_damaged_clip_does_not_stop_others(predict, clip, tmp_path):
    (tmp_path / "a.mp4").write_bytes(clip.read_bytes()[:3000])
    done = predict(tmp_path / "a.mp4", clip, "--output", "alpha")
    assert done.exit_code == 1
    assert done.stdout.count("failed: ") == 1
    assert f"failed: cannot read {tmp_path / 'a.mp4'}: not a clip, or damaged" in done.stdout
    assert done.stderr == "error: 1 failed (listed above)\n"
    assert files(tmp_path / "out") == ["alpha/clip.mkv"]


def test_without_the_extra(predict, clip, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    done = predict(clip)
    assert done.exit_code == 1
    assert done.stderr == f"error: {clip}: video needs av: pip install 'gfm-matting[video]'\n"
    assert not (tmp_path / "out").exists()


def test_smooth_changes_mattes_of_clips(predict, clip, tmp_path):
    for words in ([], ["--smooth", "--overwrite"]):
        assert predict(clip, "--output", "alpha", *words).exit_code == 0
        (tmp_path / "out/alpha/clip.mkv").rename(tmp_path / f"{len(words)}.mkv")
    plain, smooth = (read_video(tmp_path / f"{n}.mkv", "gray")[0] for n in (0, 2))
    np.testing.assert_array_equal(plain[0], smooth[0])
    assert (plain[4] != smooth[4]).any()


def test_sigterm_cleans_up_and_lists_failures(predict, clip, tmp_path, monkeypatch):
    calls = []

    def stop(*_):
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return {"alpha": np.zeros((48, 64), np.uint8)}

    ignored = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    monkeypatch.setattr("gfm.inference.outputs.OutputMaker.__call__", stop)
    (tmp_path / "a.mp4").touch()
    done = predict(tmp_path / "a.mp4", clip, "--output", "alpha")
    signal.signal(signal.SIGTERM, ignored)
    assert done.exit_code == 143
    assert "failed: cannot read" in done.output
    assert done.stderr == "terminated; progress saved: resume with the same command\n"
    assert not files(tmp_path / "out")


def test_control_c(predict, clip, tmp_path, monkeypatch):
    calls = []

    def stop(*_):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return {"alpha": np.zeros((48, 64), np.uint8)}

    monkeypatch.setattr("gfm.inference.outputs.OutputMaker.__call__", stop)
    done = predict(clip, "--output", "alpha")
    assert done.exit_code == 130
    assert done.stderr == "interrupted; progress saved: resume with the same command\n"
    assert not files(tmp_path / "out")
