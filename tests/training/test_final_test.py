"""The final report names the weights, the metric that selected them, and the inference."""

import shlex
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.trainer.states import TrainerStatus

from gfm.checkpoints import read_checkpoint
from gfm.errors import GFMError
from gfm.run.evaluate import evaluate
from gfm.run.train import train
from gfm.system.run_folder import read_flat_mattes
from gfm.training.final_test import _describe_choice, run_final_test
from tests.conftest import EVERY_EPOCH, compose_config
from tests.training.test_resume import Killed

TWO = ("trainer.max_epochs=2", "logger=none", "optimizer.lr=0.02")


def said(capsys) -> str:
    return " ".join(capsys.readouterr().out.split())


def same(state, module) -> bool:
    return all(torch.equal(v, state[k]) for k, v in module.model.state_dict().items())


def printed_evaluation(text: str, tiny: list[str], folder) -> dict[str, float]:
    """The means from the command that training printed."""
    start = text.rindex("gfm evaluate")  # tests are not started by train.py
    words = shlex.split(text[start:])[2:]
    # The printed command lacks the options that the test passed without a command line.
    more = [o for o in tiny if not o.startswith("paths.run")] + ["trainer.accelerator=cpu"]
    cfg = compose_config("evaluate", [*words, *more, f"paths.run={folder}"])
    return evaluate(cfg)[0]


@pytest.mark.parametrize("which", ["best", "last"])
def test_the_printed_command_reproduces_the_metrics(
    tiny, tiny_training, tmp_path, capsys, monkeypatch, which
):
    """With the same inference, and the network's floats, to the last digit."""
    monkeypatch.setattr("gfm.training.callbacks.flat_mattes._LITTLE", 1e3)  # all mattes are flat
    cfg = compose_config("train", [*tiny_training, *TWO, f"test={which}"])
    metrics, objects = train(cfg)
    text, photos = said(capsys), objects["datamodule"].photos
    kept = read_checkpoint(tmp_path / f"run/checkpoints/{which}.ckpt")
    assert same(kept.state, objects["module"])
    assert f"{which} weights, all 2 validation photos, hybrid(glance_scale=0.5," in text
    assert f"checkpoints/{which}.ckpt data=demo" in text
    repeated = printed_evaluation(text, tiny, tmp_path / "evaluation")
    assert "hybrid(glance_scale=0.5, focus_scale=0.5" in said(capsys)
    for name in ("sad", "mse", "grad", "conn", "sad_transition"):
        assert repeated[name] == pytest.approx(metrics[f"test/{name}"], rel=1e-6)
    flat = read_flat_mattes(tmp_path / "run")
    assert read_flat_mattes(tmp_path / "evaluation") == flat == {p.name for p in photos}


def test_the_table_says_which_photos_selected_the_weights(tiny_training, capsys):
    held_out = ["data.num_holdout=2", "logger=none"]
    train(compose_config("train", [*tiny_training, *held_out]))
    assert "best.ckpt has the lowest val/sad on 2 held-out training photos" in said(capsys)


@pytest.mark.parametrize(
    ("num_seen", "num_held_out", "name", "mode", "words"),
    [
        (6, 0, "val/sad", "min", "lowest val/sad on the same photos"),
        (2, 0, "val/sad", "max", "highest val/sad on 2 of these photos"),
        (6, 6, "val/sad", "min", "lowest val/sad on 6 held-out training photos"),
        (6, 0, "train/loss", "min", "lowest train/loss"),
    ],
)
def test_photos_that_can_select_the_weights(num_seen, num_held_out, name, mode, words):
    datamodule = SimpleNamespace(
        validation=[None] * num_seen, photos=[None] * 6, held_out=[0] * num_held_out
    )
    kept = [ModelCheckpoint(filename="last"), ModelCheckpoint(monitor=name, mode=mode)]
    assert _describe_choice(SimpleNamespace(checkpoint_callbacks=kept), datamodule) == words


@pytest.mark.parametrize("which", ["best", "last"])
def test_lightnings_own_test_takes_checkpoints(tiny_training, tmp_path, which):
    """``best.ckpt`` holds no optimiser, which a test does not need."""
    more = ["logger=none", "test=false", *EVERY_EPOCH]
    objects = train(compose_config("train", [*tiny_training, *more]))[1]
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    path = tmp_path / f"run/checkpoints/{which}.ckpt"
    parts = [objects["module"], objects["datamodule"]]
    (means,) = trainer.test(*parts, ckpt_path=path, verbose=False, weights_only=True)
    assert means["test/sad"] > 0


