"""Fuzzes the readers of checkpoints and pictures, guided by coverage.

    pip install atheris
    python -m tests.reliability.fuzz_readers --seconds 60 --seed 1 --keep /tmp/findings

Valid files of every kind are mutated for the given time. A reader may only raise a one-line
GFMError, must not start a process or open a connection, and may take at most 5 s and 1 GiB. The
first file that violates this ends the run and is kept in the folder; ``FILE`` tries it again.
"""

import argparse
import contextlib
import io
import json
import os
import pickle
import resource
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import atheris
import cv2
import numpy as np
import safetensors.torch
import torch
import torch._weights_only_unpickler as unpickler

# Branches of these are counted. torch and OpenCV are compiled, except for the unpickler.
with atheris.instrument_imports(include=["PIL", "gfm"]):
    from PIL import Image

    from gfm.checkpoints import read_checkpoint
    from gfm.data import images
    from gfm.errors import GFMError
unpickler.Unpickler.load = atheris.instrument_func(unpickler.Unpickler.load)

SECONDS, MEGABYTES = 5, 1024
FORBIDDEN = ("os.system", "os.exec", "os.fork", "os.posix_spawn", "subprocess.Popen", "socket.")
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz_readers"))
MODEL = {
    "_target_": "gfm.models.gfm.GFM",
    "encoder": {"_target_": "gfm.models.encoders.resnet34", "pretrained": False},
    "rosta": "tt",
}
CONTENT = {
    "pytorch-lightning_version": "2.6",
    "state_dict": {"model.a": torch.ones(4), "model.b": torch.zeros(2, 2)},
    "hyper_parameters": {"model": MODEL, "inference": {"_target_": "gfm.inference.Hybrid"}},
}
OFFICIAL = {"psp_module.bottleneck.weight": torch.ones(1), "bridge_block.0.weight": torch.ones(1)}


def write(name: str, data: bytes) -> Path:
    path = FOLDER / name
    path.write_bytes(data)
    return path


def archive(data: bytes) -> bytes:
    """Pack a pickle as ``torch.save`` does, with valid checksums, so that the pickle is read."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("x/data.pkl", data)
        file.writestr("x/byteorder", "little")
        for number in range(3):
            file.writestr(f"x/data/{number}", bytes(16))
        file.writestr("x/version", "3\n")
    return packed.getvalue()


def picture(data: bytes) -> None:
    """Read a picture in every way, unless it has so many pixels that this takes too long."""
    with contextlib.suppress(Exception), Image.open(io.BytesIO(data)) as header:
        if 4_000_000 < header.width * header.height < Image.MAX_IMAGE_PIXELS * 2:
            return
    path = write("photo.png", data)
    for read in (
        images.image_size,
        images.read_image,
        images.read_alpha,
        images.read_matte,
        lambda path: images.read_image(path, (8, 8)),
    ):
        refused(read, path)


def packed(data: bytes) -> None:
    path = write("photo.npy", data)
    for read in (images.image_size, images.read_image, images.read_alpha):
        refused(read, path)


def refused(read: Callable[[Path], object], path: Path) -> None:
    try:
        read(path)
    except GFMError as error:
        if "\n" in str(error):
            raise RuntimeError(f"more than one line: {error}") from error


READERS: dict[str, Callable[[bytes], None]] = {
    "archive": lambda data: refused(read_checkpoint, write("x_ft.pth", data)),
    "pickle": lambda data: refused(read_checkpoint, write("x_ft.ckpt", archive(data))),
    "safetensors": lambda data: refused(read_checkpoint, write("x.safetensors", data)),
    "picture": picture,
    "packed": packed,
}
"""Readers by the first byte of an input, which is not part of the file."""


def seeds() -> Iterator[tuple[str, bytes]]:
    """Return valid files with their readers."""
    for content in (CONTENT, OFFICIAL, [1, {"a": (2.5, None, "text", True)}]):
        for is_new in (True, False):
            buffer = io.BytesIO()
            torch.save(content, buffer, _use_new_zipfile_serialization=is_new)
            yield "archive", buffer.getvalue()
            if is_new:
                with zipfile.ZipFile(buffer) as file:
                    yield "pickle", file.read("archive/data.pkl")
    yield "pickle", pickle.dumps({"state_dict": {}, "hyper_parameters": {"model": [[]]}}, 2)
    metadata = {"model": json.dumps(MODEL), "inference": json.dumps({"scale": 0.5})}
    yield "safetensors", safetensors.torch.save({"a": torch.ones(3)}, metadata)
    rng = np.random.default_rng(0)
    for mode, channels in (("L", ()), ("RGB", (3,)), ("RGBA", (4,)), ("CMYK", (4,))):
        colours = Image.fromarray(rng.integers(256, size=(9, 7, *channels), dtype=np.uint8), mode)
        for kind in ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"):
            buffer = io.BytesIO()
            exif = Image.Exif()
            exif[0x0112] = 6
            try:
                colours.save(buffer, kind, exif=exif)
            except (OSError, ValueError):
                continue  # not every format has every mode
            yield "picture", buffer.getvalue()
    for depth in (np.uint8, np.uint16):
        _, data = cv2.imencode(".png", rng.integers(256, size=(5, 6), dtype=depth))
        yield "picture", data.tobytes()
    for shape in ((4, 5), (4, 5, 3)):
        buffer = io.BytesIO()
        np.save(buffer, np.zeros(shape, np.uint8))
        yield "packed", buffer.getvalue()


def try_one(data: bytes) -> None:
    """Read one input; libFuzzer calls this for each."""
    if not data:
        return
    name = list(READERS)[data[0] % len(READERS)]
    before = len(SEEN)
    READERS[name](data[1:])
    if len(SEEN) > before:
        raise RuntimeError(f"a reader of {name} did {SEEN[-1]}")


SEEN: list[str] = []


def watch(event: str, arguments: object) -> None:
    if event.startswith(FORBIDDEN):
        SEEN.append(f"{event} {arguments}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE", help="tried once each")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("."), help="folder of what falls")
    options = parser.parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    corpus = FOLDER / "corpus"
    corpus.mkdir()
    names = list(READERS)
    for number, (name, data) in enumerate(seeds()):
        (corpus / f"{number:03}").write_bytes(bytes([names.index(name)]) + data)
    for path in sorted(corpus.iterdir()):  # also makes what is imported late
        try_one(path.read_bytes())
    sys.stderr.flush()
    warnings.simplefilter("ignore")
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    sys.addaudithook(watch)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    arguments = [
        sys.argv[0],
        f"-max_total_time={options.seconds}",
        f"-seed={options.seed}",
        f"-timeout={SECONDS}",
        f"-rss_limit_mb={used + MEGABYTES}",
        f"-artifact_prefix={options.keep}{os.sep}",
        "-max_len=4096",
        "-print_final_stats=1",
        *map(str, options.files or [corpus]),
    ]
    atheris.Setup(arguments, try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
