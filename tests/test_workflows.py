"""A researcher's day from the command line: checkpoints, resuming, options.

Runs are shared between tests, since each takes seconds to start.
"""

import json
import os
import re
import shlex
import signal
import time
from pathlib import Path

import pytest
import torch
import yaml

from gfm.errors import GFMError
from gfm.training.module import MattingModule
from tests import processes
from tests.commands import column, run, small, step_of, surroundings
from tests.conftest import PROJECT
from tests.processes import Command

PACKAGE = '''
from torch import nn
from gfm.inference import Native
from gfm.models.encoders import StagedEncoder

def tiny(width=4):
    channels = (width, 2 * width)
    stages = [
        nn.Sequential(nn.Conv2d(i, o, 3, stride=2, padding=1), nn.BatchNorm2d(o), nn.ReLU())
        for i, o in zip((3, *channels[:-1]), channels)
    ]
    return StagedEncoder(stages, channels, strides=(2, 4))

class Plain(Native):
    """Its own class, in its own package."""
'''
BACKBONE = """
name: tiny
encoder: {_target_: lab.parts.tiny, width: 4}
decoder_channels: null
reduction: 1
normalization: imagenet
activation_checkpointing: false
channels_last: false
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory, demo_roots) -> Path:
    """Make a working folder that holds a user's own package and configurations."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "code/lab").mkdir(parents=True)
    (folder / "code/lab/__init__.py").touch()
    (folder / "code/lab/parts.py").write_text(PACKAGE)
    for name, text in (
        ("backbone/tiny", BACKBONE),
        ("inference/plain", "_target_: lab.parts.Plain"),
    ):
        path = folder / f"own configs/{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.fixture(scope="module")
