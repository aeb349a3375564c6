"""A network as the source of mattes: precision, progress, and what a dashboard gets."""

import json

import numpy as np
import pytest

from gfm.console import PlainProgress
from gfm.data.images import read_alpha
from gfm.evaluation import progress
from gfm.evaluation.progress import PhotoProgress
from tests.evaluation.conftest import SIZES
from tests.wandb_file import logged


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
    # Where a class is nearly as likely as another, rounding may choose the other.
    assert np.median(abs(mattes[0] - mattes[1])) < 0.004
    assert close["mad"] == pytest.approx(exact["mad"], abs=0.02)
    assert "bf16-mixed" in (other / "report.html").read_text()


def test_progress_without_a_terminal(monkeypatch, capsys):
    seconds = iter(range(0, 100, 5))
    monkeypatch.setattr("gfm.console.time.monotonic", lambda: float(next(seconds)))
    with PhotoProgress(8, num_done=2) as shown:
        for _ in range(5):
            shown.advance()
    assert capsys.readouterr().out.splitlines() == [
        "photo 4/8  0:00:20 left",
        "photo 6/8  0:00:10 left",
    ]


def test_progress_on_a_terminal(monkeypatch, capsys):
    terminal = progress.console().__class__(force_terminal=True, width=80)
    monkeypatch.setattr(progress, "console", lambda: terminal)
    with PhotoProgress(8, num_done=2) as shown:
        shown.advance(3)
    assert "5/8" in capsys.readouterr().out
    assert not isinstance(shown.lines, PlainProgress)


def test_results_go_to_wandb(run, mattes, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    summary, folder = run(f"predictions={mattes}", "logger=wandb")
    values = logged(folder)
    assert {name: values[f"test/{name}"] for name in summary} == pytest.approx(summary)
    assert values["test/per_image/_type"] == "table-file"
    (file,) = folder.rglob("*.table.json")
    table = json.loads(file.read_text())
    assert table["columns"] == ["name", *(name for name in summary if name != "num_images")]
    assert [row[0] for row in table["data"]] == list(SIZES)
    assert np.mean([row[1] for row in table["data"]]) == pytest.approx(summary["sad"])
