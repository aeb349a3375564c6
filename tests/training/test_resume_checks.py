"""Which checkpoint a run resumes from, and which of its options may change."""

import os
import re
import warnings
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.multiprocessing import start_processes

from gfm.checkpoints.checkpoint_io import AtomicCheckpointIO
from gfm.errors import GFMError
from gfm.training.resume_checks import (
    SavedRun,
    check_length,
    check_options,
    read_saved_run,
)


def write_last(path, steps=(1, 2), io=None):
    """Write a checkpoint after each of some steps, which keeps the previous one."""
    lists = {"optimizer_states": [{}], "lr_schedulers": []}
    content = {**lists, "loops": {}, "hyper_parameters": {}}
    for step in steps:
        state = {**content, "state_dict": {"weights": torch.zeros(10_000)}, "step": step}
        (io or AtomicCheckpointIO()).save_checkpoint(state, path)


def truncate(path):
    path.write_bytes(path.read_bytes()[:20_000])


def test_a_damaged_checkpoint_falls_back_to_the_previous_one(tmp_path):
    path = tmp_path / "last.ckpt"
    write_last(path)
    assert read_saved_run(path).path == path
    truncate(path)
    with pytest.warns(UserWarning, match=r"damaged; resuming from last.previous.ckpt"):
        previous = read_saved_run(path).path
    assert torch.load(previous, weights_only=True)["step"] == 1
    previous.unlink()
    with pytest.raises(GFMError, match=r"damaged, and there is no last.previous.ckpt"):
        read_saved_run(path)


@pytest.mark.parametrize(("saved", "left"), [((3,), 1), ((3, 4), 3)])
def test_a_damaged_checkpoint_is_not_kept_as_the_previous_one(tmp_path, monkeypatch, saved, left):
    """Otherwise the run could not be resumed if the next checkpoint got damaged, too."""
    path = tmp_path / "last.ckpt"
    write_last(path)
    truncate(path)
    monkeypatch.chdir(tmp_path)  # the command may name the file differently
    io = AtomicCheckpointIO()
    io.load_checkpoint("last.previous.ckpt", weights_only=True)
    write_last(path, saved, io)
    assert torch.load(path, weights_only=True)["step"] == saved[-1]
    assert torch.load(tmp_path / "last.previous.ckpt", weights_only=True)["step"] == left


def _resume_in_rank(rank: int, folder: Path) -> None:
    os.environ["RANK"] = str(rank)
    meeting = f"file://{folder / 'meeting'}"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    warnings.simplefilter("ignore")
    found = read_saved_run(folder / "last.ckpt").path
    content = AtomicCheckpointIO().load_checkpoint(found, weights_only=True)
    (folder / str(rank)).write_text(f"{found.name} {content['step']}")
    dist.destroy_process_group()


def test_all_ranks_load_what_rank_zero_has_verified(tmp_path):
    """Only rank zero verifies checksums, and nothing else reveals a flipped bit."""
    last = tmp_path / "last.ckpt"
    write_last(last)
    damaged = bytearray(last.read_bytes())
    damaged[20_000] ^= 1
    last.write_bytes(damaged)
    start_processes(_resume_in_rank, (tmp_path,), nprocs=2, start_method="fork")
    told = [(tmp_path / str(rank)).read_text() for rank in (0, 1)]
    assert told == ["last.previous.ckpt 1", "last.ckpt 1"]


def test_a_checkpoint_of_weights_alone_cannot_be_resumed(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "best.ckpt")
    with pytest.raises(GFMError, match="init_from="):
        read_saved_run(tmp_path / "best.ckpt")


def test_a_schedule_cannot_be_added_or_left_out():
    """The optimiser would keep the rate of the saved schedule."""
    none, cosine = {"scheduler": None}, {"scheduler": {"_target_": "gfm.cosine"}}
    for before, now in ((none, cosine), (cosine, none)):
        saved = SavedRun(Path("last.ckpt"), before)
        check_options(saved, before)
        with pytest.raises(GFMError, match=r"cannot be resumed with scheduler\._target_="):
            check_options(saved, now)


def test_a_resumed_run_refuses_other_initial_weights():
    """They would be ignored, because the run continues with its saved weights."""
    saved = SavedRun(Path("last.ckpt"), {"init_from": None})
    check_options(saved, {"init_from": None})
    with pytest.raises(GFMError, match=r"cannot be resumed with init_from=best.ckpt \(was null\)"):
        check_options(saved, {"init_from": "best.ckpt"})


def test_a_resumed_run_freezes_the_same_parts():
    """The optimiser would apply its moments to other weights, and may crash the process."""
    saved = SavedRun(Path("last.ckpt"), {"freeze": ["encoder"], "unfreeze_every": None})
    check_options(saved, saved.config)
    with pytest.raises(GFMError, match=r"with freeze=\['glance'\] \(was \['encoder'\]\): leave"):
        check_options(saved, {**saved.config, "freeze": ["glance"]})
    gradual = SavedRun(Path("last.ckpt"), {"freeze": ["encoder"], "unfreeze_every": 1})
    check_options(gradual, {**gradual.config, "freeze": ["glance"]})


def test_messages_name_the_options_that_users_type():
    network = {"_target_": "gfm.r34", "rosta": "tt", "decoder_scale": 1, "width": 8}
    track = {"name": "ori", "_target_": "gfm.Ori"}
    config = {"backbone": {"name": "r34"}, "rosta": "tt", "track": track, "model": network}
    saved = SavedRun(Path("last.ckpt"), config)
    changes = {
        "backbone=d121 (was r34)": {
            "backbone": {"name": "d121"},
            "model": {**network, "_target_": "gfm.d121", "width": 4},
        },
        "backbone.width=4 (was 8)": {"model": {**network, "width": 4}},
        "recipe.decoder_scale=2 (was 1)": {"model": {**network, "decoder_scale": 2}},
        "rosta=ft (was tt)": {"rosta": "ft", "model": {**network, "rosta": "ft"}},
        "track=comp (was ori)": {"track": {"name": "comp", "_target_": "gfm.Comp"}},
    }
    for text, change in changes.items():
        with pytest.raises(GFMError, match=re.escape(f"cannot be resumed with {text}: leave")):
            check_options(saved, {**config, **change})


def test_a_resumed_run_is_not_shorter_than_it_was():
    for limits in ((3, -1), (-1, 30), (-1, -1)):
        check_length(SavedRun(Path("last.ckpt"), {}, 3, 30), *limits)
    with pytest.raises(
        GFMError, match=r"trained for 3 epochs: set trainer\.max_epochs to a higher"
    ):
        check_length(SavedRun(Path("last.ckpt"), {}, 3, 30), 2, -1)
    with pytest.raises(GFMError, match=r"trained for 30 steps: .*, or to 30 to test"):
        check_length(SavedRun(Path("last.ckpt"), {}, 3, 30), -1, 29)
