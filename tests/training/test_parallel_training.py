"""Two processes train like a single one that sees all samples.

Python imports ``synchronized/sitecustomize.py`` automatically when they start.
"""

import csv
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests import processes
from tests.conftest import PROJECT, SMALL_DATA, SMALL_TRAINING
from tests.processes import Command

# Plain gradient descent: Adam takes full steps even if a gradient is nothing but rounding error.
RECIPE = [
    "optimizer={_target_: torch.optim.SGD, _partial_: true, lr: 0.01}",
    "~optimizer.betas",  # Adam's
    "data.input_size=64",  # at 32 pixels the coarsest batch statistics are of two values
    "scheduler=none",
    "recipe.norm_samples=4",  # two per process, the minimum
    # In float32 a network amplifies rounding errors, which differ between machines.
    "trainer.precision=64-true",
]
STRATEGY = "{_target_: pytorch_lightning.strategies.DDPStrategy, gradient_as_bucket_view: true}"
TWO = ["trainer=ddp_cpu", f"trainer.strategy={STRATEGY}"]
SYNCHRONIZED = PROJECT / "tests/synchronized"


@pytest.fixture(scope="module")
def options(demo_folder, demo_roots, tmp_path_factory) -> list[str]:
    """Return the options of a run that trains on two batches of two samples."""
    folder = tmp_path_factory.mktemp("two")
    small = [*SMALL_DATA, *SMALL_TRAINING]
    return [f"paths.demo={demo_folder}", f"paths.runs={folder}", *small, "track=ori", *RECIPE]


def result(options):
    """Return the weights, curves and file names of the only run."""
    (runs,) = [o.split("=")[1] for o in options if o.startswith("paths.runs")]
    (run,) = Path(runs).glob("train/*")
    content = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    rows = [values(row) for row in csv.DictReader((run / "metrics.csv").open())]
    files = {str(path.relative_to(run)) for path in run.rglob("*")}
    return content["state_dict"], rows, files - {"curves.png"}  # forked processes draw none


def values(row) -> dict[str, float]:
    """Return the numbers of a row, except those that depend on the machine."""
    machine = ("train/samples_per_second", "train/data_wait")
    return {k: float(v) for k, v in row.items() if v != "" and k not in machine}


@pytest.fixture(scope="module")
def alone(options):
    done = processes.run(["train.py", *options])
    assert done.returncode == 0, done.stderr
    return result(options)


def two_devices(options, log) -> list[subprocess.Popen]:
    """Start a process that starts the other one with the same command, as Lightning does."""
    variables = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SYNCHRONIZED)}
    command = [sys.executable, "train.py", *options, *TWO]
    return [subprocess.Popen(command, cwd=PROJECT, env=variables, stdout=log, stderr=log)]


def two_nodes(options, log) -> list[Command]:
    """Start a process for each of two nodes, with the variables that torchrun sets."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(probe.getsockname()[1])}
    world = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1", "LOCAL_RANK": "0"}
    common = {**os.environ, **address, **world, "TORCHELASTIC_RUN_ID": "none"}
    scripts = (str(SYNCHRONIZED / "sitecustomize.py"), "train.py")
    code = f"import runpy\nfor path in {scripts}: runpy.run_path(path, run_name='__main__')"
    words = ["-c", code, *options, *TWO, "trainer.devices=1", "trainer.num_nodes=2"]
    return [
        Command(words, env={**common, "RANK": rank, "GROUP_RANK": rank}, output=log, error=log)
        for rank in ("0", "1")
    ]


@pytest.mark.parametrize("start", [two_devices, two_nodes])
def test_two_processes_train_as_one(alone, options, tmp_path, start):
    options = [o for o in options if not o.startswith("paths.runs")] + [f"paths.runs={tmp_path}"]
    with (tmp_path / "log").open("wb") as log:
        started = start(options, log)
        try:
            statuses = [process.wait(120) for process in started]
        finally:
            for process in started:
                process.kill()
    assert set(statuses) == {0}, (tmp_path / "log").read_text()
    weights, rows, files = result(options)
    for name, weight in alone[0].items():
        torch.testing.assert_close(weights[name], weight, rtol=1e-6, atol=1e-6, msg=name)
    assert len(rows) == len(alone[1])  # of one process: the other writes none
    for row, other in zip(alone[1], rows, strict=True):
        assert other.keys() == row.keys()
        for name, value in row.items():
            assert other[name] == pytest.approx(value, rel=1e-6), name
    assert files == alone[2]
