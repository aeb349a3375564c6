"""Two processes train as one that sees all their samples.

Python imports ``synchronized/sitecustomize.py`` at their start.
"""

import csv
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.conftest import PROJECT, SMALL_DATA, SMALL_TRAINING

# Plain gradient descent: Adam makes as much of a gradient that is rounding error as of any other.
RECIPE = [
    "optimizer={_target_: torch.optim.SGD, _partial_: true, lr: 0.01}",
    "~optimizer.betas",  # Adam's
    "data.input_size=64",  # at 32 pixels the coarsest batch statistics are of two values
    "scheduler=none",
    "recipe.norm_samples=4",  # two for each process, which is the least that it takes
    # In float32 a network multiplies rounding, differently on each machine.
    "trainer.precision=64-true",
]
STRATEGY = "{_target_: pytorch_lightning.strategies.DDPStrategy, gradient_as_bucket_view: true}"
TWO = ["trainer=ddp_cpu", f"trainer.strategy={STRATEGY}"]
TORCHRUN = ["-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"]


@pytest.fixture(scope="module")
def options(demo_folder, demo_roots, tmp_path_factory) -> list[str]:
    """Return the options of a run that trains on two batches of two samples."""
    folder = tmp_path_factory.mktemp("two")
    small = [*SMALL_DATA, *SMALL_TRAINING]
    return [f"paths.demo={demo_folder}", f"paths.runs={folder}", *small, "track=ori", *RECIPE]


def start(options, launcher=()) -> subprocess.Popen:
    command = [sys.executable, *launcher, "train.py", *options]
    variables = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(PROJECT / "tests/synchronized"),
    }
    return subprocess.Popen(
        command, cwd=PROJECT, env=variables, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def result(options):
    """Return the weights, curves and file names of the only run."""
    (runs,) = [o.split("=")[1] for o in options if o.startswith("paths.runs")]
    (run,) = Path(runs).glob("train/*")
    content = torch.load(run / "checkpoints/last.ckpt", weights_only=True)
    rows = [values(row) for row in csv.DictReader((run / "metrics.csv").open())]
    return content["state_dict"], rows, {str(p.relative_to(run)) for p in run.rglob("*")}


def values(row) -> dict[str, float]:
    """Return the numbers of a row, except those that depend on the machine."""
    machine = ("train/samples_per_second", "train/data_wait")
    return {k: float(v) for k, v in row.items() if v != "" and k not in machine}


@pytest.fixture(scope="module")
def alone(options):
    process = start(options)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output.decode()
    return result(options)


def start_two(options) -> list[subprocess.Popen]:
    return [start([*options, *TWO])]


def start_two_nodes(options) -> list[subprocess.Popen]:
    """Start two nodes of one process each, both on this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        where = ["--master-addr=127.0.0.1", f"--master-port={probe.getsockname()[1]}"]
    nodes = ["trainer.devices=1", "trainer.num_nodes=2"]
    return [
        start([*options, *TWO, *nodes], launcher=[*TORCHRUN, f"--node-rank={rank}", *where])
        for rank in (0, 1)
    ]


@pytest.mark.parametrize("begin", [start_two, start_two_nodes])
def test_two_processes_train_as_one(alone, options, tmp_path, begin):
    options = [o for o in options if not o.startswith("paths.runs")] + [f"paths.runs={tmp_path}"]
    processes = begin(options)
    try:
        for process in processes:
            output, _ = process.communicate(timeout=120)
            assert process.returncode == 0, output.decode()
    finally:
        for process in processes:
            process.kill()
    weights, rows, files = result(options)
    for name, weight in alone[0].items():
        torch.testing.assert_close(weights[name], weight, rtol=1e-6, atol=1e-6, msg=name)
    assert len(rows) == len(alone[1])  # of one process: the other writes none
    for row, other in zip(alone[1], rows, strict=True):
        assert other.keys() == row.keys()
        for name, value in row.items():
            assert other[name] == pytest.approx(value, rel=1e-6), name
    assert files == alone[2]
