"""Results of clips: pixels, timestamps, audio, atomic writes."""

from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from gfm.errors import GFMError, WriteError
from gfm.inference.video import writing
from gfm.inference.video.clips import predict_clip
from gfm.inference.video.codecs import ALPHA_FORMATS, ClipOptions
from gfm.inference.video.reading import Clip
from gfm.system.files import make_folder
from tests.inference.video.clips import (
    STEADY,
    UNSTEADY,
    draw_frames,
    read_audio,
    read_video,
    write_clip,
)
from tests.reliability.outcomes import age_temporary


def make(image, smoother=None):
    """Make a soft matte, and outputs with the colours of the frame."""
    alpha = np.linspace(0, 255, image.shape[1]).astype(np.uint8)[None].repeat(len(image), 0)
    return {"alpha": alpha, "cutout": np.dstack([image, alpha]), "composite": image}


@pytest.fixture
def predict(tmp_path):
    def run(clip, *outputs, make=make, **options):
        options = ClipOptions(**options)
        targets = {o: tmp_path / f"{o}{options.format_of(o).suffix}" for o in outputs}

        def wanted(image, smoother):
            return {o: picture for o, picture in make(image, smoother).items() if o in outputs}

        predict_clip(wanted, clip, targets, options)
        return next(iter(targets.values()))

    return run


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A rotated clip with irregular timestamps and a tone."""
    place = tmp_path_factory.mktemp("clips") / "clip.mp4"
    return write_clip(place, times=UNSTEADY, rotation=90, audio="aac")


UPRIGHT = np.rot90(draw_frames()[0])
ALPHA = make(UPRIGHT)["alpha"]


@pytest.mark.parametrize(
    ("output", "options"),
    [
        ("alpha", {"alpha": "ffv1"}),
        ("alpha", {"alpha": "h264"}),
        ("cutout", {"cutout": "prores"}),
        ("cutout", {"cutout": "vp9"}),
        ("composite", {}),
    ],
)
def test_timestamps_rotation_and_audio_are_kept(predict, clip, output, options):
    path = predict(clip, output, **options)
    frames, times = read_video(path)
    assert [round(1000 * time) for time in times] == UNSTEADY
    assert frames[0].shape == UPRIGHT.shape
    codec, sound = read_audio(path)
    assert codec == ("opus" if path.suffix == ".webm" else "aac")
    assert len(sound) == pytest.approx(48000 * 0.36, abs=2500)
    rising = (np.diff(np.signbit(sound).astype(int)) == -1).sum()
    assert rising / len(sound) == pytest.approx(0.06 / (2 * np.pi), rel=0.1)


@pytest.mark.parametrize(
    ("output", "options", "audio"),
    [("alpha", {}, "ac3"), ("composite", {}, "aac"), ("cutout", {"cutout": "vp9"}, "aac")],
)
def test_results_start_at_zero(predict, tmp_path, output, options, audio):
    """A camera's clip may start at any time; this video starts half a second after its audio."""
    place, times = tmp_path / "clip.mts", [500 + time for time in STEADY]
    clip = write_clip(place, times=times, audio=audio, options={"output_ts_offset": "5"})
    before, after = starts(clip), starts(predict(clip, output, **options))
    assert before.min() > 1
    np.testing.assert_allclose(before - before.min(), [0.5, 0], atol=0.03)
    np.testing.assert_allclose(after, [0.5, 0], atol=0.03)


def starts(path):
    """Return when the video and the audio start, in seconds."""
    with av.open(str(path)) as container:
        streams = container.streams.video[0], container.streams.audio[0]
        return np.array([float(stream.start_time * stream.time_base) for stream in streams])


@pytest.mark.parametrize(("bits", "kind"), [(np.uint8, "gray"), (np.uint16, "gray16le")])
def test_ffv1_is_exact(predict, clip, bits, kind):
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, np.iinfo(bits).max, (64, 48), dtype=bits) for _ in UNSTEADY]
    rest = iter(drawn)
    path = predict(clip, "alpha", make=lambda *_: {"alpha": next(rest)})
    np.testing.assert_array_equal(read_video(path, kind)[0], drawn)


