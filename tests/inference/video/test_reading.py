"""Frames of clips: upright, with their timestamps; damaged clips are rejected."""

import os
import shutil
from contextlib import closing

import av
import numpy as np
import pytest
from PIL import Image

from gfm.errors import GFMError
from gfm.inference.video.codecs import SUFFIXES
from gfm.inference.video.reading import Clip
from tests.inference.video.clips import STEADY, UNSTEADY, draw_frames, write_clip


def read(path):
    with closing(Clip(path)) as clip:
        frames = list(clip.frames())
        times = [round(float(1000 * frame.time * clip.time_base)) for frame in frames]
        return [frame.image for frame in frames], times, clip.num_frames


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".m4v"])
def test_frames_and_timestamps_of_all_formats(tmp_path, suffix):
    frames, times, num_frames = read(write_clip(tmp_path / f"clip{suffix}", times=UNSTEADY))
    assert times == UNSTEADY
    assert num_frames == pytest.approx(len(UNSTEADY), abs=1)
    for frame, drawn in zip(frames, draw_frames(), strict=True):
        assert np.abs(frame.astype(int) - drawn).mean() < 4


def test_avi(tmp_path):
    frames, times, _ = read(write_clip(tmp_path / "clip.avi"))
    assert len(frames) == len(STEADY)
    assert times == sorted(set(times))


@pytest.mark.parametrize("suffix", [".3gp", ".mts", ".wmv", ".flv"])
def test_formats_of_cameras(tmp_path, suffix):
    assert suffix in SUFFIXES
    frames, times, _ = read(write_clip(tmp_path / f"clip{suffix}"))
    assert len(frames) == len(STEADY)
    assert times == STEADY


@pytest.mark.parametrize("suffix", [".mkv", ".webm", ".mp4", ".wmv"])
def test_clips_that_start_late(tmp_path, suffix):
    """Timestamps count from the start of the clip.

    Matroska, WebM and WMV count the time before the first frame in their duration.
    """
    late = [5000 + time for time in STEADY]
    options = {"movflags": "faststart"} if suffix == ".mp4" else {}
    path = write_clip(tmp_path / f"late{suffix}", times=late, options=options)
    _, times, num_frames = read(path)
    assert times == STEADY
    assert num_frames == len(late)


@pytest.mark.parametrize(("rotation", "turns"), [(90, 1), (180, 2), (-90, 3)])
def test_rotated_clips_are_upright(tmp_path, rotation, turns):
    """Angles are counterclockwise in the file and in NumPy."""
    frames, _, _ = read(write_clip(tmp_path / "clip.mp4", rotation=rotation))
    upright = np.rot90(draw_frames()[0], turns)
    assert frames[0].shape == upright.shape
    assert np.abs(frames[0].astype(int) - upright).mean() < 4


class SpatialFrame:
    """A frame with side data of a kind that PyAV does not know."""

    def __init__(self, frame):
        self.frame = frame

    def __getattr__(self, name):
        if name == "side_data":
            raise ValueError("29 is not a valid Type")
        return getattr(self.frame, name)


def test_spatial_clips(tmp_path, monkeypatch):
    decode = Clip._decode
    monkeypatch.setattr(Clip, "_decode", lambda self: map(SpatialFrame, decode(self)))
    frames, _, _ = read(write_clip(tmp_path / "clip.mp4", rotation=90))
    assert frames[0].shape == (64, 48, 3)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm"])
@pytest.mark.parametrize(("kept", "start"), [(0.6, 0), (0.6, 5000), (0.02, 0)])
def test_a_truncated_clip(tmp_path, suffix, kept, start):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(25)]
    options = {"movflags": "faststart"} if suffix == ".mp4" else {}
    times = [start + 40 * i for i in range(25)]
    path = write_clip(tmp_path / f"clip{suffix}", noise, times, options=options)
    data = path.read_bytes()
    path.write_bytes(data[: round(kept * len(data))])
    with pytest.raises(GFMError, match=r"cannot read .*clip"):
        read(path)


def test_a_damaged_clip(tmp_path):
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(8)]
    path = write_clip(tmp_path / "clip.mp4", noise)
    data = bytearray(path.read_bytes())
    # Damages several frames, because the encoder's threads place them differently each time.
    data[len(data) // 4 : 3 * len(data) // 4] = bytes(3 * len(data) // 4 - len(data) // 4)
    path.write_bytes(data)
    with pytest.raises(GFMError, match=r"cannot read .*clip\.mp4: not a clip, or damaged"):
        read(path)


def test_ffmpeg_does_not_log_to_python(tmp_path):
    """Otherwise, closing a damaged clip could deadlock."""
    path = write_clip(tmp_path / "clip.mp4")
    av.logging.set_level(av.logging.ERROR)  # as some versions of torchvision do
    read(path)
    assert av.logging.get_level() is None


def test_audio_may_be_longer(tmp_path):
    path = write_clip(tmp_path / "clip.mkv", times=STEADY, audio="aac", seconds=2)
    assert read(path)[1] == STEADY


def test_files_that_are_not_clips(tmp_path):
    Image.new("RGB", (40, 40)).save(tmp_path / "photo.png")
    shutil.move(tmp_path / "photo.png", tmp_path / "photo.mp4")
    with pytest.raises(GFMError, match="a picture, not a clip; rename it"):
        read(tmp_path / "photo.mp4")
    write_clip(tmp_path / "song.mkv", frames=[], times=[], audio="aac", seconds=1)
    with pytest.raises(GFMError, match="it contains no video"):
        read(tmp_path / "song.mkv")
    (tmp_path / "text.mp4").write_text("text")
    with pytest.raises(GFMError, match=r"text\.mp4: not a clip, or damaged"):
        read(tmp_path / "text.mp4")
    with pytest.raises(GFMError, match=r"nothing\.mp4: No such file"):
        read(tmp_path / "nothing.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")  # opening it would block forever
    with pytest.raises(GFMError, match=r"pipe\.mp4: it is not a regular file"):
        read(tmp_path / "pipe.mp4")
