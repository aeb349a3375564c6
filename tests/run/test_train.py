"""A training and its evaluation, in-process, on the tiny demo dataset."""

import csv
import json
import shutil
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch

from gfm.checkpoints import read_checkpoint
from gfm.errors import GFMError
from gfm.metrics import METRIC_NAMES
from gfm.run.build import check_trained
from gfm.run.evaluate import evaluate
from gfm.run.train import train
from gfm.training.module import MattingModule
from tests.conftest import SMALL_DATA, SMALL_NETWORK, SMALL_TRAINING, compose_config
from tests.reliability.entry import train_status


def overrides(demo_folder, folder) -> list[str]:
    """Return the overrides of a run with two steps per epoch."""
    return [f"paths.demo={demo_folder}", f"paths.run={folder}", *SMALL_DATA, *SMALL_TRAINING]


@pytest.fixture(scope="module")
def run(tmp_path_factory, demo_folder):
    """Train for one epoch with previews and a CSV log."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    metrics, objects = train(compose_config("train", overrides(demo_folder, folder)))
    return folder, metrics, objects


def test_training_returns_metrics_and_objects(run):
    _, metrics, objects = run
    assert {f"val/{name}" for name in METRIC_NAMES["gfm"]} <= metrics.keys()
    assert {"train/loss", "train/loss_glance", "train/loss_composition"} <= metrics.keys()
    assert {"train/samples_per_second", "train/gradient_norm"} <= metrics.keys()
    assert 0 <= metrics["train/data_wait"] <= 1
    assert objects["trainer"].global_step == 2
    # One epoch, so the best weights are the last; tested on the same photos by the same inferer.
    assert metrics["test/sad"] == pytest.approx(metrics["val/sad"], rel=1e-6)


def test_training_ends_with_a_test_of_the_best_weights_on_all_photos(tiny_training, tmp_path):
    few = ["data.num_validation_photos=1", "optimizer.lr=0.1"]
    cfg = compose_config("train", [*tiny_training, *few, "trainer.max_epochs=3"])
    metrics, objects = train(cfg)
    module, datamodule = objects["module"], objects["datamodule"]
    assert (len(datamodule.validation), len(datamodule.photos)) == (1, 2)
    best = read_checkpoint(tmp_path / "run/checkpoints/best.ckpt").state
    assert all(torch.equal(v, best[k]) for k, v in module.model.state_dict().items())
    assert type(module.inferer).__name__ == "Hybrid"
    rows = list(csv.DictReader((tmp_path / "run/metrics.csv").open()))
    tested = [row for row in rows if row["test/sad"]]
    assert [float(row["test/sad"]) for row in tested] == [pytest.approx(metrics["test/sad"])]


def test_training_writes_its_files(run):
    folder, metrics, _ = run
    assert {p.name for p in (folder / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert (folder / "config.yaml").is_file()
    assert [p.name for p in (folder / "previews").iterdir()] == ["epoch_0000.png"]
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    assert len([r for r in rows if r["train/loss"]]) == 2
    logged = [float(r["val/sad"]) for r in rows if r["val/sad"]]
    assert logged == [pytest.approx(metrics["val/sad"])]


def test_a_batch_larger_than_an_epoch_is_a_warning(tiny_training):
    few = ["data.batch_size=1000", "trainer.max_steps=1", "logger=none", "test=false"]
    with pytest.warns(UserWarning, match=r"data.batch_size=1000 is larger than .* only 4 samples"):
        train(compose_config("train", [*tiny_training, *few]))


def test_a_resumed_run_that_cannot_start_keeps_its_configuration(run, demo_folder):
    folder, *_ = run
    before = (folder / "config.yaml").read_bytes()
    again = [f"ckpt_path={folder / 'checkpoints/last.ckpt'}", "trainer.profiler=none"]
    with pytest.raises(GFMError, match="cannot build"):
        train(compose_config("train", [*overrides(demo_folder, folder), *again]))
    assert (folder / "config.yaml").read_bytes() == before


def test_checkpoint_holds_plain_containers(run):
    folder, _, _ = run
    content = torch.load(folder / "checkpoints/best.ckpt", weights_only=True)
    assert content["hyper_parameters"]["backbone"]["name"] == "test_resnet"


def test_resuming_continues_the_step_count(run, demo_folder, tmp_path):
    last = run[0] / "checkpoints/last.ckpt"
    choice = [f"ckpt_path={last}", "trainer.max_epochs=2", "logger=none"]
    _, objects = train(compose_config("train", [*overrides(demo_folder, tmp_path), *choice]))
    assert objects["trainer"].current_epoch == 2
    assert objects["trainer"].global_step == 4


def test_evaluation(run, tiny):
    folder, metrics, _ = run
    checkpoint = folder / "checkpoints/best.ckpt"
    cfg = compose_config("evaluate", [*tiny, f"checkpoint={checkpoint}", "trainer.accelerator=cpu"])
    summary, objects = evaluate(cfg)
    out = objects["folder"]
    assert json.loads((out / "metrics.json").read_text()) == summary
    assert set(summary) == {*METRIC_NAMES["gfm"], "num_images"}
    assert summary["num_images"] == 2
    # The same photos, weights and inferer; mattes are rounded to 8 bits in between.
    assert summary["sad"] == pytest.approx(metrics["val/sad"], rel=5e-3)
    rows = list(csv.DictReader((out / "per_image.csv").open()))
    assert [r["name"] for r in rows] == sorted(p.stem for p in (out / "alpha").iterdir())
    assert sum(float(r["sad"]) for r in rows) / 2 == pytest.approx(summary["sad"])
    assert "<html" in (out / "report.html").read_text()[:500]


@pytest.mark.parametrize("inference", ["hybrid", "native"])
def test_evaluation_by_another_inferer_and_protocol(run, tiny, inference):
    checkpoint = run[0] / "checkpoints/last.ckpt"
    choice = [f"inference={inference}", "protocol=dim", "trainer.accelerator=cpu"]
    summary, _ = evaluate(compose_config("evaluate", [*tiny, f"checkpoint={checkpoint}", *choice]))
    assert set(summary) == {*METRIC_NAMES["dim"], "num_images"}


def test_fine_tuning_starts_from_a_checkpoint(run, tiny_training):
    checkpoint = run[0] / "checkpoints/last.ckpt"
    frozen = ["optimizer.lr=0", "logger=none", "trainer.limit_val_batches=0", "callbacks=none"]
    cfg = compose_config("train", [*tiny_training, f"init_from={checkpoint}", *frozen])
    _, objects = train(cfg)
    tuned = dict(objects["module"].model.named_parameters())
    trained = dict(run[2]["module"].model.named_parameters())
    assert all(torch.equal(tuned[name], trained[name]) for name in trained)


def test_fine_tuning_requires_the_same_normalization(run, tiny_training):
    checkpoint = run[0] / "checkpoints/last.ckpt"
    other = [f"init_from={checkpoint}", "backbone.normalization=none", "logger=none"]
    with pytest.raises(GFMError, match=r"trained with backbone\.normalization=imagenet: set"):
        train(compose_config("train", [*tiny_training, *other, "callbacks=none"]))


def test_training_overfits_four_samples(tiny):
    """The real training step can overfit."""
    overrides = [
        *tiny,
        *SMALL_NETWORK,
        "track=ori",
        "data.batch_size=4",
        "data.crop_sizes=[128]",
        "data.input_size=64",
        "recipe.learning_rate=3e-3",
        "data.flip_probability=0",
        "data.transition_probability=0",
        "trainer.max_epochs=150",
        "trainer.precision=32-true",  # on every machine
        "trainer.accelerator=cpu",
        "trainer.check_val_every_n_epoch=1000",
        "logger=none",
        "callbacks=none",
    ]
    _, objects = train(compose_config("train", overrides))
    module = objects["module"]
    training = objects["datamodule"].training
    samples = [training[149, index] for index in range(4)]  # as the last epoch showed them
    image, alpha = (torch.stack([s[k] for s in samples]).float() / 255 for k in ("image", "alpha"))
    with torch.inference_mode():
        preds = module.model.eval()(image).alpha
    assert (preds - alpha).abs().mean() < 0.03


def test_debug_overfit_repeats_one_batch(tiny_training, monkeypatch):
    seen = []
    step = MattingModule.training_step

    def look(self, batch, batch_idx):
        seen.append(batch["image"].clone())
        return step(self, batch, batch_idx)

    monkeypatch.setattr(MattingModule, "training_step", look)
    options = [o for o in tiny_training if not o.startswith(("trainer.", "trainer.limit"))]
    few = ["debug=overfit", "trainer.max_epochs=3", "trainer.accelerator=cpu", "test=false"]
    train(compose_config("train", [*options, *few, "callbacks=none"]))
    assert len(seen) == 3
    assert all(torch.equal(image, seen[0]) for image in seen)


def test_a_non_finite_loss_stops_the_run(tiny_training):
    diverging = ["optimizer.lr=1e30", "logger=none", "callbacks=none"]
    with pytest.raises(GFMError, match=r"finite at step 1 \(.*glance nan.*; samples \w+, \w+\)"):
        train(compose_config("train", [*tiny_training, *diverging]))


def test_a_non_finite_loss_in_one_process_stops_all(tiny_training, monkeypatch):
    def reduce(self, tensor, *args, **kwargs):
        # In place, as for several processes; Lightning also reduces counts.
        return tensor.fill_(float("nan")) if tensor.is_floating_point() else tensor

    monkeypatch.setattr(pl.strategies.SingleDeviceStrategy, "reduce", reduce)
    with pytest.raises(GFMError, match="loss in another process is not finite at step 0"):
        train(compose_config("train", [*tiny_training, "logger=none", "callbacks=none"]))


@pytest.mark.parametrize(
    ("overrides", "named", "fix"),
    [
        (["backbone=r35"], "backbone/r35", "r34_2b"),
        (["data=am2k", "paths.am2k=/nowhere"], "/nowhere/validation/mask", "paths.am2k="),
    ],
)
def test_errors_are_a_single_line(overrides, named, fix, tmp_path, monkeypatch, capsys):
    """``tests/reliability/test_bad_configs.py`` tests many more."""
    assert train_status(monkeypatch, *overrides, f"hydra.run.dir={tmp_path}") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert named in line
    assert fix in line


@pytest.mark.parametrize("none", ["max_epochs=0", "max_steps=0", "limit_train_batches=0"])
def test_training_without_a_step_is_an_error(tiny_training, demo_roots, tmp_path, none):
    options = [*tiny_training, "logger=none", f"trainer.{none}"]
    with pytest.raises(GFMError, match=r"training took no step.* set trainer\.max_epochs"):
        train(compose_config("train", options))
    assert not list(tmp_path.rglob("*.ckpt"))


def test_a_training_in_spawned_processes_has_steps():
    """The parent process receives the values that they logged, but not their step count."""
    trainer = SimpleNamespace(global_step=0, callback_metrics={"train/loss": 0.5})
    check_trained(trainer, None)
    trainer.callback_metrics = {}
    with pytest.raises(GFMError, match="training took no step"):
        check_trained(trainer, None)


def test_a_broken_file_stops_the_run_and_is_named(tiny_training, demo_roots, demo_folder, tmp_path):
    broken = tmp_path / "demo"
    shutil.copytree(demo_folder, broken)
    photo = next(broken.glob("*/AM-2k/train/mask/*.png"))
    photo.write_bytes(photo.read_bytes()[:50])
    overrides = [*tiny_training, f"paths.demo={broken}", "logger=none", "callbacks=none"]
    with pytest.raises(GFMError, match=photo.name):
        train(compose_config("train", overrides))
