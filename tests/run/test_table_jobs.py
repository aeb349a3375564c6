"""Tables: their runs, and a small table from the command line."""

import csv
import json
import re

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf, open_dict

from gfm.compat.hydra import swept_options
from gfm.errors import GFMError
from gfm.evaluation.published import find_published
from gfm.evaluation.table import load_definition
from gfm.run.configuration import load_evaluate_configs, load_train_config
from gfm.run.sweep import _claim_number, choose_gpu, run_job
from gfm.run.sweep_callback import _begin_table
from gfm.run.table_jobs import plan_table
from gfm.run.train import train
from gfm.system.locks import release_lock
from tests import processes
from tests.conftest import PROJECT, SMALL_DATA, SMALL_TRAINING, compose_config
from tests.system.test_locks import hold  # noqa: F401  a fixture

SHIPPED = sorted(path.stem for path in (PROJECT / "configs/table").glob("*.yaml"))
SCORED = ["inference", "inference_rim"]
TRAINED = [name for name in SHIPPED if name not in SCORED]
OWN = re.search(
    r"```yaml\n# conf/table/(\w+)\.yaml\n(.*?)```",
    (PROJECT / "docs/tables.md").read_text("utf-8"),
    re.DOTALL,
)


def compose_table(name, *options, program="train", sweep=None):
    """Return the configuration of a sweep that runs a table with options of the command line."""
    given = [f"table={name}", *options]
    config = compose_config(program, [o for o in given if not swept_options([o])])
    hydra = {"overrides": {"task": given}, "runtime": {"choices": {"table": name}}}
    hydra |= {"sweep": {"dir": str(sweep)}}
    with open_dict(config):
        config.hydra = OmegaConf.create(hydra)
    return config


def plan(name, *options, program="train"):
    """Return the definition and the jobs of a table."""
    return plan_table(compose_table(name, *options, program=program))


@pytest.mark.parametrize("name", TRAINED)
def test_all_cells_of_a_table_of_trainings_are_valid_and_differ(name, tmp_path):
    definition, jobs = plan(name, "data=demo", "seed=0,1")
    assert len(jobs) == 2 * len(definition.cells)
    assert [job[-2] for job in jobs[:2]] == ["seed=0", "seed=1"]
    composed = []
    for options in jobs[::2]:
        cfg = compose_config("train", [*options[:-1], f"paths.run={tmp_path}"])
        config = load_train_config(cfg).to_dict()
        assert config["test"] == "last"
        config.pop("run")
        composed.append(json.dumps(config, default=str))
    assert len(set(composed)) == len(composed)
    for label, row in definition.published.items():
        where = find_published(row).where
        options = {**dict(o.split("=") for o in definition.shared + definition.options[label])}
        assert where["track.name"] == options["track"]
        assert (where["backbone.name"], where["rosta"]) == (options["backbone"], options["rosta"])


@pytest.mark.parametrize("name", SCORED)
def test_all_cells_of_a_table_of_evaluations_are_valid(name, tmp_path):
    definition, jobs = plan(name, "checkpoint=a,b", program="evaluate")
    assert len(jobs) == 2 * len(definition.cells)
    assert [job[-2] for job in jobs[:2]] == ["checkpoint=a", "checkpoint=b"]
    for options in jobs[::2]:
        cfg = compose_config("evaluate", [*options[:-1], f"paths.run={tmp_path}"])
        load_evaluate_configs(cfg)


def test_the_command_line_overrides_the_options_of_a_table():
    definition, jobs = plan("rosta", "backbone=d121", "seed=5,5")
    assert jobs[0] == [
        *("track=ori", "backbone=d121", "test=last"),
        *("rosta=tt", "seed=5", "hydra.sweep.subdir=tt_seed5"),
    ]
    assert definition.cells == {name: [f"{name.lower()}_seed5"] for name in definition.cells}
    assert definition.shared == ["track=ori", "backbone=d121", "test=last"]


WRONG = {
    ("rosta", "rosta=ft"): "rosta=ft: cell TT of the table sets rosta itself",
    ("rosta", "backbone=r34,d121"): "in a table, only seed may have several values",
    ("rosta", "test=false"): "a table needs the final tests: remove test=false",
    ("rosta", "test=null"): "a table needs the final tests: remove test=null",
    ("rosta", "debug=fast"): "a table needs the final tests: remove debug=fast",
    ("rosta", "+table.metrics=[sadd]"): "table.metrics: no metric sadd: choose from sad, ",
    ("rosta", "metrics.protocol=adobe"): "unknown protocol 'adobe': choose gfm or dim",
    ("rosta", "+table.foo=1"): "table.foo: extra inputs are not permitted",
    ("rosta", "table.cells.TT=1"): "table.cells.TT: input should be a valid list",
    ("rosta", "+table.cells.tt='rosta=ft'"): "TT has the folder of a different cell: rename it",
    ("rosta", "+table.published.x=y"): "table.published: x is not a cell of the table",
    ("rosta", "table.published.TT=y"): "no published figures named y: choose from GFM-TT",
    ("rosta", "table.cells.TT='rosta=tt,ft'"): "rosta=tt,ft: choose an option of a run, and one",
    ("rosta", "table.cells.TT=rosta"): "cannot read the option rosta",
    ("inference", "seed=0"): "run python evaluate.py -m table=inference checkpoint=<weights>",
}


@pytest.mark.parametrize(("given", "message"), WRONG.items(), ids=str)
def test_mistakes_are_one_line(given, message):
    name, option = given
    with pytest.raises(GFMError) as caught:
        plan(name, option)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def begin(sweep, *options):
    """Extend the table in a folder, and mark its first run as begun."""
    _begin_table(compose_table("rosta", *options, sweep=sweep))
    (sweep / "tt_seed0").mkdir(exist_ok=True)
    (sweep / "tt_seed0/result.json").touch()
    return load_definition(sweep)


