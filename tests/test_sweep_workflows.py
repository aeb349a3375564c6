"""Sweeps and searches from the command line: killed, resumed, ranked and compared."""

import csv
import json
import re
import time
from pathlib import Path

import pytest
import yaml

from tests.commands import column, rows, run, small, step_of, surroundings
from tests.conftest import EVERY_EPOCH, PROJECT
from tests.processes import Command


@pytest.fixture(scope="module")
def desk(tmp_path_factory, demo_roots) -> Path:
    """Make an empty working folder."""
    return tmp_path_factory.mktemp("desk")


@pytest.fixture(scope="module")
def sweep(desk, demo_folder):
    """A sweep of four runs that is killed in the second, and then repeated."""
    options = [*small(demo_folder, "trainer.max_epochs"), "trainer.max_epochs=3"]
    command = [
        "-m",
        *options,
        "optimizer.lr=1e-2",
        "seed=0,1",
        "rosta=tt,ft",
        "hydra.sweep.dir=swept",
        *EVERY_EPOCH,
    ]
    with Command([PROJECT / "train.py", *command], desk, surroundings(desk)) as process:
        deadline = time.monotonic() + 100
        while not (desk / "swept/1/checkpoints/last.ckpt").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    first = (desk / "swept/0/result.json").stat().st_mtime_ns
    cut_off = json.loads((desk / "swept/1/result.json").read_text())
    assert cut_off["status"] == "running"
    begun = rows(desk / "swept/1") if (desk / "swept/1/metrics.csv").is_file() else []
    done = run("train.py", *command, cwd=desk)
    assert done.returncode == 0, done.stderr
    return done, first, begun


def test_a_killed_sweep_resumes(sweep, desk):
    done, first, _ = sweep
    assert "swept/0 is finished already" in done.stdout
    assert (desk / "swept/0/result.json").stat().st_mtime_ns == first
    cut_off = yaml.safe_load((desk / "swept/1/config.yaml").read_text())
    assert cut_off["ckpt_path"] == str(desk / "swept/1/checkpoints/last.ckpt")
    for number in range(4):
        assert step_of(desk / f"swept/{number}/checkpoints/last.ckpt") == 6
    before = {path: path.read_bytes() for path in (desk / "swept").rglob("*.[jy]*")}
    other = run("train.py", "-m", "rosta=ft,tt", "hydra.sweep.dir=swept", cwd=desk)
    assert other.returncode == 1
    assert "swept/0 holds a run that differs in" in other.stderr
    assert "rosta=ft, rosta=tt" in other.stderr
    assert {path: path.read_bytes() for path in (desk / "swept").rglob("*.[jy]*")} == before


def test_runs_are_ranked_by_their_best_value_at_the_end(sweep, desk):
    done, *_ = sweep
    table = list(csv.DictReader((desk / "swept/sweep.csv").open()))
    assert [row["status"] for row in table] == ["finished"] * 4
    best = [min(column(desk / "swept" / row["run"], "val/sad")) for row in table]
    assert [float(row["objective"]) for row in table] == pytest.approx(best)
    assert best == sorted(best)
    for row in table:
        last = [r for r in rows(desk / "swept" / row["run"]) if r["val/sad"]][-1]
        assert float(row["val/sad"]) == pytest.approx(float(last["val/sad"]))
        assert float(row["seconds"]) > 0
        assert Path(desk / row["folder"]).is_dir()
    assert {(row["seed"], row["rosta"]) for row in table} == {
        (seed, rosta) for seed in "01" for rosta in ("tt", "ft")
    }
    seeds = done.stdout[done.stdout.index("over seeds") :]
    for rosta in ("tt", "ft"):
        values = [float(row["objective"]) for row in table if row["rosta"] == rosta]
        mean, deviation = sum(values) / 2, abs(values[0] - values[1]) / 2**0.5
        assert re.search(rf"rosta={rosta} +│ +2 │ +{mean:.5g} ± {deviation:.2g} ", seeds)


def test_a_search_with_storage_resumes(desk, demo_folder):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    command = [
        "-m",
        "hparams_search=optuna",
        *small(demo_folder),
        "layer_decay=1",
        "loss.focus=0.2",
    ]
    command += ["hydra.sweeper.storage=sqlite:///search.db", "hydra.sweep.dir=searched"]
    command += ["objective=val/sad_background", "objective_mode=max", "test=false"]
    for number in (2, 3):
        done = run("train.py", *command, f"hydra.sweeper.n_trials={number}", cwd=desk)
        assert done.returncode == 0, done.stderr
    table = list(csv.DictReader((desk / "searched/sweep.csv").open()))
    assert [row["run"] for row in table if row["run"].startswith("from_2/")] == ["from_2/0"]
    assert len({row["optimizer.lr"] for row in table}) == len(table) == 3
    values = [float(row["objective"]) for row in table]
    assert values == sorted(values, reverse=True)
    found = yaml.safe_load((desk / "searched/optimization_results.yaml").read_text())
    assert found["best_value"] == pytest.approx(values[0])


def test_runs_are_compared(sweep, desk):
    done = run("gfm", "compare", "swept/0", "swept/2", "swept/1", "--page", "page.html", cwd=desk)
    assert done.returncode == 0, done.stderr
    first, second = (
        {row["name"]: float(row["sad"]) for row in csv.DictReader((desk / path).open())}
        for path in ("swept/0/per_image.csv", "swept/2/per_image.csv")
    )  # fmt: skip
    means = [sum(scores.values()) / len(scores) for scores in (first, second)]
    assert re.search(rf"sad +│ +{means[0]:.4g} │ +{means[1]:.4g} ", done.stdout)
    differences = [second[name] - first[name] for name in first]
    low, high = min(differences), max(differences)  # of two photos the interval ends at either
    mean = sum(differences) / len(differences)
    assert f"{mean:+.3g} [{low:+.3g}, {high:+.3g}]" in done.stdout
    page = (desk / "page.html").read_text()
    assert all(name in page for name in first)
    assert not re.search(r"https?:", page)
    assert run("gfm", "compare", "swept/0", "swept", cwd=desk).stderr.startswith(
        "error: swept has no"
    )
