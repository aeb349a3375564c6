"""Files found by fuzzing, for which a reader raised a wrong error or used too much memory."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageFile

from gfm.checkpoints import read_checkpoint
from gfm.data.images import image_size, read_alpha, read_image, read_matte
from gfm.data.layout import Photo
from gfm.data.matte import Matte
from gfm.errors import GFMError
from gfm.evaluation.prediction_files import read_prediction

READERS = (image_size, read_image, read_alpha, read_matte)


def saved(kind: str, image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of these chunks, with valid checksums."""
    parts = (
        struct.pack(">I", len(d)) + n + d + struct.pack(">I", zlib.crc32(n + d)) for n, d in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def header(width: int, height: int) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)


PICTURES = {
    "wider than OpenCV takes": png(header(8_716_297, 7), (b"IDAT", b"")),
    "a chunk that claims 536 MB": png(header(6, 5)) + b"\x20\x00\x00\x2cIDAT" + bytes(40),
    "a directory beyond its end": saved("TIFF", Image.new("RGB", (7, 9)))[:-30],
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures(tmp_path, name):
    path = tmp_path / "photo.png"
    path.write_bytes(PICTURES[name])
    for read in (*READERS[1:4], lambda p: read_image(p, (4, 4))):
        with pytest.raises(GFMError, match=r"photo\.png") as error:
            read(path)
        assert "\n" not in str(error.value)


def test_a_chunk_that_claims_much_gets_no_memory(tmp_path, monkeypatch):
    path = tmp_path / "photo.png"
    path.write_bytes(PICTURES["a chunk that claims 536 MB"])
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("OpenCV was asked"))
    with pytest.raises(GFMError, match="truncated or damaged"):
        read_image(path)


def test_an_invalid_orientation_is_ignored(tmp_path):
    """Only the orientations 5 to 8 exchange the sides, as in OpenCV."""
    path, exif = tmp_path / "photo.jpg", Image.Exif()
    exif[0x0112] = 9
    path.write_bytes(saved("JPEG", Image.new("RGB", (8, 6)), exif=exif))
    assert image_size(path) == read_image(path).shape[:2] == (6, 8)


def test_a_matte_of_floats_is_refused(tmp_path):
    path = tmp_path / "matte.tif"
    path.write_bytes(saved("TIFF", Image.fromarray(np.full((4, 5), 0.5, np.float32))))
    with pytest.raises(GFMError, match="holds float32: save mattes as 8-bit or 16-bit PNG"):
        read_alpha(path)


@pytest.mark.parametrize("shape", [(4,), (), (0, 5), (4, 5, 2)])
def test_packed_arrays_of_other_shapes(tmp_path, shape):
    path = tmp_path / "photo.npy"
    np.save(path, np.zeros(shape, np.uint8))
    for read in (read_image, read_alpha, *([image_size] if len(shape) < 2 else [])):
        with pytest.raises(GFMError, match="pack it again"):
            read(path)


@pytest.mark.parametrize("values", [np.full((4, 5), np.nan), np.zeros((4, 6), np.uint8)])
def test_packed_mattes_and_labels_of_other_values(tmp_path, values):
    """NaN would count as background, and labels of other sizes would be shifted."""
    alpha, labels = tmp_path / "a.npy", tmp_path / "trimap_25.npy"
    np.save(alpha, np.zeros((4, 5), np.uint8))
    np.save(labels, values)
    photo = Photo("a", tmp_path / "a.jpg", alpha, labels={"trimap_25": labels})
    with pytest.raises(GFMError, match=r"trimap_25\.npy .*pack"):
        Matte(photo).trimap(25)
    if values.dtype != np.uint8:
        with pytest.raises(GFMError, match=r"holds float64 of shape .*: pack it again"):
            read_alpha(labels)
        with pytest.raises(GFMError, match=r"holds NaN, or values outside of \[0, 1\]"):
            read_prediction(labels)


def test_an_official_file_that_lacks_tensors(tmp_path):
    path = tmp_path / "gfm_r34_ft.pth"
    names = ("psp_module.bottleneck.weight", "bridge_block.0.weight")
    torch.save({name: torch.ones(1) for name in names}, path)
    with pytest.raises(GFMError, match="tensors are missing"):
        read_checkpoint(path)


def test_a_name_that_is_not_utf8(tmp_path):
    """The unpickler raises UnicodeDecodeError if a bit of a key is flipped."""
    path = tmp_path / "last.pth"
    torch.save({"name": torch.ones(1)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes().replace(b"name", b"\xffame"))
    with pytest.raises(GFMError, match="damaged"):
        read_checkpoint(path)


def test_a_header_is_read_without_the_pixels(tmp_path, monkeypatch):
    path = tmp_path / "matte.png"
    path.write_bytes(saved("PNG", Image.new("L", (8, 6))))
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("pixels were decoded"))
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("pixels were decoded"))
    assert image_size(path) == (6, 8)
