"""Runs on dashboards, read back from the file of an offline run."""

import json
import math
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
import wandb
from PIL import Image

from gfm.evaluation.results import log_test_sets
from gfm.metrics import METRIC_NAMES
from gfm.run.train import train
from gfm.training.loggers.dashboard import STEP, Dashboard
from gfm.training.provenance import git_commit, provenance
from tests import processes
from tests.conftest import EVERY_EPOCH, PROJECT, SMALL_DATA, SMALL_TRAINING, compose_config
from tests.training.test_choices import THREE_STAGES
from tests.training.wandb_file import described, files, logged, read, rows, summary

METRICS = METRIC_NAMES["gfm"]
TERMS = ["glance", "focus_alpha", "focus_laplacian", "fusion_alpha", "fusion_laplacian"]


@pytest.fixture
def offline(monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("HOME", str(tmp_path))


def with_logger(options, name):
    return [*(o for o in options if not o.startswith("logger")), f"logger={name}"]


def test_an_offline_run_logs_metrics_and_configuration(tiny_training, tmp_path, offline):
    cfg = compose_config("train", [*with_logger(tiny_training, "many"), "trainer.max_epochs=2"])
    _, objects = train(cfg)
    folder = tmp_path / "run"
    values = logged(folder)
    expected = {"train/loss", *(f"train/loss_{term}" for term in TERMS)}
    expected |= {"train/samples_per_second", "train/data_wait", "train/gradient_norm"}
    expected |= {f"{stage}/{name}" for stage in ("val", "test") for name in METRICS}
    assert expected <= values.keys()
    # Of the last step, of four: near the end of a cosine that falls to 0.05 of the peak.
    assert 7e-4 * 0.05 < values["train/learning_rate"] < 7e-4 / 2
    assert not [name for name in values if "Adam" in name]

    run, config = described(folder)
    assert run.display_name == "test_resnet_tt_ori"
    assert list(run.tags) == ["test_resnet", "tt", "ori", "demo"]
    assert (run.run_group, run.job_type) == ("", "train")
    assert config["backbone"]["name"] == "test_resnet"
    assert config["optimizer"]["lr"] == 1e-3
    assert config["num_parameters"] == sum(p.numel() for p in objects["module"].parameters())
    assert config["provenance"] == provenance(objects["datamodule"])
    saved = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
    assert saved["hyper_parameters"]["provenance"] == config["provenance"]


class EndWandb(pl.Callback):
    """Ends W&B's process after the first step, as a signal to all processes does."""

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if batch_idx == 0:
            subprocess.run(["pkill", "-TERM", "-P", str(os.getpid()), "wandb-core"], check=True)
            time.sleep(0.5)


def test_training_continues_and_saves_if_the_wandb_process_ends(tiny_training, tmp_path, offline):
    options = [
        *with_logger(tiny_training, "many"),
        f"+callbacks.end_wandb._target_={__name__}.EndWandb",
    ]
    with pytest.warns(UserWarning, match="the W&B process has ended"):
        metrics, _ = train(compose_config("train", options))
    with suppress(SystemExit):  # with the status of the process that ended
        wandb.teardown()  # other tests get a new one
    assert "test/sad" in metrics
    assert (tmp_path / "run/checkpoints/last.ckpt").is_file()


def test_an_evaluation_ends_well_if_the_process_of_wandb_has_ended(tmp_path, offline, monkeypatch):
    def lost(*_, **__):
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(wandb.Run, "finish", lost)
        log_test_sets([Dashboard(save_dir=tmp_path)], {"sad": 1.0}, {})
    wandb.finish()


def test_previews_and_tables_are_logged(tiny_training, tmp_path, offline):
    train(compose_config("train", with_logger(tiny_training, "wandb")))
    (file,) = files(tmp_path / "run")
    records = read(file)
    found, artifacts = rows(records), [r.artifact for r in records if r.HasField("artifact")]
    (shown,) = (row for row in found if "val/previews/count" in row)
    (scores,) = (row for row in found if "val/sad" in row)
    assert shown["val/previews/count"] == 2
    assert [c.split(",")[0] for c in shown["val/previews/captions"]] == ["m_00000005", "m_00000006"]
    assert all("epoch 0: image | glance" in caption for caption in shown["val/previews/captions"])
    assert (shown["epoch"], shown[STEP]) == (scores["epoch"], scores[STEP])
    media = file.parent / "files"
    for name, masks in zip(
        shown["val/previews/filenames"], shown["val/previews/all_masks"], strict=True
    ):
        assert masks.keys() == {"truth", "prediction"}
        truth = Image.open(media / masks["truth"]["path"])
        assert truth.size == Image.open(media / name).size
        width = truth.width // 6
        colours = truth.convert("L")
        assert set(colours.crop((0, 0, width, truth.height)).getdata()) == {0, 1, 2}
        assert set(colours.crop((width, 0, truth.width, truth.height)).getdata()) == {0}
    for stage in ("val", "test"):
        (table,) = (row for row in found if f"{stage}/per_image/ncols" in row)
        assert table[f"{stage}/per_image/nrows"] == 2
        held = next(a for a in artifacts if f"-{stage}per_image-" in a.name).manifest.contents
        (path,) = (c.local_path for c in held if c.path.endswith(".table.json"))
        content = json.loads(Path(path).read_text())
        pictures = {c.path for c in held} - {f"{stage}/per_image.table.json"}
        assert content["columns"] == ["name", "input", "alpha", "truth", "error", *METRICS]
        first = content["data"][0]
        assert first[0] == "m_00000005"
        assert {picture["path"] for picture in first[1:5]} <= pictures
        assert [picture["height"] for picture in first[1:5]] == [128] * 4  # as large as the photo
        mean = sum(row[5] for row in content["data"]) / 2
        assert mean == pytest.approx(scores["val/sad"], rel=1e-6)


def test_the_summary_has_best_and_last_values(tiny_training, tmp_path, offline):
    extra = "+extra_metrics.share={_target_: tests.training.test_dashboards.share, _partial_: true}"
    options = [*with_logger(tiny_training, "wandb"), "optimizer.lr=0.02", extra]
    metrics, _ = train(compose_config("train", [*options, "trainer.max_epochs=4", "test=false"]))
    (file,) = files(tmp_path / "run")
    records = read(file)
    defined = {r.metric.name: r.metric for r in records if r.HasField("metric")}
    for name in (*METRICS, "share"):
        seen = [row[f"val/{name}"] for row in rows(records) if f"val/{name}" in row]
        value = summary(records)[f"val/{name}"]
        assert len(seen) == 4
        assert (value["min"], value["last"]) == (min(seen), seen[-1])
        assert value.get("max") == (max(seen) if name == "share" else None)
        assert defined[f"val/{name}"].step_metric == "epoch"
    assert value["last"] == metrics["val/share"]
    assert all({"epoch", STEP} <= row.keys() for row in rows(records))


def share(batch):
    return batch.preds.mean((1, 2, 3))


def test_code_and_weights_are_uploaded_on_request(tiny_training, tmp_path, offline):
    code = tmp_path / "theirs"
    (code / ".hidden").mkdir(parents=True)
    for name in ("net.py", "net.yaml", "notes.txt", ".hidden/old.py"):
        (code / name).write_text("1")
    wish = [f"logger.wandb.log_code={code}", "logger.wandb.log_model=true"]
    train(compose_config("train", [*with_logger(tiny_training, "wandb"), *wish]))
    (file,) = files(tmp_path / "run")
    artifacts = [r.artifact for r in read(file) if r.HasField("artifact")]
    held = {
        a.type + "/" + a.name.rsplit("-", 1)[0]: sorted(c.path for c in a.manifest.contents)
        for a in artifacts
        if a.type in ("model", "code")
    }
    (source,) = (files for name, files in held.items() if name.startswith("code/"))
    assert source == ["net.py", "net.yaml"]
    assert held["model/best"] == ["best.ckpt"]
    assert held["model/last"] == ["last.ckpt"]
    assert [set(a.aliases) for a in artifacts if a.type == "model"] == [
        {"latest", "best"},
        {"latest", "last"},
    ]


def test_log_model_all_uploads_every_checkpoint(tiny_training, tmp_path, offline):
    wish = ["logger.wandb.log_model=all", "trainer.max_epochs=2", "test=false", "optimizer.lr=0"]
    options = [*with_logger(tiny_training, "wandb"), *wish, *EVERY_EPOCH]
    train(compose_config("train", options))
    (file,) = files(tmp_path / "run")
    names = [r.artifact.name for r in read(file) if r.artifact.type == "model"]
    assert [name.split("-")[0] for name in names].count("last") == 3  # and the end


def test_each_parameter_group_logs_its_learning_rate(tiny_training):
    metrics, objects = train(
        compose_config(
            "train", [*tiny_training, *THREE_STAGES, "layer_decay=0.5", "optimizer=adamw"]
        )
    )
    rates = [group["initial_lr"] for group in objects["trainer"].optimizers[0].param_groups]
    assert len(rates) == 4
    names = ["train/learning_rate", *(f"train/learning_rate_{n}" for n in range(2, len(rates) + 1))]
    last = [metrics[name] for name in names]
    assert [rate / last[0] for rate in last] == pytest.approx([r / rates[0] for r in rates])


def _run(demo_folder, folder, *more):
    options = [*SMALL_DATA, *with_logger(SMALL_TRAINING, "wandb"), f"paths.demo={demo_folder}"]
    options += EVERY_EPOCH
    command = ["train.py", *options, "track=ori", "trainer.max_epochs=4", *more]
    return processes.run([*command, f"hydra.run.dir={folder}"], env=_alone()).returncode


def _alone():
    """Return the environment of a process that starts a separate W&B service, as runs do."""
    kept = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}
    return {**kept, "OMP_NUM_THREADS": "1"}


