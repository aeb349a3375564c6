"""A researcher's day from the command line: checkpoints, sweeps, resuming, options.

Runs are shared between tests, since each takes seconds to start.
"""

import csv
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
from tests.conftest import EVERY_EPOCH, PROJECT, SMALL_DATA, SMALL_TRAINING
from tests.processes import GFM, Command

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


def run(script, *options, cwd):
    """Run a command as a user types it, in their folder; return its outcome."""
    program = GFM if script == "gfm" else [PROJECT / script]
    return processes.run([*program, *options], cwd, surroundings(cwd))


def surroundings(cwd: Path) -> dict[str, str]:
    path = os.pathsep.join([str(PROJECT), str(cwd / "code")])
    return {**os.environ, "PYTHONPATH": path, "COLUMNS": "200"}


def rows(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "metrics.csv").open()))


def column(folder: Path, name: str) -> list[float]:
    return [float(row[name]) for row in rows(folder) if row.get(name)]


def step_of(checkpoint: Path) -> int:
    return int(torch.load(checkpoint, weights_only=True)["global_step"])


def small(demo_folder: Path, *but: str) -> list[str]:
    """Options of a training with two steps per epoch, except those of the given names."""
    options = [f"paths.demo={demo_folder}", "track=ori", *SMALL_DATA, *SMALL_TRAINING]
    return [o for o in options if not o.startswith(but)] if but else options


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


# Sweeps and searches


@pytest.fixture(scope="module")
def sweep(desk, demo_folder):
    """A sweep of four runs that is killed in the second, and then repeated."""
    options = [*small(demo_folder, "trainer.max_epochs"), "trainer.max_epochs=3"]
    command = [
        "-m",
        *options,
        "optimizer.lr=1e-2",
        "seed=0,1",
        "rosta=tt,ft",
        "hydra.sweep.dir=swept",
        *EVERY_EPOCH,
    ]
    with Command([PROJECT / "train.py", *command], desk, surroundings(desk)) as process:
        deadline = time.monotonic() + 100
        while not (desk / "swept/1/checkpoints/last.ckpt").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    first = (desk / "swept/0/result.json").stat().st_mtime_ns
    cut_off = json.loads((desk / "swept/1/result.json").read_text())
    assert cut_off["status"] == "running"
    begun = rows(desk / "swept/1") if (desk / "swept/1/metrics.csv").is_file() else []
    done = run("train.py", *command, cwd=desk)
    assert done.returncode == 0, done.stderr
    return done, first, begun


def test_a_killed_sweep_resumes(sweep, desk):
    done, first, _ = sweep
    assert "swept/0 is finished already" in done.stdout
    assert (desk / "swept/0/result.json").stat().st_mtime_ns == first
    cut_off = yaml.safe_load((desk / "swept/1/config.yaml").read_text())
    assert cut_off["ckpt_path"] == str(desk / "swept/1/checkpoints/last.ckpt")
    for number in range(4):
        assert step_of(desk / f"swept/{number}/checkpoints/last.ckpt") == 6
    before = {path: path.read_bytes() for path in (desk / "swept").rglob("*.[jy]*")}
    other = run("train.py", "-m", "rosta=ft,tt", "hydra.sweep.dir=swept", cwd=desk)
    assert other.returncode == 1
    assert "swept/0 holds a run that differs in" in other.stderr
    assert "rosta=ft, rosta=tt" in other.stderr
    assert {path: path.read_bytes() for path in (desk / "swept").rglob("*.[jy]*")} == before


def test_runs_are_ranked_by_their_best_value_at_the_end(sweep, desk):
    done, *_ = sweep
    table = list(csv.DictReader((desk / "swept/sweep.csv").open()))
    assert [row["status"] for row in table] == ["finished"] * 4
    best = [min(column(desk / "swept" / row["run"], "val/sad")) for row in table]
    assert [float(row["objective"]) for row in table] == pytest.approx(best)
    assert best == sorted(best)
    for row in table:
        last = [r for r in rows(desk / "swept" / row["run"]) if r["val/sad"]][-1]
        assert float(row["val/sad"]) == pytest.approx(float(last["val/sad"]))
        assert float(row["seconds"]) > 0
        assert Path(desk / row["folder"]).is_dir()
    assert {(row["seed"], row["rosta"]) for row in table} == {
        (seed, rosta) for seed in "01" for rosta in ("tt", "ft")
    }
    seeds = done.stdout[done.stdout.index("over seeds") :]
    for rosta in ("tt", "ft"):
        values = [float(row["objective"]) for row in table if row["rosta"] == rosta]
        mean, deviation = sum(values) / 2, abs(values[0] - values[1]) / 2**0.5
        assert re.search(rf"rosta={rosta} +│ +2 │ +{mean:.5g} ± {deviation:.2g} ", seeds)


def test_a_search_with_storage_resumes(desk, demo_folder):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    command = [
        "-m",
        "hparams_search=optuna",
        *small(demo_folder),
        "layer_decay=1",
        "loss.focus=0.2",
    ]
    command += ["hydra.sweeper.storage=sqlite:///search.db", "hydra.sweep.dir=searched"]
    command += ["objective=val/sad_background", "objective_mode=max", "test=false"]
    for number in (2, 3):
        done = run("train.py", *command, f"hydra.sweeper.n_trials={number}", cwd=desk)
        assert done.returncode == 0, done.stderr
    table = list(csv.DictReader((desk / "searched/sweep.csv").open()))
    assert [row["run"] for row in table if row["run"].startswith("from_2/")] == ["from_2/0"]
    assert len({row["optimizer.lr"] for row in table}) == len(table) == 3
    values = [float(row["objective"]) for row in table]
    assert values == sorted(values, reverse=True)
    found = yaml.safe_load((desk / "searched/optimization_results.yaml").read_text())
    assert found["best_value"] == pytest.approx(values[0])


def test_runs_are_compared(sweep, trained, desk):
    done = run("gfm", "compare", "swept/0", "swept/2", "my run", "--page", "page.html", cwd=desk)
    assert done.returncode == 0, done.stderr
    first, second = (
        {row["name"]: float(row["sad"]) for row in csv.DictReader((desk / path).open())}
        for path in ("swept/0/per_image.csv", "swept/2/per_image.csv")
    )  # fmt: skip
    means = [sum(scores.values()) / len(scores) for scores in (first, second)]
    assert re.search(rf"sad +│ +{means[0]:.4g} │ +{means[1]:.4g} ", done.stdout)
    differences = [second[name] - first[name] for name in first]
    low, high = min(differences), max(differences)  # of two photos the interval ends at either
    mean = sum(differences) / len(differences)
    assert f"{mean:+.3g} [{low:+.3g}, {high:+.3g}]" in done.stdout
    page = (desk / "page.html").read_text()
    assert all(name in page for name in first)
    assert not re.search(r"https?:", page)
    assert run("gfm", "compare", "swept/0", "swept", cwd=desk).stderr.startswith(
        "error: swept has no"
    )
