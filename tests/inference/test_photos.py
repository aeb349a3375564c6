"""Photos in files and from standard input; ``tests/data`` has more about reading them."""

import io
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageCms

from gfm.data.images import read_image
from gfm.errors import GFMError
from gfm.inference.input_files import STDIN, Source
from gfm.inference.predict_files import predict_files
from gfm.inference.result_files import ResultFiles

COLOURS = np.zeros((8, 12, 3), np.uint8)
COLOURS[:4, :6] = (200, 30, 40)
COLOURS[4:, :6] = (20, 180, 60)
COLOURS[:4, 6:] = (30, 60, 220)


def save(path, image, **options):
    image.save(path, **options)
    return path


def test_profiles_are_converted(tmp_path):
    """A profile with red and green exchanged."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    data = bytearray(srgb.tobytes())
    tags = {bytes(data[i : i + 4]): i for i in range(132, 132 + 12 * data[131], 12)}
    red, green = (slice(tags[t] + 4, tags[t] + 12) for t in (b"rXYZ", b"gXYZ"))
    data[red], data[green] = data[green], data[red]
    photo = Image.fromarray(COLOURS)
    plain = read_image(save(tmp_path / "a.png", photo, icc_profile=srgb.tobytes()))
    assert np.abs(plain.astype(int) - COLOURS).max() <= 1
    exchanged = read_image(save(tmp_path / "b.png", photo, icc_profile=bytes(data)))
    assert np.abs(exchanged.astype(int) - COLOURS[..., [1, 0, 2]]).max() <= 1
    broken = read_image(save(tmp_path / "c.png", photo, icc_profile=b"no profile"))
    np.testing.assert_array_equal(broken, COLOURS)


def test_floats(tmp_path):
    path = save(tmp_path / "a.tif", Image.new("F", (3, 2)))
    with pytest.raises(GFMError, match=r"a\.tif: it holds floats; save it with 8 or 16 bits"):
        read_image(path)


def test_standard_input_is_read_in_the_main_thread(tmp_path, monkeypatch):
    """So that Control-C ends it."""
    data, threads = io.BytesIO(), []
    Image.fromarray(COLOURS).save(data, "PNG")

    def read():
        threads.append(threading.current_thread())
        return data.getvalue()

    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=SimpleNamespace(read=read)))
    results = ResultFiles(tmp_path, ["composite"])
    predict_files(lambda image: {"composite": image}, [Source(STDIN, Path("stdin"))], results)
    np.testing.assert_array_equal(read_image(tmp_path / "composite/stdin.png"), COLOURS)
    assert threads == [threading.main_thread()]


def test_a_closed_standard_input(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(GFMError, match="1 failed"):
        predict_files(None, [Source(STDIN, Path("stdin"))], ResultFiles(tmp_path, ["alpha"]))
    assert "failed: cannot read standard input: not a picture" in capsys.readouterr().out


def test_half_a_photo(tmp_path):
    path = save(tmp_path / "a.jpg", Image.fromarray(np.repeat(COLOURS, 40, 0)))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(GFMError, match=r"cannot read .*a\.jpg"):
        read_image(path)