KILLER = "+callbacks.k={_target_: tests.training.killer.Killer, epoch: 2}"


# Unwritten rows are logged again: with the long interval, W&B loses all rows of the first process.
@pytest.mark.parametrize("flush", ["0.05", "3600"])
def test_curves_have_no_gap_after_a_kill(
    demo_folder, demo_roots, tmp_path, offline, monkeypatch, flush
):
    monkeypatch.setenv("WANDB_X_TRANSACTION_LOG_FLUSH_INTERVAL", flush)
    monkeypatch.setenv("PYTHONPATH", str(PROJECT), prepend=os.pathsep)
    run = tmp_path / "run"
    with monkeypatch.context() as told:
        told.setenv("KILL", "1")
        assert _run(demo_folder, run, KILLER, "optimizer.lr=0.02") == -signal.SIGKILL
    assert _run(demo_folder, run, f"ckpt_path={run}", "trust=[tests]") == 0

    first, second = files(run)
    before, after = read(first, was_killed=True), read(second)
    runs = [next(r.run for r in records if r.HasField("run")) for records in (before, after)]
    assert runs[0].run_id == runs[1].run_id
    both = [rows(before), rows(after)]
    steps = [row["_step"] for part in both for row in part]
    assert steps == list(range(len(steps)))
    for name, count in (("train/loss", 8), ("val/sad", 4), ("train/learning_rate", 8)):
        curve = [(row[STEP], row[name]) for part in both for row in part if name in row]
        known = dict(curve)
        assert all(known[step] == value for step, value in curve)  # repeated steps agree
        assert len(known) == count
        assert [step for step, _ in curve] == sorted(step for step, _ in curve)
    seen = [row["val/sad"] for part in both for row in part if "val/sad" in row]
    assert summary(after)["val/sad"] == {"min": min(seen), "last": seen[-1]}


