"""Several processes score each photo once, with results bit-identical to those of one process."""

import math
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch

from gfm.compat.hydra import instantiate
from gfm.data.datamodule import MattingDataModule
from gfm.data.pairs import Pairs
from gfm.errors import GFMError
from gfm.inference import Native
from gfm.metrics import METRIC_NAMES, MattingMetrics
from gfm.training.module import MattingModule
from tests.conftest import PROJECT
from tests.evaluation.conftest import NETWORK


def assert_same(folder, other):
    for file in ("per_image.csv", "metrics.json"):
        assert (folder / file).read_bytes() == (other / file).read_bytes()


def names_by_process(folder) -> list[list[str]]:
    files = sorted((folder / "journal").glob("rows.*.jsonl"))
    return [re.findall(r'"name": "(\w+)"', file.read_text()) for file in files]


@pytest.fixture
def fork(monkeypatch) -> str:
    """Return the strategy that forks, which saves importing torch again.

    Forked processes use one thread. Forking is impossible once a GPU is in use.
    """
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return "ddp_spawn" if torch.cuda.is_initialized() else "ddp_fork"


def test_two_processes(run, weights, fork):
    """Five photos cannot be divided evenly."""
    _, alone = run(f"checkpoint={weights}", folder="alone")
    choice = ["trainer=ddp_cpu", f"trainer.strategy={fork}"]
    _, both = run(f"checkpoint={weights}", *choice, folder="both")
    assert_same(alone, both)
    assert names_by_process(both) == [["a", "c", "e"], ["b", "d"]]
    assert (both / "report.html").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp_spawn", "ddp"])
def test_three_processes_from_the_command_line(run, weights, data, tmp_path, strategy):
    _, alone = run(f"checkpoint={weights}", folder="alone")
    overrides = [
        *("data=folder", f"data.root={data}", "data.num_workers=1", "inference=native"),
        *(f"checkpoint={weights}", f"paths.run={tmp_path / 'three'}"),
        *("trainer=cpu", f"trainer.strategy={strategy}", "trainer.devices=3"),
        f"hydra.run.dir={tmp_path / 'three'}",
    ]
    command = [sys.executable, "evaluate.py", *overrides]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("report: ") == 1
    assert_same(alone, tmp_path / "three")
    assert names_by_process(tmp_path / "three") == [["a", "d"], ["b", "e"], ["c"]]


@pytest.mark.slow
def test_a_process_without_a_photo(run, weights):
    """Two processes resume an evaluation with one photo left."""
    _, folder = run(f"checkpoint={weights}")
    expected = (folder / "per_image.csv").read_bytes()
    (folder / "alpha/c.png").unlink()
    run(f"checkpoint={weights}", "trainer=ddp_cpu")
    assert (folder / "per_image.csv").read_bytes() == expected


@pytest.mark.slow
def test_an_error_in_a_process_is_one_line(run, weights, data):
    (data / "images/d.png").write_bytes(b"damaged")
    with pytest.raises(GFMError, match=r"cannot read .*d\.png") as error:
        run(f"checkpoint={weights}", "trainer=ddp_cpu")
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_validation_during_training(data):
    """One process and two log the same metrics."""
    logged = []
    for options in ({"devices": 1}, {"devices": 2, "strategy": "ddp_spawn"}):
        pl.seed_everything(0, verbose=False)
        module = MattingModule(
            instantiate(NETWORK), None, None, None, Native(), MattingMetrics(), config={}
        )
        trainer = pl.Trainer(
            accelerator="cpu", logger=False, use_distributed_sampler=False, **options
        )
        source = Pairs(data, images="images", alphas="alphas")
        datamodule = MattingDataModule(source, num_workers=0, num_holdout=1.0)
        trainer.validate(module, datamodule, verbose=False)
        logged.append({name: float(value) for name, value in trainer.callback_metrics.items()})
    assert logged[0].keys() == {f"val/{name}" for name in METRIC_NAMES["gfm"]}
    assert logged[1] == pytest.approx(logged[0], rel=1e-6)


@pytest.mark.parametrize(("label", "alpha"), [(127, 1.0), (128, math.nan)])
def test_validation_names_a_photo_that_cannot_be_scored(label, alpha):
    sizes = 1, 1, 8, 8
    prediction = SimpleNamespace(alpha=torch.full(sizes, alpha))
    module = MattingModule(None, None, None, None, lambda *_: prediction, MattingMetrics(), {})
    batch = {"image": torch.zeros(1, 3, 8, 8), "alpha": torch.zeros(sizes), "name": ["hare"]}
    batch |= {"trimap": torch.full(sizes, label, dtype=torch.uint8), "dataset": [""]}
    with pytest.raises(GFMError, match=r"^photo hare: (trimap holds|preds contains NaN)"):
        module.validation_step(batch, 0)
