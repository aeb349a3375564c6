"""The wheel, installed in an environment of its own and used far from the checkout."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.conftest import PROJECT, SMALL_DATA, SMALL_TRAINING

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

CHOICES = [
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
    """A folder with an environment that has the wheel, and a user's package and configurations."""
    home = tmp_path_factory.mktemp("home")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(home)]
    subprocess.run([*build, str(PROJECT)], check=True, capture_output=True)
    venv.create(home / "env")
    # The libraries come from here, as a link: a line of this kind brings no editable checkout.
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
    (home / "conf/backbone").mkdir(parents=True)
    (home / "conf/backbone/theirs.yaml").write_text(BACKBONE)
    return home


def gfm(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command as someone does who has their package on ``PYTHONPATH``."""
    # Tests that ran before in this process may have asked for tracebacks.
    others = ("PYTHONPATH", "GFM_TRACEBACK", "HYDRA_FULL_ERROR")
    kept = {k: v for k, v in os.environ.items() if k not in others}
    settings = {"PYTHONPATH": str(home), "WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [str(home / "env/bin/gfm"), *arguments],
        cwd=home, env={**kept, **settings}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def trained(home) -> Path:
    """The folder of a training with everything from the user's package."""
    own = [o for o in SMALL_TRAINING if not o.startswith("backbone")]
    options = [*SMALL_DATA, *own, *CHOICES, "paths.run=run", "hydra.run.dir=run"]
    done = gfm(home, "train", "--config-dir", "conf", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "their callback was here" in done.stdout
    assert "train/loss_opacity" in (home / "run/metrics.csv").read_text()
    assert "val/worst" in (home / "run/metrics.csv").read_text()
    return home / "run"


def test_the_package_is_the_wheel(home):
    code = "import gfm, gfm.launch.configs as c; print(gfm.__file__, c.CONFIGS)"
    python = str(home / "env/bin/python")
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    shown = subprocess.check_output([python, "-c", code], cwd=home, text=True, env=kept).split()
    assert all(Path(path).is_relative_to(home / "env") for path in shown)


def test_help_and_version_name_every_command(home):
    shown = gfm(home, "--help").stdout
    for name in ("train", "evaluate", "check", "prepare", "convert"):
        assert f" {name} " in shown
    assert gfm(home, "--version").stdout.startswith("gfm-matting ")
    assert "backbone" in gfm(home, "train", "--help").stdout
    assert "checkpoint: null" in gfm(home, "evaluate", "--cfg", "job").stdout


def test_a_checkpoint_of_their_classes_asks_for_trust(home, trained):
    checkpoint = f"checkpoint={trained / 'checkpoints/best.ckpt'}"
    options = ["evaluate", checkpoint, *SMALL_DATA, "paths.run=scores", "trainer=cpu"]
    refused = gfm(home, *options)
    assert refused.returncode == 1
    (line,) = refused.stderr.strip().splitlines()
    assert "set trust=[theirs]" in line
    done = gfm(home, *options, "trust=[theirs]", "hydra.run.dir=scores")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (home / "scores/report.html").is_file()
    source = str(trained / "checkpoints/best.ckpt")
    assert gfm(home, "convert", source, "theirs.safetensors").returncode == 1
    done = gfm(home, "convert", source, "theirs.safetensors", "--trust", "theirs")
    assert done.returncode == 0, done.stderr


def test_file_tools(home, trained):
    (photos,) = home.glob("data/demo/*/AM-2k")
    assert gfm(home, "check", f"paths.am2k={photos}").stdout.endswith("no problems\n")
    done = gfm(home, "prepare", "trimaps", f"paths.am2k={photos}", "--overwrite", "--workers", "1")
    assert done.returncode == 0, done.stdout + done.stderr
