"""Control-C and SIGTERM print one line that says how to resume, and nothing is lost.

tests/test_workflows.py and tests/training/test_preemption.py test training, and
tests/prepare/test_runner.py tests the workers of the file tools.
"""

import itertools
import os
import signal

import pytest

from gfm.cli import main as gfm
from gfm.data.images import read_image
from gfm.evaluation.journal import Journal
from gfm.inference import predict_files
from gfm.prepare import trimaps
from tests.inference.small import write_network
from tests.reliability.entry import evaluate_status, status_of
from tests.reliability.material import write_dataset, write_predictions

NUM_PHOTOS = 5


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Write photos, mattes of another method, and weights."""
    folder = tmp_path_factory.mktemp("given")
    write_dataset(folder / "AM-2k", 0, NUM_PHOTOS)
    write_predictions(folder / "mattes", NUM_PHOTOS)
    write_network(folder / "small.ckpt")
    return folder


def signalled(function, number, after):
    """Return a function that sends a signal to this process at a given call."""
    calls = itertools.count(1)

    def call(*args, **options):
        result = function(*args, **options)
        if next(calls) == after:
            os.kill(os.getpid(), number)
        return result

    return call


@pytest.mark.parametrize(
    ("source", "number", "status", "word"),
    [
        ("predictions=mattes", signal.SIGINT, 130, "interrupted"),
        ("checkpoint=small.ckpt", signal.SIGINT, 130, "interrupted"),
        ("checkpoint=small.ckpt", signal.SIGTERM, 75, "terminated"),
    ],
)
def test_an_evaluation(given, tmp_path, monkeypatch, capsys, source, number, status, word):
    monkeypatch.chdir(given)
    root = given / "AM-2k/validation"
    options = ["data=folder", f"data.root={root}", "data.images=original", "data.alphas=mask"]
    options += ["trainer=cpu", "data.num_workers=0", source, f"paths.run={tmp_path / 'run'}"]
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", signalled(Journal.add, number, after=3))
        assert evaluate_status(monkeypatch, *options) == status
    said = f"{word}; progress saved: resume with the same command and paths.run="
    assert capsys.readouterr().err.splitlines()[-1] == f"{said}{tmp_path / 'run'}"
    assert evaluate_status(monkeypatch, *options) == 0
    assert f"3 of {NUM_PHOTOS} photos are scored" in capsys.readouterr().out


def test_predict(given, tmp_path, monkeypatch, capsys):
    photos, out = given / "AM-2k/validation/original", tmp_path / "out"
    how = ["--checkpoint", given / "small.ckpt", "--inference", "native", "--device", "cpu"]
    command = ["predict", photos, *how, "-o", out]
    with monkeypatch.context() as patch:
        patch.setattr(predict_files, "read_image", signalled(read_image, signal.SIGINT, after=3))
        assert status_of(monkeypatch, gfm, *command) == 130
    words = "interrupted; progress saved: resume with the same command"
    assert capsys.readouterr().err.splitlines() == [words]
    assert not list(out.rglob("*.tmp"))
    assert status_of(monkeypatch, gfm, *command) == 0
    assert len(list(out.glob("*/*.png"))) == 2 * NUM_PHOTOS


def test_a_command_that_has_not_begun_its_work(given, tmp_path, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    words = "interrupted; progress saved: resume with the same command"
    monkeypatch.setattr("gfm.checkpoints.load_model", interrupt)
    monkeypatch.setattr("gfm.cli.datasets.find_roots", interrupt)
    photos = given / "AM-2k/validation/original"
    predicting = ["predict", photos, "--checkpoint", given / "small.ckpt", "-o", tmp_path / "out"]
    for command in (predicting, ["prepare", "trimaps"]):
        assert status_of(monkeypatch, gfm, *command) == 130
        assert capsys.readouterr().err.splitlines() == [words]


def test_preparing_in_one_process(given, monkeypatch, capsys):
    command = ["prepare", "trimaps", f"paths.am2k={given / 'AM-2k'}", "--workers", 1]
    with monkeypatch.context() as patch:
        patch.setattr(trimaps, "make", signalled(trimaps.make, signal.SIGINT, after=2))
        assert status_of(monkeypatch, gfm, *command) == 130
    words = "interrupted; progress saved: resume with the same command"
    assert capsys.readouterr().err.splitlines() == [words]
    folder = given / "AM-2k/validation/trimap"
    assert [path.name for path in folder.iterdir()] == ["m_00000.png"]  # the second is not written
    assert status_of(monkeypatch, gfm, *command) == 0
    assert len(list(folder.iterdir())) == NUM_PHOTOS
