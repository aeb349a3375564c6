"""``gfm finetune``: its arguments, its errors, and resuming an interrupted run."""

import os
import shlex
import signal

import pytest

from gfm.cli import main as gfm
from gfm.cli.finetune import finetune_arguments
from gfm.compat.hydra import to_plain
from gfm.data.images import read_image
from gfm.errors import GFMError
from gfm.training.module import MattingModule
from tests.conftest import compose_config
from tests.reliability.entry import status_of
from tests.run.test_finetune import QUICK


def test_arguments_of_the_command(tmp_path):
    arguments = finetune_arguments(
        tmp_path / "my photos",
        "released:r34_tt",
        ["optimizer.lr=1e-5"],
        tmp_path / "bg",
        [tmp_path],
    )
    cfg = to_plain(compose_config("train", [*arguments, f"paths.run={tmp_path}"]))
    assert cfg["data"]["root"] == str(tmp_path / "my photos")
    assert cfg["init_from"] == "released:r34_tt"
    assert cfg["track"]["name"] == "comp_rssn"
    assert cfg["data"]["source"]["main"]["bg20k"] == str(tmp_path / "bg")
    assert cfg["data"]["source"]["also"] == [str(tmp_path)]
    assert cfg["optimizer"]["lr"] == 1e-5
    assert cfg["logger"].keys() == {"csv"}
    with pytest.raises(GFMError, match="cannot read the option"):
        finetune_arguments(tmp_path, "w", ["a=[b"], None, [])


def typed(monkeypatch, *words):
    return status_of(monkeypatch, gfm, "finetune", *words)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["nowhere", "--weights", "w.ckpt"], "FOLDER: no folder nowhere"),
        (["mine"], "set --weights to the checkpoint"),
        (["mine", "--weights", "typo.ckpt"], "--weights: no checkpoint typo.ckpt: expected"),
        (["mine", "--weights", "released:r34_tt"], "--weights: released:r34_tt is not downloaded"),
        (["mine", "--weights", "w.ckpt", "--also", "x"], "--also: no folder x"),
        (["mine", "--weights", "w.ckpt", "--backgrounds", "x"], "--backgrounds: no folder x"),
        (["mine", "--weights", "w.ckpt", "data.images=x"], "no folder mine/x: set data.images"),
        (["mine", "--weights", "w.ckpt", "trainer.max_steps=x"], "trainer.max_steps"),
        (["ckpt_path=x", "--weights", "w.ckpt"], "ckpt_path=x resumes a run with its weights"),
    ],
)
def test_a_failed_start_leaves_nothing(mine, weights, tmp_path, monkeypatch, capsys, words, error):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GFM_CACHE", str(tmp_path / "released"))
    (tmp_path / "mine").symlink_to(mine)
    (tmp_path / "w.ckpt").symlink_to(weights)
    assert typed(monkeypatch, *words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {error}")
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "w.ckpt"}


def test_a_failed_start_removes_no_folder_of_the_user(mine, weights, tmp_path, monkeypatch):
    for run, remains in (("kept", True), ("new/run", False)):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "kept").mkdir(exist_ok=True)
        words = [mine, "--weights", weights, "data.images=x", f"paths.run={run}"]
        assert typed(monkeypatch, *words) == 1
        assert (tmp_path / run).exists() == remains
    assert (tmp_path / "kept/train.log").is_file()
    assert not (tmp_path / "new").exists()


def test_an_interrupted_run_is_resumed_by_the_words_that_it_prints(
    mine, weights, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(MattingModule, "on_train_batch_end", interrupt_third, raising=False)
        assert typed(monkeypatch, mine, "--weights", weights, *QUICK) == 130
    line = capsys.readouterr().err.splitlines()[-1]
    words = shlex.split(line.partition("resume with ")[2])
    (run,) = (tmp_path / "runs/train").iterdir()
    assert words == ["gfm", "train", f"ckpt_path={run}"]
    assert not (run / "result.png").exists()
    for command in (words[1:], ["finetune", "ckpt_path=last"]):
        (run / "result.png").unlink(missing_ok=True)
        assert status_of(monkeypatch, gfm, *command) == 0
        assert "before and after, on 2 photos" in " ".join(capsys.readouterr().out.split())
        assert read_image(run / "result.png").shape[1] == 5 * 275 + 4 * 8


def interrupt_third(module, *_):
    if module.global_step == 3:
        os.kill(os.getpid(), signal.SIGINT)
