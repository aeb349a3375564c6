"""Photos come upright and in sRGB, and mattes by one rule, whatever file holds them."""

import io
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from gfm.data.colours import conversion, to_srgb
from gfm.data.decoding import turn
from gfm.data.images import image_size, read_alpha, read_image, read_matte
from gfm.errors import GFMError

HEIGHT, WIDTH = 12, 20
Y, X = np.mgrid[:HEIGHT, :WIDTH]
COLOURS = np.dstack([X * 9 + 40, Y * 15 + 40, (X + Y) * 5 + 40]).astype(np.uint8)
MATTE = (X * 13).astype(np.uint8)
TURNS = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: np.rot90(x),
}
XMP = '<x:xmpmeta><rdf:RDF><rdf:Description tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'


def saved(path, array, mode=None, **options):
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def wide_profile():
    """Return a profile whose red is that of Display P3."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {bytes(profile[i : i + 4]): i for i in range(132, 132 + 12 * profile[131], 12)}
    (place,) = struct.unpack(">I", profile[tags[b"rXYZ"] + 4 : tags[b"rXYZ"] + 8])
    red = [round(value * 65536) for value in (0.5151, 0.2412, -0.0011)]
    profile[place + 8 : place + 20] = struct.pack(">3i", *red)
    return bytes(profile)


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


MODES = {
    ".png": ["RGB", "L", "RGBA", "LA", "P", "1", "I;16"],
    ".tif": ["RGB", "L", "RGBA", "LA", "P", "1", "I;16"],
    ".webp": ["RGB", "L", "RGBA", "LA", "P", "1"],
    ".jpg": ["RGB", "L", "1"],
}
"""Kinds of pictures that each format holds."""


@pytest.mark.parametrize(
    ("suffix", "mode"), [(suffix, mode) for suffix, modes in MODES.items() for mode in modes]
)
@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8, 9])
def test_every_format_is_turned_alike(tmp_path, suffix, mode, orientation):
    if mode == "I;16":
        image = Image.fromarray(COLOURS[:, :, 0].astype(np.uint16) * 257)
    else:
        image = Image.fromarray(COLOURS).convert("RGB" if mode in ("RGB", "P") else "L")
        image = image.convert(mode)
    path, plain = tmp_path / f"x{suffix}", tmp_path / f"plain{suffix}"
    saved(path, image, exif=exif(orientation))
    saved(plain, image)
    expected = TURNS.get(orientation, TURNS[1])(read_image(plain))
    assert np.abs(expected.astype(int) - TURNS.get(orientation, TURNS[1])(COLOURS)).mean() < 128
    np.testing.assert_array_equal(read_image(path), expected)
    assert image_size(path) == expected.shape[:2]
    try:
        matte = read_matte(plain)
    except GFMError:
        return  # in colour
    np.testing.assert_array_equal(read_matte(path), TURNS.get(orientation, TURNS[1])(matte))


def test_turns_of_arrays():
    for orientation, turned in TURNS.items():
        np.testing.assert_array_equal(turn(COLOURS, orientation), turned(COLOURS))


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("planes", {"photometric": "rgb", "planarconfig": "separate"}),
        ("grey", {"photometric": "miniswhite"}),
        ("32 bits", {"photometric": "minisblack"}),
        ("signed", {"photometric": "minisblack", "compression": "deflate", "byteorder": ">"}),
    ],
)
def test_tiffs_that_pillow_misreads_are_refused(tmp_path, kind, options):
    tifffile = pytest.importorskip("tifffile")
    array = np.moveaxis(COLOURS.astype(np.uint16) * 257, 2, 0)
    if kind != "planes":
        array = array[0]
    if kind == "32 bits":
        array = array.astype(np.uint32) * 65537
    if kind == "signed":
        array = (array // 2).astype(np.int16)
    tifffile.imwrite(tmp_path / "x.tif", array, **options)
    for read in (read_image, read_matte, image_size):
        with pytest.raises(GFMError, match=r"x\.tif: an unusual TIFF; save it as PNG"):
            read(tmp_path / "x.tif")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_xmp_turns_where_exif_is_silent(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    if suffix == ".png":
        data = b"XML:com.adobe.xmp\0\0\0\0\0" + XMP.encode()
        file = io.BytesIO()
        Image.fromarray(COLOURS).save(file, "PNG")
        head, rest = file.getvalue()[:33], file.getvalue()[33:]
        path.write_bytes(head + chunk(b"iTXt", data) + rest)
        end = len(rest) - 12
        (tmp_path / "late.png").write_bytes(head + rest[:end] + chunk(b"iTXt", data) + rest[end:])
        np.testing.assert_array_equal(read_image(tmp_path / "late.png"), TURNS[6](COLOURS))
        assert image_size(tmp_path / "late.png") == (WIDTH, HEIGHT)
    else:
        saved(path, COLOURS, quality=95, xmp=XMP.encode())
    assert np.abs(read_image(path).astype(int) - TURNS[6](COLOURS)).mean() < 5
    assert image_size(path) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_profiles_are_converted(tmp_path, suffix):
    path = saved(tmp_path / f"x{suffix}", COLOURS, icc_profile=wide_profile())
    with Image.open(path) as image:
        expected = np.array(to_srgb(image))
        assert np.abs(expected.astype(int) - np.array(image)).max() > 8
    np.testing.assert_array_equal(read_image(path), expected)
    np.testing.assert_array_equal(read_image(path, (HEIGHT, WIDTH)), expected)


def test_large_photos_with_a_profile_are_decoded_small(tmp_path):
    path = tmp_path / "x.jpg"
    saved(path, np.repeat(np.repeat(COLOURS, 16, 0), 16, 1), icc_profile=wide_profile())
    small = read_image(path, (HEIGHT * 2, WIDTH * 2))
    assert small.shape == (HEIGHT * 2, WIDTH * 2, 3)
    whole = cv2.resize(read_image(path), small.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - whole).mean() < 3


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_only_jpeg_is_decoded_small(tmp_path, suffix):
    """To shrink a PNG by four, OpenCV would read only four of sixteen pixels."""
    path = saved(tmp_path / f"x{suffix}", np.repeat(np.repeat(COLOURS, 8, 0), 8, 1))
    np.testing.assert_array_equal(read_image(path, (HEIGHT, WIDTH)), read_image(path))


def test_the_profile_of_srgb_changes_nothing(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert conversion(srgb, "RGB") is None
    path = saved(tmp_path / "x.png", COLOURS, icc_profile=srgb)
    np.testing.assert_array_equal(read_image(path), COLOURS)
    for mode in ("L", "CMYK"):  # a profile for other channels
        assert conversion(srgb, mode) is None
    assert conversion(b"no profile", "RGB") is None


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [(suffix, mode) for suffix in (".png", ".jpg") for mode in MODES[suffix] if mode != "I;16"],
)
def test_opencv_and_pillow_decode_alike(tmp_path, monkeypatch, suffix, mode):
    path = tmp_path / f"x{suffix}"
    grey = Image.fromarray(COLOURS).convert("RGB" if mode in ("RGB", "RGBA", "P") else "L")
    saved(path, grey, mode)
    fast = read_image(path)
    monkeypatch.setattr("gfm.data.decoding._OPENCV", ())
    np.testing.assert_array_equal(read_image(path), fast)


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_cut_outs_are_read_by_their_opacity(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    saved(path, np.dstack([COLOURS, MATTE]), lossless=True, exact=True)
    for read in (read_alpha, read_matte):
        np.testing.assert_array_equal(read(path), MATTE)
    np.testing.assert_array_equal(read_image(path), COLOURS)
    grey = COLOURS[:, :, 0]
    saved(path, Image.fromarray(np.dstack([grey, MATTE]), "LA"), lossless=True, exact=True)
    np.testing.assert_array_equal(read_alpha(path), MATTE)
    np.testing.assert_array_equal(read_image(path), np.dstack([grey] * 3))


def test_mattes_without_varying_opacity(tmp_path):
    opaque, none = np.full_like(MATTE, 255), np.zeros_like(MATTE)
    for name, array, expected in (
        ("grey", np.dstack([MATTE] * 3), MATTE),
        ("opaque", np.dstack([MATTE] * 3 + [opaque]), MATTE),
        ("of nothing", np.dstack([COLOURS, none]), none),
    ):
        np.testing.assert_array_equal(read_alpha(saved(tmp_path / f"{name}.png", array)), expected)
    path = saved(tmp_path / "noisy.jpg", np.dstack([MATTE] * 3), quality=70)
    assert np.abs(read_alpha(path).astype(int) - MATTE).mean() < 8


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "CMYK"])
def test_mattes_in_colour_are_refused(tmp_path, mode):
    suffix = ".tif" if mode == "CMYK" else ".png"
    path = saved(tmp_path / f"x{suffix}", COLOURS, mode)
    for read in (read_alpha, read_matte):
        with pytest.raises(GFMError, match=rf"x\{suffix} is in colour and opaque: .* swap"):
            read(path)


def test_the_matte_of_a_grey_cutout_is_its_opacity(tmp_path):
    grey = np.repeat(MATTE[..., None], 3, axis=2)
    empty = saved(tmp_path / "empty.png", np.dstack([grey, 0 * MATTE]))
    full = saved(tmp_path / "full.png", np.dstack([grey, 0 * MATTE + 255]))
    assert not read_alpha(empty, is_cutout=True).any()
    with pytest.raises(GFMError, match=r"full\.png is opaque: a cut-out needs transparency"):
        read_alpha(full, is_cutout=True)
    np.testing.assert_array_equal(read_alpha(full), MATTE)  # a matte saved as RGBA


def test_label_maps_are_not_mattes(tmp_path):
    labels = (MATTE > 90).astype(np.uint8)
    palette = Image.fromarray(labels, "P")
    palette.putpalette([0, 0, 0, 128, 0, 0])
    with pytest.raises(GFMError, match="in colour"):
        read_alpha(saved(tmp_path / "palette.png", palette))
    with pytest.raises(GFMError, match=r"labels\.png has 1 as its largest value"):
        read_alpha(saved(tmp_path / "labels.png", labels))
    for darker in (1, 3):
        eight_bits = saved(tmp_path / "eight.png", (MATTE // darker).astype(np.uint16))
        with pytest.raises(GFMError, match=r"as its largest value, not 65535: multiply it by 257"):
            read_alpha(eight_bits)
    np.testing.assert_array_equal(read_matte(tmp_path / "labels.png"), labels)  # a prediction
    np.testing.assert_array_equal(
        read_alpha(saved(tmp_path / "bits.png", MATTE > 90)), labels * 255
    )


@pytest.mark.parametrize("has_limit", [True, False])
def test_photos_of_108_megapixels_cause_no_warning(tmp_path, monkeypatch, has_limit):
    def header(width, height):
        data = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + data + chunk(b"IDAT", b""))

    header(12000, 9000)
    code = f"""from pathlib import Path
from gfm.data.images import image_size
print(image_size(Path({str(tmp_path / "x.png")!r})))"""
    # In a new process, because pytest replaces the filter of warnings.
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("(9000, 12000)\n", "")
    header(20000, 10000)
    if not has_limit:
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    for read in (image_size, read_image, read_matte):
        with pytest.raises(GFMError, match=r"x\.png: .* more than 178 million pixels.*shrink"):
            read(tmp_path / "x.png")
