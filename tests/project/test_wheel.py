"""The wheel, installed in a separate environment and used outside the checkout."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest

from gfm.data.images import read_image, write_png
from tests import processes
from tests.conftest import PROJECT, SMALL_DATA, SMALL_TRAINING
from tests.run.test_finetune import make_photos, write_weights

OWN = """
import torch
from torch import nn
from pytorch_lightning import Callback

from gfm.data.tracks import OriginalTrack
from gfm.inference import Native
from gfm.models.encoders import StagedEncoder


def tiny(width=8):
    stages = [nn.Sequential(nn.Conv2d(3, width, 3, 2, 1), nn.ReLU()),
              nn.Sequential(nn.Conv2d(width, width, 3, 2, 1), nn.ReLU())]
    return StagedEncoder(stages, (width, width), strides=(2, 4))


class Track(OriginalTrack):
    pass


class Inferer(Native):
    pass


def mean_opacity(output, batch):
    return (output.alpha.mean() - batch["alpha"].mean()).abs()


def worst(images):
    return (images.preds - images.target).abs().amax((1, 2, 3))


class Says(Callback):
    def on_train_end(self, *_):
        print("their callback was here")
"""

BACKBONE = """
name: theirs
encoder: {_target_: theirs.tiny}
decoder_channels: null
reduction: 1
normalization: imagenet
activation_checkpointing: false
channels_last: false
"""

DATA = """
defaults: [demo, _self_]
name: animals
"""

CHOICES = [
    "data=theirs",
    "recipe=demo",
    "backbone=theirs",
    "track=ori",
    "track._target_=theirs.Track",
    "inference._target_=theirs.Inferer",
    "~inference.glance_scale",
    "~inference.focus_scale",
    "~inference.max_size",
    "+loss.extra.opacity._target_=gfm.losses.WeightedTerm",
    "+loss.extra.opacity.term={_target_: theirs.mean_opacity, _partial_: true}",
    "+extra_metrics.worst={_target_: theirs.worst, _partial_: true}",
    "+callbacks.says._target_=theirs.Says",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """A folder with an environment that has the wheel, and with a user's package and configs."""
    home = tmp_path_factory.mktemp("home")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(home)]
    subprocess.run([*build, str(checkout(home))], check=True, capture_output=True)
    venv.create(home / "env")
    # A .pth file makes the libraries of the tests importable, but not the editable checkout.
    here = sysconfig.get_paths(vars={"base": str(home / "env")})["purelib"]
    Path(here, "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    python = str(home / "env/bin/python")
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--no-deps",
        "--no-index",
    ]
    (wheel,) = home.glob("*.whl")
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    (home / "theirs.py").write_text(OWN)
    for group, text in (("backbone", BACKBONE), ("data", DATA)):
        (home / f"conf/{group}").mkdir(parents=True)
        (home / f"conf/{group}/theirs.yaml").write_text(text)
    return home


def checkout(home: Path) -> Path:
    """Copy what the wheel is built from, with the paths of the machine that builds it."""
    folder = home / "checkout"
    for name in ("gfm", "configs", "hydra_plugins"):
        shutil.copytree(PROJECT / name, folder / name)
    for name in ("pyproject.toml", "README.md", "LICENSE", ".gitignore"):
        shutil.copy(PROJECT / name, folder)
    (folder / "configs/local").mkdir(exist_ok=True)
    (folder / "configs/local/default.yaml").write_text("paths: {runs: of_the_builder}")
    return folder


def gfm(home: Path, *arguments: str) -> processes.Command:
    """Run ``gfm`` as a user whose package is on ``PYTHONPATH``."""
    return processes.run(
        [home / "env/bin/gfm", *arguments],
        cwd=home,
        env=environment(home),
        python=str(home / "env/bin/python"),
    )


def pasted(home: Path, command: str) -> processes.Command:
    """Run a printed command, split as a shell does."""
    program, *arguments = shlex.split(command)
    assert program == "gfm"
    return gfm(home, *arguments)


def environment(home: Path) -> dict[str, str]:
    # Earlier tests in this process may have asked for tracebacks.
    others = ("PYTHONPATH", "GFM_TRACEBACK", "HYDRA_FULL_ERROR")
    kept = {k: v for k, v in os.environ.items() if k not in others}
    settings = {"PYTHONPATH": str(home), "WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1"}
    settings["PATH"] = f"{home / 'env/bin'}{os.pathsep}{kept['PATH']}"
    return {**kept, **settings}


