"""A run that was killed and resumed equals one that was never killed."""

import csv
import os
import signal
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch

from gfm.errors import GFMError
from gfm.run.exit import report_errors
from gfm.run.train import train
from gfm.training.callbacks.early_end import EarlyEnd
from gfm.training.resume_checks import SavedRun, check_options
from tests.conftest import EVERY_EPOCH, compose_config
from tests.reliability.entry import status_of


class Killed(BaseException):
    """An exception that nothing catches, like SIGKILL."""


class Killer(pl.Callback):
    """Simulates the end of the process right after a step."""

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
        "test=false",
        *more,
    ]


EVERY_STEP = (
    "callbacks.last.train_time_interval=null",
    "callbacks.last.every_n_train_steps=1",
)


def outcome(folder, objects):
    rows = list(csv.DictReader((folder / "metrics.csv").open()))
    for row in rows:  # the machine's speed is not reproducible
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


# In an epoch; at its end, before validation; and where only the end of an epoch is saved.
@pytest.mark.parametrize(
    ("kill_at", "when"),
    [
        (2, EVERY_STEP),
        (5, EVERY_EPOCH),
        pytest.param(1, EVERY_STEP, marks=pytest.mark.slow),
        pytest.param(3, EVERY_STEP, marks=pytest.mark.slow),
        pytest.param(4, EVERY_STEP, marks=pytest.mark.slow),
    ],
)
def test_resuming_after_a_kill_is_bit_exact(tiny_training, tmp_path, monkeypatch, kill_at, when):
    when = (*when, "test=best")
    whole = options(tiny_training, tmp_path / "whole", *when)
    expected = outcome(tmp_path / "whole", run(compose_config("train", whole), monkeypatch))
    parts = options(tiny_training, tmp_path / "parts", *when)
    with pytest.raises(Killed):
        run(compose_config("train", parts), monkeypatch, kill_at)
    last = tmp_path / "parts/checkpoints/last.ckpt"
    cfg = compose_config("train", [*parts, f"ckpt_path={last}"])
    assert_same(expected, outcome(tmp_path / "parts", run(cfg, monkeypatch)))


def test_resuming_after_two_kills_is_bit_exact(tiny_training, tmp_path, monkeypatch):
    """First after the last batch of an epoch without a validation, then within the next epoch."""
    more = (*EVERY_STEP, "trainer.check_val_every_n_epoch=2")
    whole = options(tiny_training, tmp_path / "whole", *more)
    expected = outcome(tmp_path / "whole", run(compose_config("train", whole), monkeypatch))
    parts = options(tiny_training, tmp_path / "parts", *more)
    last = f"ckpt_path={tmp_path / 'parts/checkpoints/last.ckpt'}"
    for kill_at, resumed in ((3, []), (5, [last])):
        with pytest.raises(Killed):
            run(compose_config("train", [*parts, *resumed]), monkeypatch, kill_at)
    objects = run(compose_config("train", [*parts, last]), monkeypatch)
    assert objects["trainer"].global_step == 6
    assert_same(expected, outcome(tmp_path / "parts", objects))


def test_resuming_with_another_adam_is_an_error():
    """The option is in no configuration, so it is not in the checkpoint either."""
    saved = SavedRun(Path("last.ckpt"), {"optimizer": {"lr": 1e-4}})
    check_options(saved, saved.config)
    with pytest.raises(GFMError, match=r"with optimizer\.amsgrad=true \(was false\): leave"):
        check_options(saved, {"optimizer": {"lr": 1e-4, "amsgrad": True}})


def test_resuming_on_different_photos_is_an_error(tiny_training, tmp_path, monkeypatch):
    parts = options(tiny_training, tmp_path / "run", "trainer.max_epochs=1")
    run(compose_config("train", parts), monkeypatch)
    last = tmp_path / "run/checkpoints/last.ckpt"
    longer = [*parts, f"ckpt_path={last}", "trainer.max_epochs=2", "data.num_holdout=1"]
    says = (
        r"was trained on 4 photos and 3 backgrounds .* there are now 3 photos and 3 .* init_from="
    )
    with pytest.raises(GFMError, match=says):
        run(compose_config("train", longer), monkeypatch)


