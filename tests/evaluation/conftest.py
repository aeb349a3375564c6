"""Fixtures: a test set of five small photos, mattes for it, and a small random network."""

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from gfm.checkpoints import Checkpoint, load_network, write_checkpoint
from gfm.compat.hydra import instantiate
from gfm.data.images import write_png
from gfm.metrics.inputs import CheckedImages
from gfm.run import build_evaluation, evaluate
from gfm.system.files import read_table
from tests.conftest import SMALL_NODE, compose_config
from tests.metrics.pairs import furry_pair

SIZES = {"a": (60, 80), "b": (64, 64), "c": (50, 90), "d": (96, 64), "e": (64, 70)}
NETWORK = SMALL_NODE


def share(batch: CheckedImages, above: float) -> torch.Tensor:
    """Return the share of pixels above a value; an additional metric for tests."""
    return (batch.preds > above).float().mean((1, 2, 3))


def read_rows(folder: Path) -> dict[str, dict[str, float]]:
    """Return the metrics that an evaluation wrote for each photo."""
    return read_table(folder / "per_image.csv")


def to_bytes(alpha: np.ndarray) -> np.ndarray:
    return np.round(alpha * 255).astype(np.uint8)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Use one thread, because forked processes cannot use their parent's threads."""
    num_threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    yield
    torch.set_num_threads(num_threads[0])
    cv2.setNumThreads(num_threads[1])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Write ``images`` and ``alphas`` of five photos of different sizes."""
    root = tmp_path / "set"
    for seed, (name, size) in enumerate(SIZES.items()):
        _, target, _ = furry_pair(*size, seed)
        photo = np.random.default_rng(seed).integers(0, 255, (*size, 3), dtype=np.uint8)
        for folder, picture in (("images", photo), ("alphas", to_bytes(target))):
            (root / folder).mkdir(parents=True, exist_ok=True)
            write_png(root / folder / f"{name}.png", picture)
    return root


@pytest.fixture
def mattes(tmp_path: Path) -> Path:
    """Write 8-bit mattes of the five photos."""
    folder = tmp_path / "mattes"
    folder.mkdir()
    for seed, (name, size) in enumerate(SIZES.items()):
        write_png(folder / f"{name}.png", to_bytes(furry_pair(*size, seed, noise=0.1)[0]))
    return folder


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write random weights of a small network."""
    path = tmp_path_factory.mktemp("weights") / "network.safetensors"
    torch.manual_seed(0)
    state = instantiate(NETWORK).state_dict()
    state["glance.heads.0.6.bias"][1] += 0.3  # some pixels are in the transition
    write_checkpoint(path, Checkpoint(NETWORK, state))
    return path


Run = Callable[..., tuple[dict, Path]]


_load_once = functools.cache(load_network)


@pytest.fixture
def run(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that evaluates in this process, and returns the means and the folder."""
    monkeypatch.setattr(build_evaluation, "load_network", _load_once)

    def evaluate_with(*overrides: str, folder: str = "run") -> tuple[dict, Path]:
        paths = ["data=folder", f"data.root={data}", f"paths.run={tmp_path / folder}"]
        quiet = ["data.num_workers=0", "trainer=cpu", "inference=native"]
        summary, _ = evaluate.evaluate(compose_config("evaluate", [*paths, *quiet, *overrides]))
        return summary, tmp_path / folder

    return evaluate_with
