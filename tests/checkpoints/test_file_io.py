"""Checkpoints are written atomically."""

import errno

import pytest
import torch

from gfm.checkpoints.checkpoint_io import AtomicCheckpointIO
from gfm.errors import GFMError


@pytest.mark.parametrize(
    "fault",
    [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("unexpected pos 64 vs 0")],
)
def test_a_full_disk_keeps_the_previous_checkpoint(tmp_path, monkeypatch, fault):
    path = tmp_path / "checkpoints/last.ckpt"
    AtomicCheckpointIO().save_checkpoint({"step": 1}, path)

    def half(checkpoint, file):
        file.write(b"half")
        raise fault

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(GFMError, match=r"last\.ckpt .*free disk space"):
        AtomicCheckpointIO().save_checkpoint({"step": 2}, path)
    assert torch.load(path, weights_only=True) == {"step": 1}
    assert [p.name for p in path.parent.iterdir()] == ["last.ckpt"]