def test_h264_preserves_the_matte(predict, clip):
    shown = read_video(predict(clip, "alpha", alpha="h264"))[0][3]
    assert np.abs(shown.astype(int) - ALPHA[..., None]).max() <= 4


@pytest.mark.parametrize("cutout", ["prores", "vp9"])
def test_opacity_and_colours_of_cutouts(predict, clip, cutout):
    frames, _ = read_video(predict(clip, "cutout", cutout=cutout), "rgba")
    # ProRes is lossless here, but FFmpeg truncates 12 bits to 8, which is off by one.
    assert np.abs(frames[2][..., 3].astype(int) - ALPHA).max() <= 3
    assert np.median(np.abs(frames[0][..., :3].astype(int) - UPRIGHT)) <= 3


def test_a_folder_of_png(predict, clip, tmp_path):
    folder = predict(clip, "cutout", cutout="png")
    names = [f"{i:06d}.png" for i in range(1, 9)]
    assert sorted(p.name for p in folder.iterdir()) == [*names, "timestamps.txt"]
    picture = cv2.imread(str(folder / "000003.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(picture[..., 3], ALPHA)
    first, *times = (folder / "timestamps.txt").read_text().split("\n")[:-1]
    assert first == "# timestamp format v2"
    assert [float(time) for time in times] == UNSTEADY
    (folder / "000001.png").write_bytes(b"old")
    predict(clip, "cutout", cutout="png")  # replaces the folder
    assert cv2.imread(str(folder / "000001.png")) is not None
    assert [p.name for p in tmp_path.iterdir()] == [folder.name]


def test_other_folders_are_not_replaced(predict, clip, tmp_path):
    (tmp_path / "cutout_frames").mkdir()
    (tmp_path / "cutout_frames/mine.png").write_bytes(b"mine")
    with pytest.raises(GFMError, match="it contains other files") as caught:
        predict(clip, "cutout", cutout="png")
    assert not isinstance(caught.value, WriteError), "it would stop the other clips"
    assert (tmp_path / "cutout_frames/mine.png").read_bytes() == b"mine"


@pytest.mark.parametrize("output", ["alpha", "cutout", "composite"])
def test_odd_sides(predict, tmp_path, output):
    """H.264 needs even sides, so the last row and column are repeated."""
    frames = [np.full((33, 47, 3), 90, np.uint8)] * 2
    clip = write_clip(tmp_path / "odd.webm", frames, [0, 40])
    shown = read_video(predict(clip, output, cutout="vp9"))[0][0]
    assert shown.shape[:2] == ((34, 48) if output == "composite" else (33, 47))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 8), (8, 1)])
def test_sides_of_one_pixel(predict, tmp_path, height, width):
    frames = [np.full((height, width, 3), 90, np.uint8)] * 2
    clip = write_clip(tmp_path / "thin.webm", frames, [0, 40])
    assert read_video(predict(clip, "alpha"))[0][0].shape[:2] == (height, width)


@pytest.mark.parametrize(
    ("suffix", "audio", "kept"), [(".mov", "pcm_s16le", "pcm_s16le"), (".webm", "libopus", "aac")]
)
def test_audio_is_copied_or_reencoded(predict, tmp_path, suffix, audio, kept):
    clip = write_clip(tmp_path / f"clip{suffix}", audio=audio)
    codec, sound = read_audio(predict(clip, "cutout", cutout="prores"))
    assert codec == kept
    assert len(sound) == pytest.approx(48000 * 0.32, abs=2500)


