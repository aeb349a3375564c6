"""Frames in HDR and in wide gamuts become BT.709."""

from contextlib import closing
from types import SimpleNamespace

import av
import numpy as np
import pytest

from gfm.inference.video import frame_colours
from gfm.inference.video.reading import Clip

BT709_TO_BT2020 = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)
NITS = np.array([[100, 0, 0], [0, 100, 0], *([n] * 3 for n in (1, 18, 100, 203, 1000))], float)
"""Linear light of patches in the primaries of BT.709: red, green, greys."""


def pq(nits):
    """SMPTE ST 2084, from nits to [0, 1]."""
    power = (nits / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def write_patches(path, encode, transfer):
    """Write a frame of the patches, each 16 pixels wide, in the primaries of BT.2020."""
    red, green, blue = encode(NITS @ BT709_TO_BT2020.T).T
    luma = 0.2627 * red + 0.678 * green + 0.0593 * blue
    chroma = (blue - luma) / 1.8814, (red - luma) / 1.4746
    planes = [256 * (16 + 219 * luma), *(256 * (128 + 224 * part) for part in chroma)]
    values = np.dstack([np.tile(np.repeat(plane.round(), 16), (64, 1)) for plane in planes])
    frame = av.VideoFrame.from_ndarray(values.astype(np.uint16), "yuv444p16le")
    with av.open(str(path), "w") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv444p16le"
        stream.color_trc, stream.color_primaries, stream.colorspace = transfer, 9, 9
        stream.color_range = 1
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


def read_patches(path):
    with closing(Clip(path)) as clip:
        return next(clip.frames()).image[32, 8::16].astype(int)


def test_hdr_is_tone_mapped(tmp_path, capsys):
    red, green, *greys = read_patches(write_patches(tmp_path / "pq.mkv", pq, 16))
    assert red[0] > 3 * red[1:].max(), "BT.2020 was read as BT.709"
    assert green[1] > 2 * green[[0, 2]].max()
    brightness = np.mean(greys, axis=1)
    assert np.ptp(greys, axis=1).max() <= 1
    assert (np.diff(brightness) > 8).all(), "highlights are clipped"
    assert brightness[0] < 30  # 38 without conversion
    assert brightness[-1] > 200  # 192 without conversion
    assert not capsys.readouterr().out


def test_a_wide_gamut_is_converted(tmp_path):
    path = write_patches(tmp_path / "wide.mkv", lambda nits: (nits / 1000) ** (1 / 2.4), 1)
    off = np.abs(read_patches(path) - 255 * (NITS / 1000) ** (1 / 2.4))
    assert off[2:].max() < 1
    assert off[:2].max() < 15  # of colours, because the curve is steep near 0


@pytest.mark.parametrize(
    ("transfer", "primaries", "is_converted"),
    [(16, 9, True), (18, 9, True), (1, 9, True), (1, 12, True), (1, 1, False), (2, 2, False)],
)
def test_which_frames_are_converted(tmp_path, monkeypatch, transfer, primaries, is_converted):
    converted = SimpleNamespace(to_ndarray=lambda: "converted")
    graph = SimpleNamespace(push=lambda _: None, pull=lambda: converted)
    monkeypatch.setattr(frame_colours, "_make_graph", lambda *_: graph)
    frame = av.VideoFrame(16, 16, "yuv420p10le")
    frame.color_trc, frame.color_primaries = transfer, primaries
    read = frame_colours.RgbConverter(tmp_path)(frame)
    assert (isinstance(read, str) and read == "converted") == is_converted


@pytest.mark.parametrize(
    ("width", "height", "space"),
    [
        *[(1280, 534, "ITU709"), (1920, 1080, "ITU709"), (960, 720, "ITU709")],
        *[(848, 480, "ITU601"), (720, 576, "ITU601"), (1024, 576, "ITU601")],
    ],
)
@pytest.mark.parametrize("is_portrait", [False, True])
def test_colours_that_the_clip_does_not_name(tmp_path, width, height, space, is_portrait):
    width, height = (height, width) if is_portrait else (width, height)
    planes = np.full((height * 3 // 2, width), 100, np.uint8)
    frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
    expected = frame.to_ndarray(format="rgb24", src_colorspace=space)
    np.testing.assert_array_equal(frame_colours.RgbConverter(tmp_path)(frame), expected)


def test_without_the_filter_a_warning_is_printed_once(tmp_path, monkeypatch, capsys):
    def fail(*_):
        raise av.error.ArgumentError(22, "Invalid argument")

    monkeypatch.setattr(frame_colours, "_make_graph", fail)
    convert = frame_colours.RgbConverter(tmp_path / "clip.mov")
    frame = av.VideoFrame(16, 16, "yuv420p10le")
    frame.color_trc = 18
    assert convert(frame).shape == convert(frame).shape == (16, 16, 3)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"warning: {tmp_path}/clip.mov: PyAV cannot convert HDR colours")
