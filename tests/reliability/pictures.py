"""Makes small files that are not valid pictures, and valid pictures of unusual kinds."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tests.reliability.sound import SIDE, matte, photo


def encoded(array: np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    """Return the bytes of a picture file."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int, depth: int = 8, colour: int = 2, data: bytes = b"") -> bytes:
    """Return a PNG with this header and these data, whether or not their lengths fit."""

    def chunk(name: bytes, content: bytes) -> bytes:
        sum_ = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + sum_

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def jpeg(width: int, height: int) -> bytes:
    """Return a JPEG whose header has these sides, with the pixels of a small picture."""
    data = bytearray(encoded(photo(), "JPEG"))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def npy(shape: str, kind: str = "|u1", data: bytes = b"") -> bytes:
    """Return a NumPy file with this header."""
    header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}"
    header = header.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


_JPEG, _PNG = encoded(photo(), "JPEG"), encoded(photo())

CONTENT: dict[str, bytes] = {
    "empty": b"",
    "one byte": b"\xff",
    "text": b"this is no picture\n" * 20,
    "HTML": b"<!DOCTYPE html><html><body>404</body></html>",
    "header alone": _PNG[:33],
    "zeros": bytes(4096),
    "wrong checksum": _PNG[:20] + b"\xff" + _PNG[21:],
    "20000×20000 in a header": png(20_000, 20_000),
    "2³¹-1 sides in a header": png(2**31 - 1, 2**31 - 1),
    "sides of 0": png(0, 0),
    "65500×65500 in a JPEG header": jpeg(65_500, 65_500),
}
"""Bytes that no picture reader can use, by what is wrong with them."""


def dangling(path: Path) -> None:
    """Make a link that leads nowhere."""
    path.symlink_to("nowhere")


def loop(path: Path) -> None:
    """Make a link to itself."""
    path.symlink_to(path.name)


def folder(path: Path) -> None:
    """Make a folder with the name of a picture."""
    path.mkdir()


def pipe(path: Path) -> None:
    """Make a named pipe, on which a reader would block forever."""
    os.mkfifo(path)


NO_FILE: dict[str, Callable[[Path], None]] = {
    "dangling link": dangling,
    "loop of links": loop,
    "folder of that name": folder,
    "named pipe": pipe,
}
"""Functions that make something other than a file at a free path, by what they make."""


def put(path: Path, what: str) -> None:
    """Put one of these files at a path, in place of the file that is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    if what in CONTENT:
        path.write_bytes(CONTENT[what])
    else:
        NO_FILE[what](path)


def grey16() -> np.ndarray:
    """Return the matte in 16 bits."""
    return matte().astype(np.uint16) * 257


assert photo().shape == (SIDE, SIDE, 3)
