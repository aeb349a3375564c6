"""Damage that a file does not show otherwise: a bit that a disk or a copy has flipped.

Archives of ``torch.save`` hold a CRC-32 of every entry, which ``torch.load`` does not compare.
Safetensors have none, so :func:`digest` goes into their metadata.
"""

import errno
import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from gfm.checkpoints.file_io import PREVIOUS
from gfm.errors import GFMError

_ARCHIVE = b"PK\x03\x04"  # how torch tells its archives from the files of before 1.6
_BLOCK = 1 << 20
_FOLDER = 0x10  # the attribute of MS-DOS


def check_archive(path: Path) -> None:
    """Compares every entry of a ``.ckpt`` or ``.pth`` with its checksum, reading the whole file.

    Files of torch before 1.6 have no checksums and pass.

    Raises:
        GFMError: an entry or the directory is damaged.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        if file.read(len(_ARCHIVE)) != _ARCHIVE:
            return
        try:
            with zipfile.ZipFile(file) as archive:
                _check_entries(archive.infolist(), path.stat().st_size)
                for entry in archive.infolist():
                    _read(archive, entry)
        except OSError as error:
            if error.errno != errno.EINVAL:  # which a directory that points before the file gives
                raise
            raise GFMError(_damaged(path)) from error
        except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError):
            raise GFMError(_damaged(path)) from None


def _check_entries(entries: Sequence[zipfile.ZipInfo], size: int) -> None:
    """What torch writes: entries that are no folders, not compressed, and fit into the file.

    Of what is marked as a folder torch reads nothing and returns memory as it found it; what was
    compressed could take hours to unpack.
    """
    if any(entry.compress_type or entry.external_attr & _FOLDER for entry in entries):
        raise zipfile.BadZipFile("compressed, or a folder")
    if sum(entry.file_size for entry in entries) > size:
        raise zipfile.BadZipFile("entries larger than the file")


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Reads an entry to its end, which compares it with its checksum."""
    with archive.open(entry) as content:
        while content.read(_BLOCK):
            pass


def _damaged(path: Path) -> str:
    previous = path.with_name(path.stem + PREVIOUS)
    fix = f"use {previous.name} beside it" if previous.is_file() else "copy or download it again"
    return f"{path} is damaged (cut short, or its checksum does not match): {fix}"


def digest(state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """SHA-256 of names, types, shapes and bytes of tensors, and of the texts beside them.

    Args:
        state: on any device.
        metadata: all but the digest itself.
    """
    found = hashlib.sha256(json.dumps(sorted(metadata.items())).encode())
    for name, tensor in sorted(state.items()):
        found.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        flat = tensor.cpu().contiguous().reshape(-1)
        found.update(flat.view(torch.uint8).numpy().data)
    return found.hexdigest()


def check_digest(
    path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str], expected: str | None
) -> None:
    """Compares tensors and metadata with their digest; files of before have none and pass.

    Raises:
        GFMError: they differ.
    """
    if expected is not None and digest(state, metadata) != expected:
        raise GFMError(_damaged(path))