def test_the_final_test_of_unsaved_weights(tiny_training, tmp_path, capsys):
    with pytest.warns(UserWarning, match="no weights will be saved"):
        _, objects = train(
            compose_config("train", [*tiny_training, "logger=none", "callbacks=none"])
        )
    text = said(capsys)
    assert "last weights, all 2 validation photos" in text
    assert "these weights were not selected on any photos" in text
    assert "evaluate these weights" not in text
    trainer, datamodule = objects["trainer"], objects["datamodule"]
    trainer.limit_test_batches = 1
    arguments = (trainer, objects["module"], datamodule, tmp_path / "run")
    assert run_final_test(*arguments, "last").title.startswith("last weights, some of 2 photos, ")
    assert run_final_test(*arguments, None) is None
    trainer.state.status = TrainerStatus.INTERRUPTED
    assert run_final_test(*arguments, "last") is None


def test_the_last_weights_are_those_of_last_ckpt(tiny_training, tmp_path, capsys):
    """Even if it was not written at the end."""
    odd = ["trainer.max_epochs=3", "test=last", "logger=none", *EVERY_EPOCH[::2]]
    odd += ["callbacks.last.every_n_epochs=2"]
    odd += ["trainer.limit_train_batches=1", "trainer.check_val_every_n_epoch=3", "~callbacks.end"]
    _, objects = train(compose_config("train", [*tiny_training, *odd]))
    assert "last saved weights, all 2 validation photos" in said(capsys)
    last = tmp_path / "run/checkpoints/last.ckpt"
    assert torch.load(last, weights_only=True)["epoch"] == 1
    assert same(read_checkpoint(last).state, objects["module"])


def test_averaged_weights_are_the_last(tiny_training, tmp_path):
    choice = ["callbacks=ema", "test=last", *TWO]
    _, objects = train(compose_config("train", [*tiny_training, *choice]))
    assert same(read_checkpoint(tmp_path / "run/checkpoints/last.ckpt").state, objects["module"])


class Killer(pl.Callback):
    """Ends the process, as SIGKILL would, when the final test begins."""

    def on_test_start(self, *_):
        raise Killed


def test_every_process_tests_the_weights_of_rank_zero(tiny_training, tmp_path, monkeypatch):
    """Other processes started by torchrun do not know the folder that Hydra made on rank zero."""
    choice = ["callbacks=ema", "test=false", *TWO]
    _, run = train(compose_config("train", [*tiny_training, *choice]))
    last = tmp_path / "run/checkpoints/last.ckpt"
    monkeypatch.setattr(run["trainer"].strategy, "broadcast", lambda _: last)
    run_final_test(run["trainer"], run["module"], run["datamodule"], tmp_path, "last")
    assert same(read_checkpoint(last).state, run["module"])


def test_averaged_weights_are_tested_after_a_kill_in_the_test(tiny_training, tmp_path):
    choice = [*tiny_training, "callbacks=ema", "test=last", *TWO]
    killer = f"+callbacks.k._target_={__name__}.Killer"
    with pytest.raises(Killed):
        train(compose_config("train", [*choice, killer]))
    last = tmp_path / "run/checkpoints/last.ckpt"
    _, objects = train(compose_config("train", [*choice, f"ckpt_path={last}"]))
    assert same(read_checkpoint(last).state, objects["module"])


def test_the_command_contains_protocol_and_precision(tiny_training, capsys):
    choice = ["metrics.protocol=dim", "objective=val/sad", "trainer.precision=bf16-mixed"]
    train(compose_config("train", [*tiny_training, "logger=none", *choice]))
    assert said(capsys).endswith("protocol=dim trainer.precision=bf16-mixed")


def mean_alpha(batch):
    return batch.preds.mean((1, 2, 3))


def test_the_command_contains_extra_metrics(tiny, tiny_training, tmp_path, capsys):
    extra = f"+extra_metrics.mean={{_target_: {__name__}.mean_alpha, _partial_: true}}"
    metrics, _ = train(compose_config("train", [*tiny_training, *TWO, extra]))
    text = said(capsys)
    assert f"+extra_metrics.mean._target_={__name__}.mean_alpha" in text
    repeated = printed_evaluation(text, tiny, tmp_path / "evaluation")
    assert repeated["mean"] == pytest.approx(metrics["test/mean"], rel=1e-6)


def test_an_unknown_choice_of_weights_is_an_error_before_training(tiny_training):
    with pytest.raises(GFMError, match=r"test=first: choose best or last or false"):
        train(compose_config("train", [*tiny_training, "test=first"]))
