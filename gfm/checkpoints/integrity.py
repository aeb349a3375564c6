"""Detects damage that reading a file does not reveal, such as a bit flipped by a disk or a copy.

Archives of ``torch.save`` hold a CRC-32 checksum of every entry, which ``torch.load`` does not
compare. Safetensors have no checksums, so their metadata stores the result of :func:`digest`.
"""

import errno
import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from gfm.checkpoints.file_io import previous_checkpoint
from gfm.errors import GFMError

_ARCHIVE = b"PK\x03\x04"  # start of a zip archive, unlike files of torch before 1.6
_BLOCK = 1 << 20
_FOLDER = 0x10  # the MS-DOS attribute that marks an entry as a folder


def check_archive(path: Path) -> None:
    """Raise GFMError if an entry of a ``.ckpt`` or ``.pth`` differs from its checksum.

    This reads the whole file. Files written by torch before 1.6 lack checksums.
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
            # A damaged list of entries may point before the start of the file.
            if error.errno != errno.EINVAL:
                raise
            raise GFMError(_damaged(path)) from error
        except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError):
            raise GFMError(_damaged(path)) from None


def _check_entries(entries: Sequence[zipfile.ZipInfo], size: int) -> None:
    """Check that entries are as torch writes them: files, uncompressed, no larger than the archive.

    For an entry that is marked as a folder, torch would return uninitialised memory. A compressed
    entry could take hours to unpack.
    """
    if any(entry.compress_type or entry.external_attr & _FOLDER for entry in entries):
        raise zipfile.BadZipFile("compressed, or a folder")
    if sum(entry.file_size for entry in entries) > size:
        raise zipfile.BadZipFile("entries larger than the file")


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """Read an entry to its end, where ``zipfile`` compares the checksum.

    ``ZipFile.testzip`` opens entries by name, and so misses one whose name is damaged.
    """
    with archive.open(entry) as content:
        while content.read(_BLOCK):
            pass


def _damaged(path: Path) -> str:
    previous = previous_checkpoint(path)
    fix = f"use {previous.name} beside it" if previous.is_file() else "copy or download it again"
    return f"{path} is damaged (truncated, or its checksum does not match): {fix}"


def digest(state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    """Return the SHA-256 of tensors (names, types, shapes and bytes) and of all other metadata."""
    found = hashlib.sha256(json.dumps(sorted(metadata.items())).encode())
    for name, tensor in sorted(state.items()):
        found.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        flat = tensor.cpu().contiguous().reshape(-1)
        found.update(flat.view(torch.uint8).numpy().data)
    return found.hexdigest()


def check_digest(
    path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str], expected: str | None
) -> None:
    """Raise GFMError if tensors and all other metadata differ from the digest in a file.

    Files of older versions contain no digest; ``expected`` is then ``None``.
    """
    if expected is None:
        # Damage may have renamed the digest's key.
        is_intact = not any(
            digest(state, {k: v for k, v in metadata.items() if k != key}) == text
            for key, text in metadata.items()
            if len(text) == 64
        )
    else:
        is_intact = digest(state, metadata) == expected
    if not is_intact:
        raise GFMError(_damaged(path))
