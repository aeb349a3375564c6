"""A run that was killed and resumed is the run that never was."""

import csv
import os
import signal
from functools import partial

import hydra
import pytest
import pytorch_lightning as pl
import torch
import yaml
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from gfm.checkpoints.file_io import AtomicCheckpointIO
from gfm.errors import GFMError
from gfm.launch.continuation import continued
from gfm.launch.entry import faults
from gfm.launch.train import train
from gfm.training.resume import whole_checkpoint
from tests.conftest import PROJECT, compose_config


class Killed(BaseException):
    """Nothing catches it, as nothing catches SIGKILL."""


class Killer(pl.Callback):
    """Ends the process, as it were, right after a step."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == self.step:
            raise Killed


def options(tiny_training, folder, *more) -> list[str]:
    """Two epochs of three steps."""
    return [
        *(o for o in tiny_training if not o.startswith(("paths.run", "trainer.limit"))),
        f"paths.run={folder}",
        "track=comp_rssn",
        "track.backgrounds_per_foreground=2",
        "data.batch_size=2",
        "data.input_size=32",
        "trainer.max_epochs=2",
        "trainer.check_val_every_n_epoch=1",
        "trainer.limit_train_batches=3",
        "scheduler=cosine",
        *more,
    ]


EVERY_STEP = (
    "callbacks.last.every_n_epochs=null",
    "callbacks.last.save_on_train_epoch_end=false",
    "+callbacks.last.every_n_train_steps=1",
)


def outcome(folder, objects):
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    for row in rows:  # how fast a machine is does not repeat
        row.pop("train/samples_per_second")
        row.pop("train/data_wait")
    return objects["module"].state_dict(), objects["trainer"].optimizers[0].state_dict(), rows


def assert_same(one, other):
    assert all(torch.equal(one[0][k], other[0][k]) for k in one[0])
    for index, state in one[1]["state"].items():
        assert all(torch.equal(v, other[1]["state"][index][k]) for k, v in state.items())
    assert one[2] == other[2]


def run(cfg, monkeypatch, kill_at=None):
    with monkeypatch.context() as patch:
        if kill_at is not None:
            fit = pl.Trainer.fit

            def fit_until(self, *args, **kwargs):
                self.callbacks.append(Killer(kill_at))
                return fit(self, *args, **kwargs)

            patch.setattr(pl.Trainer, "fit", fit_until)
        return train(cfg)[1]


# In an epoch; at its end, before validation; and, as shipped, only at the end of an epoch.
@pytest.mark.parametrize(
    ("kill_at", "when"),
    [
        (2, EVERY_STEP),
        (5, ()),
        pytest.param(1, EVERY_STEP, marks=pytest.mark.slow),
        pytest.param(3, EVERY_STEP, marks=pytest.mark.slow),
        pytest.param(4, EVERY_STEP, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_resumes_bit_by_bit(tiny_training, tmp_path, monkeypatch, kill_at, when):
    whole = options(tiny_training, tmp_path / "whole", *when)
    expected = outcome(tmp_path / "whole", run(compose_config("train", whole), monkeypatch))
    parts = options(tiny_training, tmp_path / "parts", *when)
    with pytest.raises(Killed):
        run(compose_config("train", parts), monkeypatch, kill_at)
    last = tmp_path / "parts/checkpoints/last.ckpt"
    cfg = compose_config("train", [*parts, f"ckpt_path={last}"])
    assert_same(expected, outcome(tmp_path / "parts", run(cfg, monkeypatch)))


class ValidationKiller(pl.Callback):
    """Ends the process in the second of two validation photos, once."""

    def on_validation_batch_start(self, trainer, module, batch, batch_idx, *_):
        if batch_idx == 1:
            raise Killed


# The checkpoint is of the step before the validation, or of the epoch before.
@pytest.mark.parametrize("when", [EVERY_STEP, ["callbacks.last.every_n_epochs=1"]])
def test_a_validation_that_was_killed_is_run_again(tiny_training, tmp_path, monkeypatch, when):
    more = (*when, "trainer.max_epochs=3", "trainer.check_val_every_n_epoch=2")
    whole = options(tiny_training, tmp_path / "whole", *more)
    expected = outcome(tmp_path / "whole", run(compose_config("train", whole), monkeypatch))
    parts = options(tiny_training, tmp_path / "parts", *more)
    killer = "+callbacks.k._target_=tests.training.test_resume.ValidationKiller"
    with pytest.raises(Killed):
        train(compose_config("train", [*parts, killer]))
    last = tmp_path / "parts/checkpoints/last.ckpt"
    cfg = compose_config("train", [*parts, f"ckpt_path={last}"])
    objects = run(cfg, monkeypatch)
    assert_same(expected, outcome(tmp_path / "parts", objects))
    assert (tmp_path / "parts/checkpoints/best.ckpt").is_file()


class Terminator(pl.Callback):
    """What a scheduler does: in a step, or in a validation."""

    def __init__(self, in_validation: bool) -> None:
        self.in_validation = in_validation

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == 1 and not self.in_validation:
            os.kill(os.getpid(), signal.SIGTERM)

    def on_validation_batch_start(self, trainer, module, batch, batch_idx, *_):
        if batch_idx == 0 and self.in_validation:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(("in_validation", "steps"), [(False, 2), (True, 3)])
def test_a_terminated_run_is_saved_first(
    tiny_training, tmp_path, monkeypatch, in_validation, steps
):
    whole = options(tiny_training, tmp_path / "whole")
    expected = outcome(tmp_path / "whole", run(compose_config("train", whole), monkeypatch))
    parts = options(tiny_training, tmp_path / "parts")
    terminator = (
        f"{{_target_: tests.training.test_resume.Terminator, in_validation: {in_validation}}}"
    )
    cfg = compose_config("train", [*parts, f"+callbacks.t={terminator}"])
    with pytest.raises(SystemExit) as end, faults():
        train(cfg)
    assert end.value.code == 75
    last = tmp_path / "parts/checkpoints/last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == steps
    cfg = compose_config("train", [*parts, f"ckpt_path={last}"])
    assert_same(expected, outcome(tmp_path / "parts", run(cfg, monkeypatch)))


def test_the_one_before_is_taken_where_the_last_is_damaged(tmp_path):
    path = tmp_path / "last.ckpt"
    for step in (1, 2):
        content = {"step": step, "optimizer_states": [], "weights": torch.zeros(10_000)}
        AtomicCheckpointIO().save_checkpoint(content, path)
    assert whole_checkpoint(path) == path
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.warns(UserWarning, match=r"damaged; going on from last.previous.ckpt"):
        previous = whole_checkpoint(path)
    assert torch.load(previous, weights_only=True)["step"] == 1
    previous.unlink()
    with pytest.raises(GFMError, match=r"damaged, and there is no last.previous.ckpt"):
        whole_checkpoint(path)


def test_weights_alone_do_not_resume(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "best.ckpt")
    with pytest.raises(GFMError, match="init_from="):
        whole_checkpoint(tmp_path / "best.ckpt")


@pytest.fixture
def runs(tmp_path):
    """A folder of runs, the later of which has a checkpoint."""
    for name in ("first", "second"):
        folder = tmp_path / "train" / name
        (folder / ".hydra").mkdir(parents=True)
        overrides = ["backbone=r34", f"run.name={name}", "trainer.limit_val_batches=1"]
        (folder / ".hydra/overrides.yaml").write_text(yaml.safe_dump(overrides))
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints/last.ckpt").touch()
    return tmp_path


@pytest.mark.parametrize("where", ["last", "train/second"])
def test_a_run_goes_on_in_its_folder_with_its_options(runs, where, monkeypatch):
    given = [f"ckpt_path={where if where == 'last' else runs / where}", "trainer.max_epochs=7"]
    seen = []
    main = partial(entry, given, runs, seen.append)
    main(monkeypatch)
    cfg = seen[0]
    assert cfg.paths.run == str(runs / "train/second")
    assert cfg.ckpt_path == str(runs / "train/second/checkpoints/last.ckpt")
    assert (cfg.run.name, cfg.backbone.name, cfg.trainer.max_epochs) == ("second", "r34", 7)
    entry(given[:1], runs, seen.append, monkeypatch)
    assert seen[1].trainer.max_epochs == 7  # what was added once holds from then on


def test_a_run_with_configurations_of_its_own_goes_on(runs, monkeypatch):
    (runs / "own/backbone").mkdir(parents=True)
    (runs / "own/backbone/mine.yaml").write_text("defaults: [r34]\nname: mine\n")
    where = f"hydra.searchpath=[file://{runs / 'own'}]"
    folder = runs / "train/second/.hydra"
    (folder / "overrides.yaml").write_text("[backbone=mine]")
    OmegaConf.save({"hydra": {"overrides": {"hydra": [where]}}}, folder / "hydra.yaml")
    seen = []
    entry(["ckpt_path=last"], runs, seen.append, monkeypatch)
    assert seen[0].backbone.name == "mine"


def test_nothing_to_go_on_from(tmp_path, monkeypatch):
    with pytest.raises(GFMError, match="no run below"):
        entry(["ckpt_path=last"], tmp_path, print, monkeypatch)
    with pytest.raises(GFMError, match="no run's folder"):
        entry([f"ckpt_path={tmp_path}"], tmp_path, print, monkeypatch)


def entry(overrides, runs, see, monkeypatch) -> None:
    """What the command line would hand to ``train``."""
    monkeypatch.setattr("sys.argv", ["train.py", *overrides, f"paths.runs={runs}"])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    app = hydra.main(version_base="1.3", config_path=str(PROJECT / "configs"), config_name="train")
    try:
        app(lambda cfg: see(continued(cfg)))()
    finally:
        GlobalHydra.instance().clear()
