"""Disks, folders, processes and clocks that fail during work.

tests/prepare/test_runner.py tests a full disk and a killed worker of the file tools, and
tests/run/test_folders.py tests a folder that another run uses.
"""

import itertools
import multiprocessing
import os
import re
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from gfm.cli import main as gfm
from gfm.cli.hydra_apps import evaluate, train
from gfm.data.images import write_png
from gfm.evaluation.journal import Journal
from gfm.system.console import close_log, console, open_log
from tests.inference.small import write_network
from tests.reliability.entry import evaluate_status, status_of, train_status
from tests.reliability.material import SIDE, write_dataset
from tests.reliability.outcomes import age_temporary, of_checkpoint, of_files

SAVES = ["callbacks.last.train_time_interval=null", "callbacks.last.every_n_train_steps=2"]
NUM_PHOTOS = 6


@contextmanager
def small_disk(num_bytes: int) -> Iterator[None]:
    """Limit the size of files, which fails like a full disk when a file is written."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture
def locked(tmp_path) -> Iterator[Path]:
    """Make a folder read-only by its permissions, or by a mount if root runs the tests."""
    folder = tmp_path / "locked"
    folder.mkdir()
    if os.geteuid() != 0:
        folder.chmod(0o555)
        yield folder
        folder.chmod(0o755)
        return
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("root may write everywhere, and may not mount here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> Path:
    """Write photos, mattes of another method, and weights."""
    folder = tmp_path_factory.mktemp("given")
    write_dataset(folder / "AM-2k", 0, NUM_PHOTOS)
    (folder / "mattes").mkdir()
    for photo in (folder / "AM-2k/validation/original").iterdir():
        grey = np.full((SIDE, SIDE), 128, np.uint8)  # a file smaller than a row of figures
        write_png(folder / f"mattes/{photo.stem}.png", grey)
    write_network(folder / "small.ckpt")
    return folder


@pytest.fixture
def scoring(given) -> list[str]:
    """Return overrides of an evaluation of the mattes."""
    data = [f"data.root={given / 'AM-2k/validation'}", "data.images=original", "data.alphas=mask"]
    return ["data=folder", *data, "data.num_workers=0", "trainer=cpu"]


@pytest.fixture
def training(tiny_training, tmp_path) -> list[str]:
    """Return overrides of a training of two epochs of two steps, which saves after each epoch."""
    small = [o for o in tiny_training if not o.startswith("track=")]
    plain = ["~callbacks.previews", "~callbacks.progress", "test=false"]
    return [*small, *SAVES, *plain, "track=comp_rssn", "trainer.max_epochs=2"]


def the_line(capsys) -> str:
    """Return the only line on standard error."""
    lines = [x for x in capsys.readouterr().err.splitlines() if x.strip()]
    assert len(lines) == 1, lines
    return lines[0]


def leave_old(path: Path) -> None:
    """Write a temporary file that a run killed an hour ago would have left."""
    path.touch()
    age_temporary(path.parent)


def step_of(run: Path) -> int:
    return int(torch.load(run / "checkpoints/last.ckpt", weights_only=True)["global_step"])


# A disk that is full, or read-only


def test_a_training_on_a_full_disk_keeps_its_last_checkpoint(
    training, demo_roots, tmp_path, monkeypatch, capsys
):
    run = tmp_path / "run"
    assert train_status(monkeypatch, *training, "trainer.max_epochs=1") == 0
    before = (run / "checkpoints/last.ckpt").read_bytes()
    capsys.readouterr()
    with small_disk(len(before) // 2):
        assert train_status(monkeypatch, f"ckpt_path={run}", "trainer.max_epochs=2") == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert (
        "last.ckpt (File too large): free disk space, then resume from the last checkpoint" in said
    )
    assert (run / "checkpoints/last.ckpt").read_bytes() == before
    assert not list(run.rglob("*.tmp"))
    assert train_status(monkeypatch, f"ckpt_path={run}", "trainer.max_epochs=2") == 0
    assert step_of(run) == 4


def test_an_evaluation_resumes_after_a_full_disk(scoring, given, tmp_path, monkeypatch, capsys):
    source = f"predictions={given / 'mattes'}"
    whole, cut = (f"paths.run={tmp_path / name}" for name in ("whole", "cut"))
    assert evaluate_status(monkeypatch, *scoring, source, whole) == 0
    size = (tmp_path / "whole/journal/rows.0.jsonl").stat().st_size
    capsys.readouterr()
    add = Journal.add

    def add_on_small_disk(*args):
        with small_disk(size // 2):  # for half of the rows
            add(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", add_on_small_disk)
        assert evaluate_status(monkeypatch, *scoring, source, cut) == 1
    assert the_line(capsys).endswith("File too large; free disk space")
    leave_old(tmp_path / "cut/alpha/.x.png.1.tmp")
    assert evaluate_status(monkeypatch, *scoring, source, cut) == 0
    assert re.search(rf"[1-5] of {NUM_PHOTOS} photos are scored", capsys.readouterr().out)
    told = ("*.log", "config.yaml", ".hydra/*", "journal/*")
    assert of_files(tmp_path / "cut", told) == of_files(tmp_path / "whole", told)


def test_a_log_on_a_full_disk_hides_nothing(tmp_path, capsys):
    log = tmp_path / "run.log"
    open_log(log)
    size = log.stat().st_size
    with small_disk(size + 20):
        for _ in range(3):
            console().print("what matters " * 3)
    assert capsys.readouterr().out.count("what matters") == 9
    close_log()
    assert log.stat().st_size <= size + 20


def test_folders_that_cannot_be_written(locked, given, scoring, training, monkeypatch, capsys):
    photos, run = given / "AM-2k/validation/original", locked / "run"
    evaluation = [*scoring, f"predictions={given / 'mattes'}", f"paths.run={run}"]
    predicting = ["predict", photos, "--checkpoint", given / "small.ckpt", "-o", run]
    packing = ["prepare", "pack", f"paths.am2k={given / 'AM-2k'}", "--out", run]
    for main, arguments in (
        (train.main, [*training, f"paths.run={run}"]),
        (evaluate.main, evaluation),
        (gfm, predicting),
        (gfm, packing),
    ):
        assert status_of(monkeypatch, main, *arguments) == 1
        lines = [x for x in capsys.readouterr().err.splitlines() if x.strip()]
        assert str(run) in lines[-1]
    assert not run.exists()


# What vanishes, and who is killed


class Vandal(pl.Callback):
    """Removes a folder, or kills a worker of the loader, once before the third step."""

    def __init__(self, folder: str | None = None) -> None:
        self.folder = folder

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if trainer.global_step != 2:
            return
        if self.folder is not None:
            Path(self.folder).rename(f"{self.folder}.gone")
        else:
            for worker in multiprocessing.active_children():
                os.kill(worker.pid, signal.SIGKILL)


def vandal(folder: Path | None = None) -> str:
    where = "null" if folder is None else folder
    return f"+callbacks.v={{_target_: {__name__}.Vandal, folder: {where}}}"


def test_a_dataset_that_vanishes_in_an_epoch(
    training, demo_folder, demo_roots, tmp_path, monkeypatch, capsys
):
    shutil.copytree(demo_folder, tmp_path / "demo")
    (masks,) = (tmp_path / "demo").glob("*/AM-2k/train/mask")
    run, copy = tmp_path / "run", f"paths.demo={tmp_path / 'demo'}"
    assert train_status(monkeypatch, *training, copy, vandal(masks)) == 1
    assert str(masks) in the_line(capsys)
    assert step_of(run) == 2
    Path(f"{masks}.gone").rename(masks)
    leave_old(run / "checkpoints/.best.ckpt.tmp")
    assert train_status(monkeypatch, f"ckpt_path={run}", "~callbacks.v") == 0
    assert step_of(run) == 4
    assert not list(run.rglob("*.tmp"))


# Python 3.12 and later; commands do not show it.
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_loaders_worker_that_is_killed(training, demo_roots, tmp_path, monkeypatch, capsys):
    run = tmp_path / "run"
    one = ["data.num_workers=1", "trainer.max_epochs=1", "trainer.limit_train_batches=10"]
    more = "track.backgrounds_per_foreground=5"  # than are loaded when the worker is killed
    assert train_status(monkeypatch, *training, *one, more, vandal()) == 1
    line = the_line(capsys)
    assert re.match(r"error: DataLoader worker .*lower data\.num_workers", line)
    assert 2 <= step_of(run) < 10
    assert train_status(monkeypatch, f"ckpt_path={run}", "~callbacks.v") == 0
    assert step_of(run) == 10


def test_mattes_that_vanish_while_they_are_scored(scoring, given, tmp_path, monkeypatch, capsys):
    mattes = shutil.copytree(given / "mattes", tmp_path / "mattes")
    add, counts = Journal.add, itertools.count()

    def vanish(self, *args):
        add(self, *args)
        if next(counts) == 2:
            mattes.rename(tmp_path / "gone")

    monkeypatch.setattr(Journal, "add", vanish)
    options = [*scoring, f"predictions={mattes}", f"paths.run={tmp_path / 'run'}"]
    assert evaluate_status(monkeypatch, *options) == 1
    assert f"cannot read {mattes}/m_00003.png" in the_line(capsys)
    (tmp_path / "gone").rename(mattes)
    assert evaluate_status(monkeypatch, *options) == 0
    assert f"3 of {NUM_PHOTOS} photos are scored" in capsys.readouterr().out


# A clock that moves back


def test_a_clock_that_moves_back_changes_no_weights(training, demo_roots, tmp_path, monkeypatch):
    assert train_status(monkeypatch, *training) == 0
    backwards = itertools.count(time.time(), -600)
    monkeypatch.setattr(time, "time", lambda: float(next(backwards)))
    assert train_status(monkeypatch, *training, f"paths.run={tmp_path / 'back'}") == 0
    for name in ("last.ckpt", "best.ckpt"):
        one, other = (of_checkpoint(tmp_path / f"{x}/checkpoints/{name}") for x in ("run", "back"))
        assert one == other
