"""Photos in files and from standard input; ``tests/data`` has more about reading them."""

import io
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

from gfm.data.images import read_image
from gfm.errors import GFMError
from gfm.inference.detail import limit_size
from gfm.inference.input_files import STDIN, Source
from gfm.inference.predict_files import predict_files
from gfm.inference.predictor import explain_lack_of_memory
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
    """Control-C interrupts only the main thread."""
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


class Cramped:
    """Makes a matte only if the shorter side is at most ``most`` pixels for the network."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.predictor = SimpleNamespace(max_size=None)

    def __call__(self, image):
        size = limit_size(*image.shape[:2], self.predictor.max_size)
        with explain_lack_of_memory(torch.device("cuda"), *image.shape[:2]):
            if min(size) > self.most:
                raise torch.OutOfMemoryError("CUDA out of memory.")
        return {"alpha": image[..., 0]}


def test_a_smaller_size_is_tried_if_memory_runs_out(tmp_path, capsys):
    sources = []
    for name, size in (("a", (400, 300)), ("b", (90, 70))):
        path = save(tmp_path / f"{name}.png", Image.new("RGB", size))
        sources.append(Source(path, Path(name)))
    maker, results = Cramped(100), ResultFiles(tmp_path / "out", ["alpha"])
    predict_files(maker, sources, results)
    lines = capsys.readouterr().out.splitlines()
    tries = [f"a.png: too little free memory; trying --max-size {size}" for size in (150, 75)]
    assert [line.split("/")[-1] for line in lines[:2]] == tries
    assert lines[2].startswith("2 written")
    assert maker.predictor.max_size is None  # for the next photo
    with pytest.raises(GFMError, match="2 failed"):
        predict_files(Cramped(0), sources, results)
    assert "a.png: cuda has too little free memory for 300×400" in capsys.readouterr().out


@pytest.mark.parametrize(("cores", "threads"), [(1, 2), (6, 3), (64, 4)])
def test_threads_that_read_and_write(tmp_path, monkeypatch, cores, threads):
    seen = []
    module = "gfm.inference.predict_files"
    monkeypatch.setattr(f"{module}.num_cores", lambda: cores)
    monkeypatch.setattr(f"{module}.process_overlapped", lambda *given: seen.append(given[-1]) or [])
    source = Source(tmp_path / "a.png", Path("a"))
    predict_files(None, [source], ResultFiles(tmp_path / "out", ["alpha"]))
    assert seen == [threads]


def test_half_a_photo(tmp_path):
    path = save(tmp_path / "a.jpg", Image.fromarray(np.repeat(COLOURS, 40, 0)))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(GFMError, match=r"cannot read .*a\.jpg"):
        read_image(path)