def test_a_repeated_table_keeps_the_runs_that_it_has(tmp_path):
    begin(tmp_path, "seed=0,1")
    assert begin(tmp_path, "seed=3").cells["TT"] == ["tt_seed0", "tt_seed1", "tt_seed3"]
    before = (tmp_path / "table.json").read_text()
    for option in ("optimizer.lr=1e-4", "table.cells.TT='rosta=bt'"):
        named = option.removeprefix("table.cells.TT=").strip("'")
        says = f"holds a table that differs in {named}.*set hydra.sweep.dir to a new"
        with pytest.raises(GFMError, match=says):
            begin(tmp_path, "seed=0,1", option)
    assert (tmp_path / "table.json").read_text() == before
    (tmp_path / "tt_seed0/result.json").unlink()  # then nothing depends on the options
    assert begin(tmp_path, "optimizer.lr=1e-4").cells["TT"] == ["tt_seed0"]


def test_a_table_of_evaluations_needs_weights():
    with pytest.raises(GFMError, match="set checkpoint=<weights>"):
        plan("inference", program="evaluate")
    with pytest.raises(GFMError, match=r"run python train.py -m table=rosta$"):
        plan("rosta", program="evaluate")


def test_a_table_has_one_test_set():
    with pytest.raises(GFMError, match="choose a single data="):
        plan("inference", "checkpoint=x", "+sets.a={}", "+sets.b={}", program="evaluate")


def test_a_table_without_m_is_refused(tiny_training):
    with pytest.raises(GFMError, match="add -m"):
        run_job(compose_config("train", [*tiny_training, "table=rosta"]), train)


def test_workers_of_joblib_share_the_gpus(tmp_path, monkeypatch, hold):  # noqa: F811
    """Joblib replaces workers whose memory has grown, so worker 5 may be one of only two."""
    monkeypatch.setattr("gfm.run.sweep.in_sweep", lambda: True)
    hydra = OmegaConf.create({"sweep": {"dir": "sweep"}})
    monkeypatch.setattr(HydraConfig, "get", lambda: hydra)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert choose_gpu(4) is None  # not a worker
    monkeypatch.setattr("multiprocessing.process.BaseProcess.name", "LokyProcess-5")
    assert choose_gpu(1) is None
    assert choose_gpu(4) == 0
    (folder,) = tmp_path.iterdir()
    _claim_number.cache_clear()
    release_lock(folder / "0")
    hold(folder / "0")
    assert [choose_gpu(4) for _ in range(2)] == [1, 1]
    _claim_number.cache_clear()
    release_lock(folder / "1")


def test_a_custom_table_resumes_where_it_was_stopped(demo_folder, demo_roots, tmp_path):
    """The table is that of docs/tables.md; a cell loses its result, and a seed is added."""
    (tmp_path / "conf/table").mkdir(parents=True)
    (tmp_path / f"conf/table/{OWN[1]}.yaml").write_text(OWN[2])
    small = [f"paths.demo={demo_folder}", *SMALL_DATA, *SMALL_TRAINING]
    own = ["--config-dir", tmp_path / "conf", "-m", f"table={OWN[1]}"]
    command = ["train.py", *own, *small, f"hydra.sweep.dir={tmp_path / 'sweep'}"]
    first = processes.run(command)
    assert first.returncode == 0, first.stderr
    head, *rows = list(csv.reader((tmp_path / "sweep/table.csv").open()))
    assert head[:4] == ["cell", "runs", "options", "sad"]
    assert [row[:2] for row in rows] == [["none", "1"], ["0.25", "1"], ["one, AdamW", "1"]]

    result = tmp_path / "sweep/0.25_seed0/result.json"
    content = json.loads(result.read_text())
    result.write_text(json.dumps({**content, "status": "running"}))
    again = processes.run([*command, "seed=0,1"])
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("is finished already") == 2
    text = (tmp_path / "sweep/table.md").read_text()
    assert text.startswith("**Weights of the focus loss**")
    assert len(re.findall(r"\d ± \d", text)) == 9
    assert "SAD transition" in text
    assert "All other weights are 0.25." in text


@pytest.mark.slow
@pytest.mark.parametrize("name", TRAINED)
def test_every_table_of_trainings_runs_on_the_demo(demo_folder, demo_roots, tmp_path, name):
    small = [o for o in SMALL_TRAINING if name != "backbone" or not o.startswith("backbone")]
    where = [f"paths.demo={demo_folder}", f"hydra.sweep.dir={tmp_path}"]
    words = ["train.py", "-m", f"table={name}", *where, *SMALL_DATA, *small]
    done = processes.run(words)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "table.md").read_text()
    assert "Incomplete" not in text
    assert "Published" not in text


@pytest.mark.slow
def test_the_tables_of_evaluations_run_on_the_demo(demo_folder, demo_roots, tmp_path):
    where = [f"paths.demo={demo_folder}", *SMALL_DATA]
    run = tmp_path / "run"
    words = ["train.py", *where, *SMALL_TRAINING, "track=ori", "rosta=rim", f"paths.run={run}"]
    assert processes.run(words).returncode == 0
    weights = f"checkpoint={run / 'checkpoints/last.ckpt'}"
    sweep = f"hydra.sweep.dir={tmp_path / 'sweep'}"
    done = processes.run(["evaluate.py", "-m", "table=inference_rim", weights, *where, sweep])
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "sweep/table.md").read_text()
    assert "Incomplete" not in text
    assert "| branch FT |" in text