def test_runs_of_a_sweep_have_distinct_names_and_a_group(
    demo_folder, demo_roots, tmp_path, offline
):
    options = [*SMALL_DATA, *with_logger(SMALL_TRAINING, "wandb"), f"paths.demo={demo_folder}"]
    more = ["track=ori", "test=false", "+run.notes=x", f"paths.runs={tmp_path}"]
    command = ["train.py", "-m", *options, *more, "layer_decay=1,0.5", "seed=3"]
    assert processes.run(command, env=_alone()).returncode == 0
    (sweep,) = tmp_path.glob("train_multirun/*")
    runs = [described(sweep / number)[0] for number in ("0", "1")]
    assert [run.display_name for run in runs] == [
        "test_resnet_tt_ori layer_decay=1",
        "test_resnet_tt_ori layer_decay=0.5",
    ]
    assert [run.run_group for run in runs] == [sweep.name] * 2
    assert [run.job_type for run in runs] == ["train"] * 2
    # A job that is resumed alone still belongs to the sweep.
    command = ["train.py", f"ckpt_path={sweep / '1'}", "trainer.max_epochs=2"]
    assert processes.run(command, env=_alone()).returncode == 0
    again = [next(r.run for r in read(f) if r.HasField("run")) for f in files(sweep / "1")]
    assert len({(run.run_id, run.display_name, run.run_group) for run in again}) == 1
    assert len(again) == 2


def test_provenance_identifies_data_and_code(tiny_training, demo_roots):
    _, objects = train(
        compose_config("train", [*tiny_training, "logger=none", "trainer.fast_dev_run=true"])
    )
    datamodule = objects["datamodule"]
    before = provenance(datamodule)
    assert before == provenance(datamodule)
    datamodule.photos = datamodule.photos[:1]
    assert provenance(datamodule)["data"] != before["data"]
    assert torch.__version__.startswith(before["packages"]["torch"])
    try:
        command = ["git", "rev-parse", "HEAD"]
        head = subprocess.check_output(command, cwd=PROJECT, text=True, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        assert git_commit() is None
    else:
        assert head.startswith(git_commit().removesuffix("-dirty"))


def test_tensorboard_keeps_curves_and_pictures(tiny_training, tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    train(compose_config("train", with_logger(tiny_training, "tensorboard")))
    events = accumulator.EventAccumulator(str(tmp_path / "run")).Reload()
    assert {"train/loss", "val/sad", "train/learning_rate"} <= set(events.Tags()["scalars"])
    pictures = ["val/previews/m_00000005", "val/previews/m_00000006"]
    assert sorted(events.Tags()["images"]) == pictures
    assert all(math.isfinite(e.value) for e in events.Scalars("val/sad"))
