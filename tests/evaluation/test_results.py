"""Evaluations logged to W&B and TensorBoard, read back from their files."""

import json
import math
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from gfm.checkpoints.export.hub import read_metrics
from gfm.data.images import write_png
from gfm.evaluation.scoring import Scorer
from gfm.metrics import METRIC_NAMES
from gfm.run import build_evaluation
from gfm.system.run_folder import read_flat_mattes
from tests.evaluation.conftest import SIZES
from tests.training.wandb_file import described, files, read, rows

METRICS = METRIC_NAMES["gfm"]


def make_scorer_with(config, journal, **extra):
    return Scorer(config.folder / "alpha", config.protocol, journal, extra)


def test_wandb_has_pictures_histograms_and_facts(run, weights, monkeypatch, tmp_path):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("HOME", str(tmp_path))
    summary, folder = run(f"checkpoint={weights}", "logger=wandb")
    described_run, config = described(folder)
    assert described_run.job_type == "evaluate"
    assert config["protocol"] == "gfm"
    assert config["num_parameters"] > 1e5

    (file,) = files(folder)
    records = read(file)
    values = {}
    for row in rows(records):
        values |= row
    assert {name: values[f"test/{name}"] for name in summary} == pytest.approx(summary)
    assert values["test/previews/count"] == 4
    captions = [f"{name}: input | alpha | truth | error" for name in "abcd"]
    assert values["test/previews/captions"] == captions
    assert {"truth", "prediction"} == values["test/previews/all_masks"][0].keys()
    for name in METRICS:
        assert values[f"test/{name}_histogram/_type"] == "histogram"
        assert sum(values[f"test/{name}_histogram/values"]) == len(SIZES)

    (table,) = (r.artifact for r in records if r.artifact.type == "run_table")
    (path,) = (c.local_path for c in table.manifest.contents if c.path.endswith(".table.json"))
    content = json.loads(Path(path).read_text())
    assert content["columns"] == ["name", "input", "alpha", "truth", "error", *METRICS]
    assert [row[0] for row in content["data"]] == list(SIZES)
    sads = [row[content["columns"].index("sad")] for row in content["data"]]
    assert sum(sads) / len(sads) == pytest.approx(summary["sad"])
    for row in content["data"]:
        assert [(p["height"], p["width"]) for p in row[1:5]] == [SIZES[row[0]]] * 4


@pytest.mark.parametrize("also", [False, True])
def test_photos_seen_in_training_give_a_warning(run, data, weights, tmp_path, monkeypatch, also):
    (tmp_path / "train/checkpoints").mkdir(parents=True)
    checkpoint = shutil.copy(weights, tmp_path / "train/checkpoints/best.safetensors")
    summary, _ = run(f"checkpoint={checkpoint}", folder="before")
    roots = {"root": "mine", "also": [str(data)]} if also else {"root": str(data)}
    (tmp_path / "train/config.yaml").write_text(json.dumps({"data": roots}))
    of = f"{data.name}/" if also else ""
    split = f"name,part\n{of}a,trained on\n{of}b,held out\n{of}c,trained on\n"
    (tmp_path / "train/split.csv").write_text(split)
    monkeypatch.chdir(tmp_path / "train/checkpoints")
    with pytest.warns(UserWarning, match="trained on 2 of 5 photos of folder, for example a, so"):
        again, folder = run("checkpoint=best.safetensors")
    assert again == summary
    assert (
        "2 of 5 photos of folder, so the means are optimistic"
        in (folder / "report.html").read_text()
    )


def test_a_metric_without_a_value_for_a_photo_is_left_out_of_its_mean(run, mattes, monkeypatch):
    def narrow(batch):
        return torch.full((1,), math.nan if batch.preds.shape[3] > 75 else 2.0)

    def never(batch):
        return torch.full((1,), math.nan)

    def infinite(batch):
        return torch.full((1,), math.inf)

    monkeypatch.setattr(
        build_evaluation,
        "make_scorer",
        partial(make_scorer_with, narrow=narrow, never=never, infinite=infinite),
    )
    summary, folder = run(f"predictions={mattes}")
    assert summary["narrow"] == 2.0
    assert math.isnan(summary["never"])
    written = json.loads((folder / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert (written["narrow"], written["never"], written["infinite"]) == (2.0, None, None)
    assert "never" not in read_metrics(folder / "metrics.json")


def test_flat_mattes_are_listed(run, mattes, capsys):
    write_png(mattes / "b.png", np.full(SIZES["b"], 90, np.uint8))
    write_png(mattes / "d.png", np.zeros(SIZES["d"], np.uint8))
    _, folder = run(f"predictions={mattes}")
    assert read_flat_mattes(folder) == {"b", "d"}
    said = "2 of 5 mattes are nearly empty or constant: do not judge them by SAD alone"
    assert said in capsys.readouterr().out


def test_tensorboard_has_the_same_pictures_and_histograms(run, mattes):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    _, folder = run(f"predictions={mattes}", "logger=tensorboard")
    tags = accumulator.EventAccumulator(str(folder)).Reload().Tags()
    assert set(tags["images"]) == {f"test/previews/{name}" for name in "abcd"}
    assert set(tags["histograms"]) == {f"test/{name}_histogram" for name in METRICS}
    assert {f"test/{name}" for name in METRICS} <= set(tags["scalars"])
