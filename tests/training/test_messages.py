"""Messages of callbacks: how long a run takes, how fast it is, and mattes without content."""

from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning.trainer.states import TrainerFn

from gfm.system.run_folder import read_flat_mattes
from gfm.training.callbacks import (
    FlatMattes,
    ProgressBar,
    TimeEstimate,
    flat_mattes,
    pace,
    time_estimate,
)
from gfm.training.callbacks.time_estimate import format_roughly


def trainer(fn=TrainerFn.FITTING, **attributes):
    """Return a stand-in with the attributes that these callbacks read."""
    usual = {
        "is_global_zero": True,
        "sanity_checking": False,
        "estimated_stepping_batches": 400,
        "check_val_every_n_epoch": None,
        "val_check_interval": 100,
        "accumulate_grad_batches": 2,
        "max_epochs": -1,
        "max_steps": 400,
    }
    return SimpleNamespace(state=SimpleNamespace(fn=fn), **{**usual, **attributes})


@pytest.fixture
def clock(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time_estimate.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(time_estimate, "should_update_logs", lambda _: True)
    return now


def estimate(clock, **attributes):
    """Run a validation of 30 seconds, then steps of one second after a first one of 100."""
    callback = TimeEstimate()
    callback.on_validation_start()
    clock[0] += 30
    callback.on_validation_end(trainer(TrainerFn.VALIDATING))
    clock[0] += 100
    for step in range(1, 41):
        callback.on_train_batch_end(trainer(global_step=step, **attributes))
        clock[0] += 1


def test_the_time_of_a_run_is_estimated_once(clock, capsys):
    estimate(clock)  # after 11 steps, 389 seconds for steps and 240 for validations
    said = "about 10 minutes for the remaining 389 steps and 8 validations\n"
    assert capsys.readouterr().out == said
    estimate(clock, check_val_every_n_epoch=1)  # it does not know how many validations
    assert capsys.readouterr().out == "about 6 minutes for the remaining 389 steps\n"
    for total in (11, float("inf")):
        estimate(clock, estimated_stepping_batches=total)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "2 seconds"), (89, "89 seconds"), (91, "2 minutes"), (9000, "2.5 hours")],
)
def test_format_roughly(seconds, text):
    assert format_roughly(seconds) == text


def test_the_progress_bar_counts_epochs_from_1_or_steps_where_they_limit_the_run():
    bar = ProgressBar()
    bar._trainer = trainer(global_step=12)
    assert bar._get_train_description(3).strip() == "Step 12/400"
    bar._trainer = trainer(global_step=12, max_epochs=9, max_steps=-1)
    assert bar._get_train_description(3).strip() == "Epoch 4/9"


def test_flat_mattes_are_counted_before_training_and_listed_in_the_test(tmp_path, capsys):
    truth = torch.zeros(1, 1, 20, 20, dtype=torch.uint8)
    truth[..., :5, :5] = 255
    perfect = truth.float() / 255
    mattes = {"perfect": perfect, "soft": 0.5 * perfect + 0.3, "empty": 0.05 * perfect}
    mattes["constant"] = torch.full_like(perfect, 0.5)
    callback = FlatMattes()
    callback.folder = tmp_path
    for fn in (TrainerFn.VALIDATING, TrainerFn.FITTING, TrainerFn.TESTING):
        assert not read_flat_mattes(tmp_path)
        for name, alpha in mattes.items():
            outputs = {"prediction": SimpleNamespace(alpha=alpha)}
            callback.on_test_batch_end(trainer(fn), None, outputs, {"name": [name], "alpha": truth})
        callback.on_test_end(trainer(fn), None)
    before, after = capsys.readouterr().out.splitlines()
    assert before.startswith("before training, 2 of 4 mattes are nearly empty or constant: other")
    assert after.startswith("2 of 4 mattes are nearly empty or constant: do not judge them by SAD")
    assert read_flat_mattes(tmp_path) == {"empty", "constant"}


def test_photos_without_a_foreground_have_no_flat_mattes():
    empty = torch.zeros(1, 8, 8)
    assert not flat_mattes.is_flat(empty, empty)


@pytest.mark.parametrize(
    ("hook", "rates"),
    [
        ("on_validation_end", [(0.5, 0.25)] * 2),  # the step after it is not measured
        ("on_train_epoch_end", [(0.5, 0.25)] * 2),
        ("on_save_checkpoint", [(0.5, 0.25), (2 / 3, 0), (0.5, 0.25)]),
    ],
)
def test_validating_and_saving_do_not_count_as_waiting(monkeypatch, hook, rates):
    now, logged = [0.0], []
    monkeypatch.setattr(pace.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(pace, "should_update_logs", lambda _: True)
    callback, module = pace.Pace(), SimpleNamespace(log=lambda *pair: logged.append(pair))
    for step in range(4):  # each waits a second for data, and trains for three
        now[0] += 1
        callback.on_train_batch_start()
        now[0] += 3
        callback.on_train_batch_end(trainer(world_size=1), module, None, {"image": [0, 0]})
        if step == 1:
            now[0] += 96
            getattr(callback, hook)(trainer(), module)
    names = "train/samples_per_second", "train/data_wait"
    assert logged == [pair for values in rates for pair in zip(names, values, strict=True)]


def test_the_pace_counts_all_batches_of_a_step(monkeypatch):
    now, logged = [0.0], {}
    monkeypatch.setattr(pace.time, "perf_counter", lambda: now[0])
    callback, module = pace.Pace(), SimpleNamespace(log=logged.__setitem__)
    for batch in range(6):  # two for each step
        now[0] += 1
        callback.on_train_batch_start()
        now[0] += 3
        monkeypatch.setattr(pace, "should_update_logs", lambda _, last=batch % 2: bool(last))
        callback.on_train_batch_end(trainer(world_size=2), module, None, {"image": [0, 0]})
        if batch == 3:
            assert logged == {"train/samples_per_second": 1.0, "train/data_wait": 0.25}
            logged.clear()
    assert logged == {"train/samples_per_second": 1.0, "train/data_wait": 0.25}
