"""Bits flipped by a disk or a copy are detected before a checkpoint is used."""

import random
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import safetensors.torch
import torch

from gfm.checkpoints import Checkpoint, load_model, read_checkpoint, read_weights, write_checkpoint
from gfm.errors import GFMError
from gfm.training.resume_checks import read_saved_run
from tests.training.test_resume_checks import write_last

MODEL = {
    "_target_": "gfm.models.gfm.GFM",
    "encoder": {"_target_": "gfm.models.encoders.resnet34"},
    "rosta": "tt",
}
STATE = {
    "a.weight": torch.arange(4096, dtype=torch.float32),
    "b.weight": torch.ones(300, dtype=torch.bfloat16),
    "steps": torch.tensor(3),
}


@pytest.fixture(scope="module", params=["last.ckpt", "weights.safetensors"])
def written(request, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("sound") / request.param
    write_checkpoint(path, Checkpoint(MODEL, STATE, {"seed": 1}))
    return path


def flipped(data: bytes, place: int, bit: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def records(path: Path) -> Iterator[tuple[zipfile.ZipInfo, int]]:
    """Return the entries of an archive, and where its list of entries names them."""
    with zipfile.ZipFile(path) as archive:
        place = archive.start_dir
        for entry in archive.infolist():
            yield entry, place
            place += 46 + len(entry.filename) + len(entry.extra) + len(entry.comment)


def regions(path: Path) -> dict[str, list[int]]:
    """Return the offsets of the bytes that a reader needs, by their content."""
    data = path.read_bytes()
    if path.suffix == ".safetensors":
        start = 8 + int.from_bytes(data[:8], "little")
        text = data[8:start].rstrip()
        return {"header": [*range(8 + len(text))], "weights": [*range(start, len(data))]}
    found: dict[str, list[int]] = {"weights": [], "pickle": [], "directory": []}
    for entry, place in records(path):
        name, extra = (
            int.from_bytes(data[entry.header_offset + i :][:2], "little") for i in (26, 28)
        )
        start = entry.header_offset + 30 + name + extra
        kind = "pickle" if entry.filename.endswith("data.pkl") else "weights"
        found[kind] += range(start, start + entry.file_size)
        # Checksum, sizes and length of the name; the offset and the name.
        found["directory"] += range(place + 16, place + 30)
        found["directory"] += range(place + 42, place + 46 + len(entry.filename))
    return found


def same(checkpoint: Checkpoint) -> bool:
    return checkpoint.state.keys() == STATE.keys() and all(
        torch.equal(value, STATE[key]) for key, value in checkpoint.state.items()
    )


def test_a_flipped_bit_is_refused_wherever_it_counts(written, tmp_path):
    """Bits flip at 20 places of each part: weights, pickle and entries, or header and weights."""
    path, data, rng = tmp_path / written.name, written.read_bytes(), random.Random(0)
    for part, places in regions(written).items():
        for _ in range(20):
            place, bit = rng.choice(places), rng.randrange(8)
            path.write_bytes(flipped(data, place, bit))
            with pytest.raises(GFMError, match="damaged") as error:
                read_checkpoint(path)
            assert str(path) in str(error.value), (part, place, bit)
            assert "\n" not in str(error.value)


def test_a_damaged_name_of_the_digest_is_no_older_file(tmp_path):
    path = tmp_path / "weights.safetensors"
    write_checkpoint(path, Checkpoint(MODEL, STATE))
    data = path.read_bytes()
    path.write_bytes(flipped(data, data.index(b'"sha256"') + 3, 0))
    with pytest.raises(GFMError, match="damaged"):
        read_checkpoint(path)


def test_any_flipped_bit_is_refused_or_changes_nothing(written, tmp_path):
    """A file that still loads has the same content, because the bit is in padding or in a date."""
    path, data, rng = tmp_path / written.name, written.read_bytes(), random.Random(1)
    skipped = set(regions(written)["weights"])
    places = [place for place in range(len(data)) if place not in skipped]
    for _ in range(100):
        path.write_bytes(flipped(data, rng.choice(places), rng.randrange(8)))
        with suppress(GFMError):
            checkpoint = read_weights(path)
            assert same(checkpoint)
            assert checkpoint.model == MODEL


def test_entries_marked_as_folders_are_refused(tmp_path):
    """Weights of such an entry would be uninitialised memory."""
    path = tmp_path / "last.ckpt"
    write_checkpoint(path, Checkpoint(MODEL, STATE))
    data = bytearray(path.read_bytes())
    place = next(place for entry, place in records(path) if entry.filename.endswith("data/0"))
    data[place + 38] ^= 0x10
    path.write_bytes(data)
    with pytest.raises(GFMError, match="damaged"):
        read_weights(path)


def test_a_compressed_archive_is_not_unpacked(tmp_path):
    path = tmp_path / "bomb.ckpt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", bytes(1 << 24))
    with pytest.raises(GFMError, match="damaged"):
        read_weights(path)


def test_a_run_goes_on_from_the_one_before(tmp_path):
    path = tmp_path / "last.ckpt"
    write_last(path)
    data = path.read_bytes()
    path.write_bytes(flipped(data, len(data) // 2, 5))  # amid the weights
    with pytest.warns(UserWarning, match="damaged; resuming from last.previous.ckpt"):
        assert read_saved_run(path).path.name == "last.previous.ckpt"
    with pytest.raises(GFMError, match=r"use last\.previous\.ckpt beside it"):
        load_model(path)
    (tmp_path / "last.previous.ckpt").unlink()
    with pytest.raises(GFMError, match="copy or download it again"):
        load_model(path)


def test_files_of_before_still_load(tmp_path):
    old = tmp_path / "old.ckpt"
    content = {
        "pytorch-lightning_version": "2",
        "state_dict": {f"model.{k}": v for k, v in STATE.items()},
        "hyper_parameters": {"model": MODEL},
    }
    torch.save(content, old, _use_new_zipfile_serialization=False)
    assert same(read_weights(old))
    new = tmp_path / "weights.safetensors"
    write_checkpoint(new, Checkpoint(MODEL, STATE))
    with safetensors.safe_open(new, framework="pt") as file:
        metadata = {k: v for k, v in file.metadata().items() if k != "sha256"}
    safetensors.torch.save_file(STATE, new, metadata)
    assert same(read_weights(new))