@pytest.mark.parametrize(
    ("suffix", "audio", "layout", "rate", "output", "kept"),
    [
        (".avi", "pcm_u8", "mono", 11025, "composite", "aac"),  # the layout is unspecified
        (".mkv", "pcm_s24le", "stereo", 192000, "composite", "aac"),
        (".mkv", "ac3", "5.1(side)", 48000, "cutout", "opus"),
    ],
)
def test_audio_that_encoders_do_not_take_as_it_is(
    predict, tmp_path, suffix, audio, layout, rate, output, kept
):
    clip = write_clip(tmp_path / f"clip{suffix}", audio=audio, layout=layout, rate=rate)
    result = predict(clip, output, cutout="vp9")
    codec, sound = read_audio(result)
    assert codec == kept
    with av.open(str(result)) as made:
        stream = made.streams.audio[0]
        assert stream.layout.nb_channels == {"mono": 1, "stereo": 2}.get(layout, 6)
        assert len(sound) == pytest.approx(stream.rate * 0.32, abs=2500)


def test_audio_with_an_unknown_codec_is_left_out(predict, tmp_path, capsys):
    path = write_clip(tmp_path / "clip.mp4", audio="aac")
    path.write_bytes(path.read_bytes().replace(b"mp4a", b"apac").replace(b"esds", b"free"))
    result = predict(path, "alpha", "cutout")
    with av.open(str(result)) as made:
        assert [stream.type for stream in made.streams] == ["video"]
    assert capsys.readouterr().out.count("skipped an audio track that FFmpeg cannot decode") == 1


@pytest.mark.parametrize(("rotation", "aspect"), [(0, (4, 3)), (180, (4, 3)), (90, (3, 4))])
def test_wide_pixels(predict, tmp_path, rotation, aspect):
    """The pixels of a clip that is rotated by 90 degrees become tall."""
    clip = write_clip(tmp_path / "wide.mp4", pixel_aspect=(4, 3), rotation=rotation)
    with av.open(str(predict(clip, "cutout"))) as video:
        assert video.streams.video[0].sample_aspect_ratio == Fraction(*aspect)


def test_colons_in_relative_names(clip, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("day:1").mkdir()
    Path("12:30.mp4").write_bytes(clip.read_bytes())
    predict_clip(make, Path("12:30.mp4"), {"alpha": Path("day:1/12:30.mkv")}, ClipOptions())
    assert len(read_video(tmp_path / "day:1/12:30.mkv")[0]) == len(UNSTEADY)


def fail_at_fourth(error):
    def failing(image, smoother=None, calls=[]):  # noqa: B006  # counts its calls
        calls.append(1)
        if len(calls) == 4:
            raise error
        return make(image)

    return failing


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("out of memory")])
def test_an_interrupted_clip_leaves_no_results(predict, clip, tmp_path, error):
    (tmp_path / "alpha.mkv").write_bytes(b"old")
    with pytest.raises(type(error)):
        predict(clip, "alpha", "cutout", "composite", make=fail_at_fourth(error))
    assert [p.name for p in tmp_path.iterdir()] == ["alpha.mkv"]
    assert (tmp_path / "alpha.mkv").read_bytes() == b"old"


def test_a_frame_that_cannot_be_written(predict, clip, tmp_path, monkeypatch):
    def full(*_):
        raise av.error.OSError(28, "No space left on device")

    monkeypatch.setattr(writing.VideoWriter, "_make_frame", full)
    with pytest.raises(WriteError, match=r"cannot write .*alpha\.mkv: No space left"):
        predict(clip, "alpha")
    assert not list(tmp_path.iterdir())


def test_a_slow_clip_is_not_taken_for_a_killed_one(tmp_path):
    """The Matroska muxer buffers seconds of the clip, which may take an hour to matte."""
    path, target = write_clip(tmp_path / "clip.mkv"), tmp_path / "alpha.mkv"
    form = ALPHA_FORMATS["ffv1"]
    with closing(Clip(path)) as clip, writing.open_writer(target, form, clip) as writer:
        for frame in clip.frames():
            age_temporary(tmp_path)
            writer.write(frame.image[..., 0], frame.time)
            make_folder(tmp_path)  # another command
    assert len(read_video(target)[0]) == 8
