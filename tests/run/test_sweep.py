"""Sweeps by Hydra's launchers and searches, through the command line."""

import csv
import math
import re
from contextlib import nullcontext

import pytest
import yaml
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

from gfm.errors import GFMError
from gfm.run import build_evaluation
from gfm.run.configuration import load_evaluate_configs
from gfm.run.folders import check_shared
from gfm.run.sweep import run_job, write_result
from gfm.run.sweep_callback import SweepCallback
from gfm.run.sweep_table import print_tables
from gfm.run.train import train
from tests import processes
from tests.conftest import PROJECT, SMALL_DATA, SMALL_TRAINING, compose_config
from tests.run.test_finetune import write_weights

RANKED = {"objective": "sad", "objective_mode": "min"}


def sweep(demo_folder, folder, *options):
    """Run a sweep; return the finished process, and the rows of ``sweep.csv``."""
    small = [f"paths.demo={demo_folder}", f"paths.runs={folder}", *SMALL_DATA, *SMALL_TRAINING]
    done = processes.run(["train.py", "-m", *small, "track=ori", *options])
    (table,) = folder.glob("train_multirun/*/sweep.csv")
    return done, list(csv.DictReader(table.open()))


def test_a_sweep_continues_after_a_failure_and_ranks_the_rest(demo_folder, demo_roots, tmp_path):
    options = ("rosta=tt,ft", "layer_decay=2,1")
    done, rows = sweep(demo_folder, tmp_path, *options)
    assert done.returncode == 1
    assert "error: layer_decay=2: choose a number above 0" in done.stderr
    assert "2 of 4 runs failed" in done.stdout
    assert [row["status"] for row in rows] == ["finished", "finished", "failed", "failed"]
    assert float(rows[0]["objective"]) <= float(rows[1]["objective"])
    assert [row["layer_decay"] for row in rows] == ["1", "1", "2", "2"]
    assert [bool(row["val/sad"]) for row in rows] == [True, True, False, False]
    first = re.search("best first.*", done.stdout, re.DOTALL).group()
    assert first.index(f"│ {rows[0]['run']} ") < first.index(f"│ {rows[1]['run']} ")
    (error,) = tmp_path.glob(f"train_multirun/*/{rows[2]['run']}/error.txt")
    assert error.read_text().startswith("layer_decay=2")


LAUNCHERS = {
    "joblib": (["hydra.launcher.n_jobs=2", "layer_decay=2,1"], [True, False]),
    "submitit_local": (["hydra.launcher.timeout_min=5", "layer_decay=1"], [True]),
}
"""By launcher: options (those of joblib include a job that fails), and which rows have a value."""


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_launchers(demo_folder, demo_roots, tmp_path, launcher):
    """Jobs in other processes load photos in workers, and hide the libraries' advertisements."""
    pytest.importorskip(f"hydra_plugins.hydra_{launcher.split('_')[0]}_launcher")
    options, succeed = LAUNCHERS[launcher]
    options = [*options, f"hydra/launcher={launcher}", "data.num_workers=1"]
    done, rows = sweep(demo_folder, tmp_path, *options)
    assert done.returncode == int(not all(succeed))
    assert "Tip" not in done.stdout + done.stderr
    assert [bool(row["val/sad"]) for row in rows] == succeed


