"""Evaluations of a network: precision, and results on W&B."""

import json

import numpy as np
import pytest

from gfm.data.images import read_alpha
from tests.evaluation.conftest import SIZES
from tests.training.wandb_file import logged


def test_bfloat16_is_close(run, weights):
    exact, folder = run(f"checkpoint={weights}", "inference=hybrid")
    close, other = run(
        f"checkpoint={weights}", "inference=hybrid", "trainer.precision=bf16-mixed", folder="bf16"
    )
    assert close != exact
    mattes = [
        np.concatenate([read_alpha(out / f"alpha/{name}.png").ravel() for name in SIZES]) / 255.0
        for out in (folder, other)
    ]
    # Where two classes are almost equally likely, rounding may swap them.
    assert np.median(abs(mattes[0] - mattes[1])) < 0.004
    assert close["mad"] == pytest.approx(exact["mad"], abs=0.02)
    assert "bf16-mixed" in (other / "report.html").read_text()


def test_results_go_to_wandb(run, mattes, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    summary, folder = run(f"predictions={mattes}", "logger=wandb")
    values = logged(folder)
    assert {name: values[f"test/{name}"] for name in summary} == pytest.approx(summary)
    assert values["test/per_image/_type"] == "table-file"
    (file,) = folder.rglob("*.table.json")
    table = json.loads(file.read_text())
    columns = [name for name in table["columns"] if name in summary]
    assert columns == [name for name in summary if name != "num_images"]
    assert [row[0] for row in table["data"]] == list(SIZES)
    sad = table["columns"].index("sad")
    assert np.mean([row[sad] for row in table["data"]]) == pytest.approx(summary["sad"])
