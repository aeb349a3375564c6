"""Provides what all tests share: few threads, no network, tiny demo data, and configurations."""

import ctypes
import gc
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

os.environ["WANDB_MODE"] = "disabled"
os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:  # a core for each process, as in _few_threads
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from omegaconf import DictConfig
from torch.utils.data.dataloader import _MultiProcessingDataLoaderIter

from gfm.animals import DrawnAnimals
from gfm.compat.hydra import compose_from
from gfm.data.layout import Roots
from gfm.run.configs import CONFIGS
from tests.golden.formula import forget_weights

PROJECT = Path(__file__).resolve().parents[1]
DEMO = {
    "num_train": 4,
    "num_validation": 2,
    "num_backgrounds": 3,
    "num_coco": 2,
    "height": 128,
    "width": 160,
    "background_height": 160,
    "background_width": 240,
}
"""A demo dataset that is drawn in a second."""


SMALL_NETWORK = [
    "backbone=timm",
    "backbone.name=test_resnet",
    "backbone.decoder_channels=[16,16,16,16,16]",
]
"""Overrides of a network that takes a step in no time."""


SMALL_NODE = {
    "_target_": "gfm.models.gfm.GFM",
    "encoder": {"_target_": "gfm.models.timm_encoder.timm_encoder", "name": "test_resnet"},
    "rosta": "tt",
    "decoder_channels": [8] * 5,
}
"""The node of a network of a few thousand weights, in which a checkpoint names it."""


SMALL_DATA = ["data.num_workers=0", *(f"data.source.{k}={v}" for k, v in DEMO.items())]
"""Overrides for that dataset."""

SMALL_TRAINING = [
    "data.batch_size=2",
    "data.crop_sizes=[96]",
    "data.input_size=32",
    "data.scales={glance: 0.5, focus: 0.5, resize: 0.5, rim: 0.5}",
    "trainer.max_epochs=1",
    "trainer.check_val_every_n_epoch=1",
    "trainer.limit_train_batches=2",
    "recipe.norm_samples=2",
    "trainer.accelerator=cpu",
    "trainer.precision=32-true",  # on every machine
    "logger=csv",
    *SMALL_NETWORK,
]
"""Overrides of a training that takes two steps of two samples."""


EVERY_EPOCH = (
    "callbacks.last.train_time_interval=null",
    "callbacks.last.every_n_epochs=${trainer.check_val_every_n_epoch}",
    "callbacks.last.save_on_train_epoch_end=true",
)
"""Overrides that write last.ckpt with every validation."""


def compose_config(name: str, overrides: list[str]) -> DictConfig:
    """Compose ``train`` or ``evaluate`` as the command line would."""
    return compose_from(CONFIGS, name, overrides)


@pytest.fixture(autouse=True)
def _few_threads() -> None:
    """Limit each of several test processes to one thread.

    Before every test, because libraries change the number. Two processes with two threads each slow
    each other down: a training then takes ten times as long.
    """
    torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)


@pytest.fixture(autouse=True, scope="session")
def _notice_killed_workers_soon() -> None:
    """Check every half second, not every five, if libraries replaced torch's signal handler."""
    _MultiProcessingDataLoaderIter._try_get_data.__defaults__ = (0.5,)


@pytest.fixture(autouse=True, scope="session")
def _compose_once() -> Iterator[None]:
    """Compose configurations once; Hydra does so twice, only to learn whether one sets its mode."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hydra._internal.hydra.Hydra.get_mode", lambda *_, **__: None)
        yield


@pytest.fixture(autouse=True, scope="session")
def _heed_signals() -> None:
    # Started by nohup or in the background, tests and their processes would ignore them.
    for number, handler in (
        (signal.SIGINT, signal.default_int_handler),
        (signal.SIGHUP, signal.SIG_DFL),
    ):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(autouse=True, scope="module")
def _give_memory_back() -> None:
    """Return the memory of earlier modules to the system, which glibc would keep.

    Garbage collection takes half a second once all libraries are imported, and runs often.
    Therefore the remaining objects, modules and session fixtures, are frozen.
    """
    forget_weights()
    gc.collect()
    gc.freeze()
    with suppress(OSError, AttributeError):  # other systems have another library
        ctypes.CDLL("libc.so.6").malloc_trim(0)


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="session")
def demo_roots(demo_folder: Path) -> Roots:
    return DrawnAnimals(demo_folder, **DEMO).find()


@pytest.fixture
def roots(demo_roots, tmp_path) -> Roots:
    """Copy the demo data, for tests that change them."""
    for name in ("AM-2k", "BG-20k", "COCO"):
        shutil.copytree(demo_roots.photos.parent / name, tmp_path / name)
    return Roots(tmp_path / "AM-2k", tmp_path / "BG-20k", tmp_path / "COCO")


@pytest.fixture
def tiny(demo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return overrides of a run on the tiny demo dataset."""
    # Drawing curves and counting operations take as long as the training, and have their own tests.
    monkeypatch.setattr("gfm.run.summary.draw_curves", lambda *_: False)
    monkeypatch.setattr("gfm.training.callbacks.network_size.multiply_adds", lambda *_: None)
    return [f"paths.demo={demo_folder}", f"paths.run={tmp_path / 'run'}", *SMALL_DATA]


@pytest.fixture
def tiny_training(tiny: list[str]) -> list[str]:
    """Return overrides of a training that takes two steps."""
    return [*tiny, *SMALL_TRAINING, "track=ori"]