@pytest.fixture(scope="module")
def trained(home) -> subprocess.CompletedProcess[str]:
    """Train in a fresh interpreter, with everything from the user's package and folder."""
    own = [o for o in SMALL_TRAINING if not o.startswith("backbone")]
    options = [*SMALL_DATA, *own, *CHOICES, "paths.run=run", "hydra.run.dir=run"]
    command = ["gfm", "train", "--config-dir", "conf", *options]
    done = subprocess.run(
        command, cwd=home, env=environment(home), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "their callback was here" in done.stdout
    assert "train/loss_opacity" in (home / "run/metrics.csv").read_text()
    assert "val/worst" in (home / "run/metrics.csv").read_text()
    return done


def test_the_package_is_the_wheel(home):
    code = "import gfm, gfm.run.configs as c; print(gfm.__file__, c.CONFIGS)"
    python = str(home / "env/bin/python")
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    shown = subprocess.check_output([python, "-c", code], cwd=home, text=True, env=kept)
    assert all(Path(path).is_relative_to(home / "env") for path in shown.split())
    assert processes.run(["-c", code], home, kept, python=python).stdout == shown


def test_help_and_version_name_every_command(home):
    shown = gfm(home, "--help").stdout
    for name in ("train", "evaluate", "check", "prepare", "convert"):
        assert f" {name} " in shown
    assert gfm(home, "--version").stdout.startswith("gfm-matting ")
    assert "backbone" in gfm(home, "train", "--help").stdout
    assert "checkpoint: null" in gfm(home, "evaluate", "--cfg", "job").stdout


def test_the_wheel_contains_no_local_paths(home):
    assert "of_the_builder" not in gfm(home, "train", "--cfg", "job").stdout


def test_the_printed_command_works(home, trained):
    """It finds the user's data, trusts the user's classes, and reproduces the run's figures."""
    line = re.search(r"evaluate these weights with\n +(.*)", trained.stdout)[1]
    done = pasted(home, f"{line} paths.run=scores")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (home / "scores/report.html").is_file()
    tested, scored = (re.search(r"sad +│ +([\d.]+)", x.stdout)[1] for x in (trained, done))
    assert tested == scored


def test_a_checkpoint_of_user_classes_requires_trust(home, trained):
    source = "run/checkpoints/best.ckpt"
    refused = gfm(home, "evaluate", f"checkpoint={source}", *SMALL_DATA, "trainer=cpu")
    assert refused.returncode == 1
    (line,) = refused.stderr.strip().splitlines()
    assert "set trust=[theirs]" in line
    assert gfm(home, "convert", source, "theirs.safetensors").returncode == 1
    done = gfm(home, "convert", source, "theirs.safetensors", "--trust", "theirs")
    assert done.returncode == 0, done.stderr


def test_file_tools(home, trained):
    (photos,) = home.glob("data/demo/*/AM-2k")
    assert gfm(home, "check", f"paths.am2k={photos}").stdout.endswith("no problems\n")
    done = gfm(home, "prepare", "trimaps", f"paths.am2k={photos}", "--overwrite", "--workers", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    theirs = ["--config-dir", "conf", "data=theirs", *SMALL_DATA]
    assert gfm(home, "check", *theirs, "--workers", "1").stdout.endswith("no problems\n")
    missing = gfm(home, "check", "--config-dir", "nowhere")
    assert "no folder nowhere: set --config-dir" in missing.stderr


QUICK = ["trainer.max_steps=2", "trainer.val_check_interval=1", "data.num_workers=0"]


@pytest.fixture(scope="module")
def own_photos(home):
    """Photos with mattes, cut-outs, backgrounds and weights."""
    make_photos(home / "mine", 5)
    make_photos(home / "zoo", 3)
    for folder in ("cutouts", "bg"):
        (home / folder).mkdir()
    for path in (home / "mine/photos").iterdir():
        image, alpha = read_image(path), read_image(home / "mine/mattes" / path.name)[..., :1]
        write_png(home / "cutouts" / path.name, np.dstack([image, alpha]))
        write_png(home / "bg" / path.name, image[::-1])
    write_weights(home / "small.ckpt")


def test_own_photos_are_checked_trained_on_and_matted(home, own_photos):
    checked = gfm(home, "check", "mine/", "--workers", "1")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    done = gfm(home, "finetune", "mine/", "--weights", "small.ckpt", *QUICK, "paths.run=tuned")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "running: gfm train data=pairs data.root=mine recipe=finetune" in done.stdout
    assert "before and after, on 2 photos" in done.stdout
    assert (home / "tuned/result.png").is_file()
    lines = re.findall(r"^  (gfm .*)$", done.stdout, re.MULTILINE)
    scored = pasted(home, f"{lines[0]} paths.run=rescored")
    assert scored.returncode == 0, scored.stdout + scored.stderr
    tested, again = (re.search(r"sad +│ +([\d.]+)", x.stdout)[1] for x in (done, scored))
    assert tested == again
    weights = re.search(r"checkpoint=(\S+)", lines[0])[1]
    matted = gfm(home, "predict", "mine/photos/p0.png", "-o", "mattes", "--checkpoint", weights)
    assert matted.returncode == 0, matted.stdout + matted.stderr
    assert (home / "mattes/alpha/p0.png").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    "folder", [["cutouts/"], ["mine/", "--also", "zoo"]], ids=["cutouts", "mixed"]
)
def test_own_photos_over_backgrounds(home, own_photos, folder, tmp_path):
    backgrounds = ["--weights", "small.ckpt", "--backgrounds", "bg/", f"paths.run={tmp_path}"]
    done = gfm(home, "finetune", *folder, *backgrounds, *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "before and after, on 2 photos" in done.stdout
    columns = (tmp_path / "metrics.csv").read_text().splitlines()[0].split(",")
    assert ("val/zoo/sad" in columns) == ("--also" in folder)
