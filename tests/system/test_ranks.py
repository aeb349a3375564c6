"""A process knows its rank and the number of processes before they have met."""

import pytest

from gfm.system.ranks import came_together, is_first

NAMES = ("RANK", "LOCAL_RANK", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_JOB_NAME")
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
    for name in (*NAMES, "WORLD_SIZE", "TORCHELASTIC_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert (is_first(), came_together()) == (first, together)