def test_resuming_on_different_photos_on_request(tiny_training, tmp_path, monkeypatch):
    """An interrupted epoch that now has fewer batches starts again."""
    parts = options(
        tiny_training, tmp_path / "run", *EVERY_STEP, "trainer.limit_train_batches=null"
    )
    with pytest.raises(Killed):
        run(compose_config("train", parts), monkeypatch, kill_at=3)
    last = tmp_path / "run/checkpoints/last.ckpt"
    told = ["data.num_holdout=2", "data.allow_other_photos=true"]
    with pytest.warns(UserWarning, match="trained on 4 photos .*; resuming on 2 photos"):
        run(compose_config("train", [*parts, f"ckpt_path={last}", *told]), monkeypatch)
    assert torch.load(last, weights_only=True)["global_step"] == 3 + 2 * 2


def test_the_saved_weights_are_the_validated_ones(tiny_training, tmp_path, monkeypatch):
    """Even if the last step was saved before the validation, which recomputes norm statistics."""
    whole = options(tiny_training, tmp_path / "whole", *EVERY_STEP)
    state = run(compose_config("train", whole), monkeypatch)["module"].state_dict()
    saved = torch.load(tmp_path / "whole/checkpoints/last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.equal(value, saved[name]) for name, value in state.items())


class ValidationKiller(pl.Callback):
    """Ends the process in the second of two validation photos, once."""

    def on_validation_batch_start(self, trainer, module, batch, batch_idx, *_):
        if batch_idx == 1:
            raise Killed


# The checkpoint was saved at the step before the validation, which may be within an epoch, or at
# the end of the previous epoch.
@pytest.mark.parametrize(
    "when",
    [
        EVERY_STEP,
        [*EVERY_EPOCH[::2], "callbacks.last.every_n_epochs=1"],
        [*EVERY_STEP, "trainer.val_check_interval=0.7"],
    ],
)
def test_an_interrupted_validation_is_repeated(tiny_training, tmp_path, monkeypatch, when):
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
    """Ends the job as a cluster's scheduler does: in a step, or in a validation."""

    def __init__(self, in_validation: bool) -> None:
        self.in_validation = in_validation

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step == 1 and not self.in_validation:
            os.kill(os.getpid(), signal.SIGTERM)

    def on_validation_batch_start(self, trainer, module, batch, batch_idx, *_):
        if batch_idx == 0 and self.in_validation:
            os.kill(os.getpid(), signal.SIGTERM)


PAIRS = ("trainer.accumulate_grad_batches=2", "trainer.limit_train_batches=4")
"""Two steps of two batches each per epoch."""

THREE_STEPS = ("trainer.max_epochs=-1", "trainer.max_steps=3")
"""The interrupted validation is the last one of the run."""


@pytest.mark.parametrize(
    ("in_validation", "steps", "more"),
    [(False, 2, ()), (True, 3, ()), (True, 3, THREE_STEPS), (False, 2, PAIRS)],
)
def test_sigterm_saves_the_run(tiny_training, tmp_path, monkeypatch, in_validation, steps, more):
    whole = options(tiny_training, tmp_path / "whole", *more)
    expected = outcome(tmp_path / "whole", run(compose_config("train", whole), monkeypatch))
    parts = options(tiny_training, tmp_path / "parts", *more)
    terminator = (
        f"{{_target_: tests.training.test_resume.Terminator, in_validation: {in_validation}}}"
    )
    cfg = compose_config("train", [*parts, f"+callbacks.t={terminator}"])

    def main():
        with report_errors():
            train(cfg)

    assert status_of(monkeypatch, main) == 75
    last = tmp_path / "parts/checkpoints/last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == steps
    cfg = compose_config("train", [*parts, f"ckpt_path={last}"])
    assert_same(expected, outcome(tmp_path / "parts", run(cfg, monkeypatch)))


def test_a_resumed_run_uses_the_current_patience():
    early = EarlyEnd("val/sad", "min", patience=4)
    state = early.state_dict()
    later = EarlyEnd("val/sad", "min", patience=10)
    later.load_state_dict({**state, "wait_count": 4})
    assert (later.patience, later.wait_count) == (10, 4)
