"""Each run has an exclusive folder, whether Hydra or the user names it."""

import datetime
import sys

import pytest
from hydra.core.global_hydra import GlobalHydra

from gfm.cli.hydra_apps.evaluate import main as evaluate_command
from gfm.cli.hydra_apps.train import main as train_command
from gfm.errors import GFMError
from gfm.run.evaluate import evaluate
from gfm.run.folders import make_new
from gfm.run.train import train
from gfm.system.locks import LOCK, release_lock
from gfm.system.run_folder import LAST_CHECKPOINT
from tests.conftest import compose_config
from tests.system.test_locks import hold  # noqa: F401  a fixture


class Still(datetime.datetime):
    """A clock that stands still."""

    @classmethod
    def now(cls, tz=None):
        return cls(2026, 1, 2, 3, 4, 5)


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Run ``train.py`` up to where it would train; return the folders that it would write to."""
    monkeypatch.setattr("hydra.core.utils.datetime", Still)
    monkeypatch.chdir(tmp_path)
    folders = []

    def begin(cfg):
        folders.append(cfg.paths.run)
        if cfg.seed < 0:
            raise GFMError("an error")
        return {"val/sad": 1.0}, {}

    def run(*overrides):
        folders.clear()
        with monkeypatch.context() as patch:
            patch.setattr("gfm.run.train.train", begin)
            patch.setattr(sys, "argv", ["train.py", *overrides])
            patch.setenv("HYDRA_FULL_ERROR", "1")
            try:
                train_command()
            finally:
                GlobalHydra.instance().clear()
        return [folder.removeprefix(f"{tmp_path}/") for folder in folders]

    return run


def test_runs_that_begin_in_the_same_second(start, tmp_path):
    names = [start()[0] for _ in range(3)]
    dated = "runs/train/2026-01-02_03-04-05"
    assert names == [dated, f"{dated}_2", f"{dated}_3"]
    for name in names:
        assert (tmp_path / name / ".hydra/overrides.yaml").is_file()
        release_lock(tmp_path / name)


def test_a_failed_start_in_the_same_second_leaves_nothing(start, tmp_path):
    (tmp_path / "runs/train/2026-01-02_03-04-05").mkdir(parents=True)
    with pytest.raises(SystemExit):
        start("seed=-1")
    assert [path.name for path in (tmp_path / "runs/train").iterdir()] == ["2026-01-02_03-04-05"]


def test_sweeps_that_begin_in_the_same_second(start, tmp_path):
    jobs = [start("-m", "seed=1,2") for _ in range(2)]
    dated = "runs/train_multirun/2026-01-02_03-04-05"
    assert jobs == [[f"{dated}/0", f"{dated}/1"], [f"{dated}_2/0", f"{dated}_2/1"]]
    assert (tmp_path / f"{dated}_2/sweep.csv").is_file()


def test_a_folder_named_by_the_user_is_used_unchanged(start, tmp_path):
    for _ in range(2):
        assert start(f"hydra.run.dir={tmp_path / 'mine'}") == ["mine"]
        release_lock(tmp_path / "mine")


def test_hydra_writes_to_the_folder_of_the_run(start, tmp_path):
    """Whether the command line or a YAML file names it, and however the processes are started."""
    (tmp_path / "conf/local").mkdir(parents=True)
    (tmp_path / "conf/local/default.yaml").write_text("paths: {run: 'from yaml'}")
    given = {
        "it's, [1] a=b": ["paths.run='it\\'s, [1] a=b'"],
        "from yaml": ["--config-dir", "conf"],
    }
    for name, arguments in given.items():
        assert start(*arguments) == [name]
        assert (tmp_path / name / ".hydra/overrides.yaml").is_file()
        release_lock(tmp_path / name)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("value", ["null", "2024", "[a]", "{a: 1}"])
def test_the_folder_of_a_run_is_text(start, tmp_path, capsys, value):
    with pytest.raises(SystemExit):
        start(f"paths.run={value}")
    assert "error: set paths.run to a folder" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_a_folder_in_use_keeps_its_files(start, tmp_path, hold, capsys):  # noqa: F811
    """Hydra would first overwrite the overrides, which resuming needs."""
    start(f"hydra.run.dir={tmp_path / 'mine'}", "seed=1")
    release_lock(tmp_path / "mine")
    hold(tmp_path / "mine")
    with pytest.raises(SystemExit):
        start(f"hydra.run.dir={tmp_path / 'mine'}", "seed=2")
    assert "another run is using" in capsys.readouterr().err
    assert (tmp_path / "mine/.hydra/overrides.yaml").read_text() == "- seed=1\n"


def test_resuming_in_a_folder_in_use_is_an_error(start, tmp_path, hold, capsys):  # noqa: F811
    (name,) = start("seed=1")
    release_lock(tmp_path / name)
    hold(tmp_path / name)
    with pytest.raises(SystemExit):
        start(f"ckpt_path={tmp_path / name}", "seed=2")
    assert f"another run is using {tmp_path / name}" in capsys.readouterr().err
    assert (tmp_path / name / ".hydra/overrides.yaml").read_text() == "- seed=1\n"


def test_a_second_start_leaves_the_earlier_run_as_it_was(start, tmp_path, capsys):
    (name,) = start("hydra.run.dir=mine", "seed=1")
    release_lock(tmp_path / name)
    (tmp_path / "mine" / LAST_CHECKPOINT).parent.mkdir()
    (tmp_path / "mine" / LAST_CHECKPOINT).touch()
    (tmp_path / "last.ckpt").touch()
    for other in ("seed=2", "ckpt_path=last.ckpt"):  # a new run, or a copy of another one
        with pytest.raises(SystemExit):
            start("paths.run=mine", other)
        fix = "resume it with ckpt_path=mine, or set paths.run to a new folder"
        assert fix in capsys.readouterr().err
        release_lock(tmp_path / "mine")
    assert (tmp_path / "mine/.hydra/overrides.yaml").read_text() == "- seed=1\n"
    assert start("ckpt_path=mine") == ["mine"]


def test_a_second_start_by_torchrun_is_refused(tiny_training, tmp_path):
    """Hydra does not write to the folder then, so the training itself must check it."""
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    (tmp_path / "run" / LAST_CHECKPOINT).touch()
    with pytest.raises(GFMError, match="holds an earlier run: resume it with ckpt_path="):
        train(compose_config("train", tiny_training))
    assert not (tmp_path / "run/config.yaml").exists()


def test_an_evaluation_leaves_the_folder_of_a_training_as_it_was(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "run"
    (folder / LAST_CHECKPOINT).parent.mkdir(parents=True)
    (folder / LAST_CHECKPOINT).touch()
    options = ["predictions=mattes", f"paths.run={folder}", "data=demo"]
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *options])
    with pytest.raises(SystemExit):
        evaluate_command()
    words = f"{folder} holds a training run: set paths.run to another folder"
    assert words in capsys.readouterr().err
    release_lock(folder)
    with pytest.raises(GFMError, match="holds a training run"):  # as in the processes of torchrun
        evaluate(compose_config("evaluate", options))
    assert not {"config.yaml", ".hydra"} & {path.name for path in folder.iterdir()}


def test_other_processes_of_a_run_use_its_folder(start, tmp_path, hold, monkeypatch):  # noqa: F811
    """Lightning starts the others with the folder that the first process has claimed."""
    hold(tmp_path / "mine")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert start(f"hydra.run.dir={tmp_path / 'mine'}", "hydra.output_subdir=null") == ["mine"]


def test_new_folders(tmp_path):
    assert [make_new(tmp_path / "x").name for _ in range(3)] == ["x", "x_2", "x_3"]
    assert not (tmp_path / "x" / LOCK).exists()
