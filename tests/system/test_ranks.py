"""Ranks before the process group exists, and gathering across ranks."""

from pathlib import Path

import pytest
import torch.distributed as dist
from torch.multiprocessing import start_processes

from gfm.system.ranks import all_gather_dict, creates_processes_externally, is_global_zero

NAMES = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "JSM_NAMESPACE_RANK", "SLURM_PROCID")
OTHERS = (
    "WORLD_SIZE",
    "TORCHELASTIC_RUN_ID",
    "JSM_NAMESPACE_SIZE",
    "SLURM_NTASKS",
    "SLURM_JOB_NAME",
)
CASES = {
    "alone": ({}, True, False),
    "torchrun, second node": (
        {"RANK": "8", "LOCAL_RANK": "0", "WORLD_SIZE": "16", "TORCHELASTIC_RUN_ID": "none"},
        False,
        True,
    ),
    "torchrun, one process": (
        {"RANK": "0", "WORLD_SIZE": "1", "TORCHELASTIC_RUN_ID": "1"},
        True,
        False,
    ),
    "Lightning, first process of the second machine": ({"NODE_RANK": "1"}, False, True),
    "Lightning, second process of the first machine": (
        {"NODE_RANK": "0", "LOCAL_RANK": "1"},
        False,
        False,
    ),
    "LSF": ({"JSM_NAMESPACE_RANK": "3", "JSM_NAMESPACE_SIZE": "4"}, False, True),
    "srun": ({"SLURM_PROCID": "3", "SLURM_NTASKS": "4", "SLURM_JOB_NAME": "gfm"}, False, True),
    "started by Lightning in an interactive job": (
        {"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_JOB_NAME": "bash", "LOCAL_RANK": "1"},
        False,
        False,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_ranks(case, monkeypatch):
    variables, first, together = CASES[case]
    for name in (*NAMES, *OTHERS):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (is_global_zero(), creates_processes_externally()) == (first, together)


def _gather(rank: int, folder: Path) -> None:
    meeting = f"file://{folder / 'meeting'}"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=2)
    (folder / str(rank)).write_text(str(all_gather_dict({"both": rank, f"photo_{rank}": rank})))
    dist.destroy_process_group()


def test_entries_are_gathered_from_all_ranks(tmp_path):
    assert all_gather_dict({"photo": 1}) == {"photo": 1}
    start_processes(_gather, (tmp_path,), nprocs=2, start_method="fork")
    expected = str({"both": 1, "photo_0": 0, "photo_1": 1})
    assert [(tmp_path / str(rank)).read_text() for rank in (0, 1)] == [expected, expected]