def trained(desk, demo_folder) -> Command:
    """Three epochs, only the second of which is validated, in a chosen folder."""
    done = run(
        "train.py",
        *small(demo_folder, "backbone", "trainer.max", "trainer.check", "data.crop_sizes"),
        "--config-dir", "own configs", "backbone=tiny", "inference=plain",
        "trainer.max_epochs=3", "trainer.check_val_every_n_epoch=2", "data.crop_sizes=96",
        "optimizer=adamw", "optimizer.lr=1e-3", "weight_decay_on=weights",
         "paths.run='my run'",
        cwd=desk,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


# Checkpoints


def test_the_last_weights_are_saved_after_the_last_validation(trained, desk):
    assert step_of(desk / "my run/checkpoints/last.ckpt") == 6
    assert step_of(desk / "my run/checkpoints/best.ckpt") == 4
    assert "best weights, all 2 validation photos" in trained.stdout


def test_a_run_with_a_given_folder_creates_no_other(trained, desk):
    assert (desk / "my run/.hydra/overrides.yaml").is_file()
    assert not (desk / "runs").exists()


def test_lightning_loads_a_checkpoint(trained, desk, monkeypatch):
    path = desk / "my run/checkpoints/best.ckpt"
    with pytest.raises(GFMError, match=r"uses lab.parts.tiny.*trust=\[lab\]"):
        MattingModule.load_from_checkpoint(path)
    monkeypatch.syspath_prepend(str(desk / "code"))
    module = MattingModule.load_from_checkpoint(path, map_location="cpu", trust=["lab"])
    state = torch.load(path, weights_only=True)["state_dict"]
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert type(module.inferer).__name__ == "Plain"
    assert module.optimizer.keywords["lr"] == 1e-3
    assert module.hparams["optimizer"]["lr"] == 1e-3


def test_a_checkpoint_builds_nothing_that_is_not_trusted(trained, desk, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(desk / "code"))
    content = torch.load(desk / "my run/checkpoints/best.ckpt", weights_only=True)
    hidden = {
        "loss": {"_target_": "os.system", "command": "true"},
        "metrics": {"_target_": "gfm.metrics.MattingMetrics", "extra": [{"_target_": "os.getcwd"}]},
        "optimizer": {"_target_": "torch.load", "f": "x"},
        "scheduler": {"_target_": "gfm.system.files.write_text", "path": "x", "text": "x"},
        "inference": {"_target_": "subprocess.run", "args": "true"},
    }  # fmt: skip
    for part, node in hidden.items():
        parts = {**content["hyper_parameters"], part: node}
        torch.save({**content, "hyper_parameters": parts}, tmp_path / "evil.ckpt")
        with pytest.raises(GFMError, match="uses"):
            MattingModule.load_from_checkpoint(tmp_path / "evil.ckpt", trust=["lab"])


def test_user_classes_are_evaluated_converted_and_fine_tuned(trained, desk, demo_folder):
    # The command printed at the end, as it was printed.
    printed = re.search(r"evaluate these weights with\n +(.*)", trained.stdout).group(1)
    assert "'trust=[lab]'" in printed
    program, *words = shlex.split(printed)
    assert program == "python"
    done = run(*words, "paths.run=scored", "trainer=cpu", cwd=desk)
    assert done.returncode == 0, done.stderr
    tested = float(re.search(r"test/sad +│ +([\d.]+)", trained.stdout).group(1))
    scored = json.loads((desk / "scored/metrics.json").read_text())
    assert scored["sad"] == pytest.approx(tested, rel=5e-3)

    weights = "my run/checkpoints/best.ckpt"
    done = run("gfm", "convert", weights, "tiny.safetensors", cwd=desk)
    assert "--trust lab" in done.stderr
    done = run("gfm", "convert", weights, "tiny.safetensors", "--trust", "lab", cwd=desk)
    assert done.returncode == 0, done.stderr

    own = ["--config-dir", "own configs", "backbone=tiny", "inference=plain"]
    few = ["init_from=tiny.safetensors", "paths.run=second", "test=false", *frozen_options()]
    done = run("train.py", *small(demo_folder, "backbone"), *own, *few, cwd=desk)
    assert done.returncode == 0, done.stderr
    check_frozen(desk)


def frozen_options() -> list[str]:
    return ["freeze=[encoder,glance.heads]", "trainer.overfit_batches=1", "trainer.max_epochs=2"]


def check_frozen(desk: Path) -> None:
    """The frozen parts are unchanged, the others were trained; one batch was shown twice."""
    before, after = (
        torch.load(desk / f"{name}/checkpoints/{file}.ckpt", weights_only=True)["state_dict"]
        for name, file in (("my run", "best"), ("second", "last"))
    )
    same = {name for name in before if torch.equal(before[name], after[name])}
    still = {name for name in before if name.startswith(("model.encoder", "model.glance.heads"))}
    assert still <= same
    assert not {"model.focus.heads.0.weight"} & same
    assert step_of(desk / "second/checkpoints/last.ckpt") == 2


# Resuming


def test_resuming_by_folder_with_a_different_learning_rate(trained, desk):
    folder = desk / "my run"
    rates = column(folder, "train/learning_rate")
    options = ["optimizer.lr=5e-3", "optimizer.weight_decay=0.5", "trainer.max_epochs=6"]
    asked = run("train.py", f"ckpt_path={folder}", *options, cwd=desk)
    assert asked.returncode == 1
    line = asked.stderr.strip().partition("if you trust them, type python ")[2]
    done = run(*shlex.split(line), cwd=desk)
    assert done.returncode == 0, done.stderr
    assert f"resuming from step 6 of {folder}" in done.stdout
    assert not (desk / "runs").exists()
    assert step_of(folder / "checkpoints/last.ckpt") == 12
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert (config["backbone"]["name"], config["optimizer"]["lr"]) == ("tiny", 5e-3)
    content = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
    groups = content["optimizer_states"][0]["param_groups"]
    assert [group["weight_decay"] for group in groups] == [0.5, 0.0]
    assert {group["initial_lr"] for group in groups} == {5e-3}
    now = column(folder, "train/learning_rate")
    assert now[: len(rates)] == rates
    assert max(now[len(rates) :]) > 2 * max(rates)
    assert len(column(folder, "best")) == 3  # of the validations after epochs 2, 4 and 6
    assert min(column(folder, "val/sad")) == column(folder, "best")[-1]
    kept = yaml.safe_load((folder / ".hydra/overrides.yaml").read_text())
    assert {"backbone=tiny", "optimizer.lr=5e-3"} <= set(kept)


def test_changing_fixed_options_on_resuming_is_an_error(trained, desk):
    last = desk / "my run/checkpoints/last.ckpt"
    written = (desk / "my run/config.yaml").read_text()
    others = ["--config-dir", "own configs"]
    others += ["data.batch_size=1", "optimizer._target_=torch.optim.Adam", "rosta=ft"]
    done = run("train.py", f"ckpt_path={last}", *others, cwd=desk)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "data.batch_size=1 (was 2)" in line
    assert "optimizer._target_=torch.optim.Adam (was torch.optim.AdamW)" in line
    assert "rosta=ft (was tt)" in line
    assert "init_from=" in line
    assert (desk / "my run/config.yaml").read_text() == written
    assert not (desk / "runs").exists()


def test_control_c_saves_and_prints_how_to_resume(desk, demo_folder):
    options = [*small(demo_folder, "trainer.max_epochs", "data.num_workers"), "test=false"]
    options += ["trainer.max_epochs=500", "data.num_workers=1", "callbacks=none"]
    keeper = (
        "{_target_: gfm.training.preemption.SaveAtEnd, path: '${paths.run}/checkpoints/last.ckpt'}"
    )
    options += [
        f"+callbacks.end={keeper}",
        "+callbacks.lines._target_=gfm.training.callbacks.ProgressLines",
    ]
    command = [PROJECT / "train.py", *options, "paths.runs=stopped"]
    environment = surroundings(desk) | {"PYTHONUNBUFFERED": "1"}
    with Command(command, desk, environment) as process:
        while "\nepoch 2/" not in process.stdout:
            assert process.poll() is None, process.stderr
            time.sleep(0.02)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: loaders get it too
        assert process.wait(60) == 130, process.stderr
    (line,) = process.stderr.strip().splitlines()
    (folder,) = (desk / "stopped/train").iterdir()
    assert line.startswith("interrupted; progress saved: resume with python ")
    _, *words = shlex.split(line.partition("resume with ")[2])
    assert words[0] == str(PROJECT / "train.py")
    stopped = step_of(folder / "checkpoints/last.ckpt")
    assert stopped >= 4
    epochs = stopped // 2 + 1
    # The words repeat +callbacks.end, whose interpolation is not read from the run's folder.
    words.append(f"trainer.max_epochs={epochs}")
    done = processes.run(words, desk, surroundings(desk))
    assert done.returncode == 0, done.stderr
    assert step_of(folder / "checkpoints/last.ckpt") == 2 * epochs
    assert list((desk / "stopped/train").iterdir()) == [folder]