def test_a_search_continues_after_a_failure(demo_folder, demo_roots, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    options = ["hydra.sweeper.n_trials=3", "layer_decay=choice(2, 1)", "loss.focus=0.2"]
    _, rows = sweep(demo_folder, tmp_path, "hparams_search=optuna", *options)
    assert len(rows) == 3
    assert len({row["optimizer.lr"] for row in rows}) == 3
    (file,) = tmp_path.glob("train_multirun/*/optimization_results.yaml")
    best = yaml.safe_load(file.read_text())["best_value"]
    values = [float(row["objective"]) for row in rows if row["objective"]]
    assert best == pytest.approx(min(values))
    failed = [row["layer_decay"] == "2" for row in rows]
    assert failed == [not row["objective"] for row in rows]
    assert any(failed), "choose another seed"
    assert not all(failed), "choose another seed"


def test_runs_without_an_objective_are_shown(capsys):
    result = {"run": "0", "overrides": [], "objective": None, "status": "finished", "metrics": {}}
    print_tables([result], None)
    assert "objective" in capsys.readouterr().out


def test_a_search_needs_a_sweep(monkeypatch):
    choices = {"mode": RunMode.RUN, "runtime": {"choices": {"hparams_search": "optuna"}}}
    monkeypatch.setattr(HydraConfig, "initialized", lambda: True)
    monkeypatch.setattr(HydraConfig, "get", lambda: OmegaConf.create(choices))
    with pytest.raises(GFMError, match="a search is many runs: add -m"):
        run_job(compose_config("train", ["paths.run=."]), train)


def test_a_single_run_leaves_no_result(tmp_path):
    config = OmegaConf.create({"hydra": {"mode": RunMode.RUN}})
    SweepCallback().on_job_end(config, None)


@pytest.mark.parametrize(
    ("option", "run", "is_shared"),
    [("seed=0,1", "here", True), ("seed=0,1", "${seed}", False), ("seed=0", "here", False)],
)
def test_the_runs_of_a_sweep_do_not_share_a_folder(tmp_path, capsys, option, run, is_shared):
    hydra = {"overrides": {"task": [option]}, "sweep": {"dir": str(tmp_path)}}
    config = OmegaConf.create({"hydra": hydra, "paths": {"run": run}})
    with pytest.raises(SystemExit) if is_shared else nullcontext():
        SweepCallback().on_multirun_start(config)
    message = "paths.run=here would be the folder of every run: set hydra.sweep.dir"
    assert (message in " ".join(capsys.readouterr().err.split())) is is_shared


def test_a_grid_does_not_start_in_the_folder_of_another(tmp_path, capsys):
    def begin(*options):
        sweep = {"dir": str(tmp_path), "subdir": "${hydra.job.num}"}
        sweeper = {"_target_": "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"}
        hydra = {"overrides": {"task": options}, "sweep": sweep, "sweeper": sweeper}
        config = OmegaConf.create({"hydra": hydra, "paths": {"run": "${hydra:runtime.output_dir}"}})
        SweepCallback().on_multirun_start(config)

    begin("seed=0,1", "rosta=tt")
    (tmp_path / "1").mkdir()
    write_result(tmp_path / "1", {"status": "failed", "overrides": ["seed=1", "rosta=tt"]})
    begin("seed=0,1,2", "rosta=tt")  # more jobs at the end
    with pytest.raises(SystemExit):
        begin("layer_decay=1,0.9", "rosta=tt")
    assert "/1 holds a run that differs in" in " ".join(capsys.readouterr().err.split())
    assert (tmp_path / "swept.json").read_text() == '["seed"]\n'


def set_hydra(monkeypatch, folder, launcher, **more):
    """Make this process look like a job of a sweep."""
    node = {"mode": RunMode.MULTIRUN, "runtime": {"output_dir": str(folder)}}
    node |= {"launcher": {"_target_": launcher}, "overrides": {"task": ["seed=1"]}, **more}
    monkeypatch.setattr(HydraConfig, "initialized", lambda: True)
    monkeypatch.setattr(HydraConfig, "get", lambda: OmegaConf.create(node))


def test_an_evaluation_in_a_sweep_starts_no_scripts(tmp_path, monkeypatch):
    weights = write_weights(tmp_path / "small.ckpt")
    given = [f"checkpoint={weights}", f"paths.run={tmp_path}", "trainer=ddp_cpu"]
    cfg = compose_config("evaluate", [*given, "trainer.strategy=ddp"])
    config = load_evaluate_configs(cfg)[0]
    set_hydra(monkeypatch, tmp_path, "basic")
    with pytest.raises(GFMError, match=r"set trainer\.strategy=ddp_spawn"):
        build_evaluation.load(config)


@pytest.mark.parametrize(("rank", "written"), [("0", True), ("1", False)])
def test_only_rank_zero_writes_the_result(tmp_path, monkeypatch, rank, written):
    set_hydra(monkeypatch, tmp_path, "submitit")
    monkeypatch.setenv("SLURM_PROCID", rank)
    cfg = OmegaConf.create({**RANKED, "paths": {"run": str(tmp_path)}})
    run_job(cfg, lambda _: ({"sad": 1.0}, {}))
    assert (tmp_path / "result.json").is_file() is written


def test_a_failed_trial_that_later_ones_depend_on_is_not_run_again(tmp_path, monkeypatch, capsys):
    failed = {"status": "failed", "objective": None, "overrides": ["seed=1"]}
    for number, status in {"3": "failed", "4": "failed", "5": "finished"}.items():
        (tmp_path / number).mkdir()
        write_result(tmp_path / number, {**failed, "status": status})
    cfg = OmegaConf.create({**RANKED, "paths": {"run": str(tmp_path)}})
    search = {"sweeper": {"_target_": "optuna"}, "sweep": {"dir": str(tmp_path)}, "job": {"num": 3}}
    set_hydra(monkeypatch, tmp_path / "3", "basic", **search)
    assert run_job(cfg, lambda _: ({"sad": 1.0}, {})) == math.inf
    assert "3 has failed already" in " ".join(capsys.readouterr().out.split())
    (tmp_path / "5/result.json").unlink()
    assert run_job(cfg, lambda _: ({"sad": 1.0}, {})) == 1


def test_processes_of_a_job_share_its_folder_with_submitit_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "2")
    cfg = OmegaConf.create({"paths": {"run": "${hydra:runtime.output_dir}"}})
    set_hydra(monkeypatch, tmp_path, "hydra_plugins.hydra_submitit_launcher.SlurmLauncher")
    check_shared(cfg)
    set_hydra(monkeypatch, tmp_path, "hydra._internal.core_plugins.basic_launcher.BasicLauncher")
    with pytest.raises(GFMError, match="would start the whole sweep in each process: start it"):
        check_shared(cfg)


def test_every_choice_of_the_wandb_sweep_composes():
    """What an agent would run: ``${args_no_hyphens}`` becomes ``name=value`` for each parameter."""
    content = yaml.safe_load((PROJECT / "docs/examples/wandb_sweep.yaml").read_text())
    assert (PROJECT / content["program"]).is_file()
    assert content["metric"]["name"] == compose_config("train", ["paths.run=."]).objective
    assert content["command"][-1] == "${args_no_hyphens}"
    choices = [p.get("values") or [p["min"], p["max"]] for p in content["parameters"].values()]
    fixed = [o for o in content["command"] if "=" in o]
    for index in range(max(map(len, choices))):
        values = [choice[index % len(choice)] for choice in choices]
        options = [f"{n}={v}" for n, v in zip(content["parameters"], values, strict=True)]
        cfg = compose_config("train", ["paths.run=.", *fixed, *options])
        for name, value in zip(content["parameters"], values, strict=True):
            chosen = OmegaConf.select(cfg, name)
            assert chosen == value
