"""A finished run that is trained for longer equals a run that was longer from the start."""

import pytest
import pytorch_lightning as pl

from tests.conftest import compose_config
from tests.training.test_resume import assert_same, options, outcome, run


def test_training_a_finished_run_for_longer_is_bit_exact(tiny_training, tmp_path, monkeypatch):
    """The checkpoint saved at the end, after the last validation, continues as a longer run."""
    plain = ("scheduler=none", "trainer.check_val_every_n_epoch=3", "test=false")
    whole = options(tiny_training, tmp_path / "whole", *plain, "trainer.max_epochs=4")
    expected = outcome(tmp_path / "whole", run(compose_config("train", whole), monkeypatch))
    parts = options(tiny_training, tmp_path / "parts", *plain)
    run(compose_config("train", parts), monkeypatch)
    last = tmp_path / "parts/checkpoints/last.ckpt"
    longer = [*parts, f"ckpt_path={last}", "trainer.max_epochs=4"]
    assert_same(
        expected, outcome(tmp_path / "parts", run(compose_config("train", longer), monkeypatch))
    )


EVERY_OTHER = ("trainer.check_val_every_n_epoch=null", "trainer.val_check_interval=2")


# Epochs have three steps. Runs end within an epoch, at its end, or where a validation is due.
@pytest.mark.parametrize(
    ("ends", "validation"),
    [([2, 3, 5, 8], EVERY_OTHER), ([3, 4, 8], ["trainer.check_val_every_n_epoch=1"])],
)
def test_more_steps_are_bit_exact(tiny_training, tmp_path, monkeypatch, ends, validation):
    plain = ["scheduler=none", "trainer.max_epochs=-1", "test=false", *validation]
    whole = options(tiny_training, tmp_path / "whole", *plain, f"trainer.max_steps={ends[-1]}")
    expected = outcome(tmp_path / "whole", run(compose_config("train", whole), monkeypatch))
    parts, resumed = options(tiny_training, tmp_path / "parts", *plain), []
    for end in ends:
        cfg = compose_config("train", [*parts, *resumed, f"trainer.max_steps={end}"])
        objects = run(cfg, monkeypatch)
        resumed = [f"ckpt_path={tmp_path / 'parts/checkpoints/last.ckpt'}"]
    assert_same(expected, outcome(tmp_path / "parts", objects))


class Stop(pl.Callback):
    """Ends a run after the validation of a step, and immediately if resumed, like EarlyEnd."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_start(self, trainer, *_):
        trainer.should_stop = trainer.global_step == self.step

    on_validation_end = on_train_start


def test_a_run_that_ended_early_continues_bit_exactly(tiny_training, tmp_path, monkeypatch):
    """It ends within an epoch, immediately after a resume, and at the end of an epoch."""
    plain = ["scheduler=none", "trainer.max_epochs=-1", "trainer.max_steps=8", "test=false"]
    plain += EVERY_OTHER
    whole = options(tiny_training, tmp_path / "whole", *plain)
    expected = outcome(tmp_path / "whole", run(compose_config("train", whole), monkeypatch))
    parts, resumed = options(tiny_training, tmp_path / "parts", *plain), []
    for step in (2, 2, 6, 99):
        stop = f"+callbacks.stop={{_target_: {__name__}.Stop, step: {step}}}"
        objects = run(compose_config("train", [*parts, *resumed, stop]), monkeypatch)
        resumed = [f"ckpt_path={tmp_path / 'parts/checkpoints/last.ckpt'}"]
    assert_same(expected, outcome(tmp_path / "parts", objects))


def test_a_finished_run_that_is_resumed_stays_as_it_was(
    tiny_training, tmp_path, monkeypatch, capsys
):
    """It may have been killed in the final test."""
    steps = ["scheduler=none", "trainer.max_epochs=-1", "trainer.max_steps=2", "test=best"]
    parts = options(tiny_training, tmp_path / "run", *steps, *EVERY_OTHER)
    rows = []
    for resumed in ([], [f"ckpt_path={tmp_path / 'run/checkpoints/last.ckpt'}"]):
        objects = run(compose_config("train", [*parts, *resumed]), monkeypatch)
        rows.append(outcome(tmp_path / "run", objects)[2][-1])
    assert rows[0] == rows[1]
    assert rows[0]["test/sad"]
    assert capsys.readouterr().out.count("no step was left to train") == 1
