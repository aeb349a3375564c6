"""Files and folders without read permission give a one-line error that names them."""

import ctypes
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gfm.cli import main as gfm
from gfm.cli.hydra_apps import evaluate, train
from tests.conftest import SMALL_NETWORK
from tests.reliability import sound
from tests.reliability.entry import status_of

_VERSION = 0x20080522  # of Linux's capget and capset
_READ_ALL = (1 << 1) | (1 << 2)  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH


@contextmanager
def unprivileged() -> Iterator[None]:
    """Give up root's right to read everything."""
    library = ctypes.CDLL(None)
    header = (ctypes.c_uint32 * 2)(_VERSION, 0)
    rights = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable ones, in two halves
    if library.capget(header, rights):
        pytest.skip("cannot read the rights of this process")
    before = rights[0]
    rights[0] &= ~_READ_ALL
    if library.capset(header, rights):
        pytest.skip("cannot give up the rights of root")
    try:
        yield
    finally:
        rights[0] = before
        library.capset(header, rights)


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> Path:
    """Photos, mattes, weights and a run."""
    folder = tmp_path_factory.mktemp("given")
    sound.everything(folder)
    (folder / "run/.hydra").mkdir(parents=True)
    (folder / "run/.hydra/overrides.yaml").write_text("[]")
    (folder / "run/checkpoints").mkdir()
    shutil.copy(folder / "net.ckpt", folder / "run/checkpoints/last.ckpt")
    return folder


PREDICT = (gfm, "predict", "photo.png", "--checkpoint", "net.ckpt", "--device", "cpu", "-o", "out")
SCORE = (
    *(evaluate.main, "data=folder", "data.root=set", "predictions=mattes", "data.num_workers=0"),
    *("trainer=cpu", "paths.run=scores"),
)
PAIRS = (train.main, "data=pairs", "data.root=set", "paths.run=new", "track=ori", *SMALL_NETWORK)
ROWS = [
    (PREDICT, "photo.png"),
    (PREDICT, "net.ckpt"),
    ((gfm, "predict", "set/images", *PREDICT[3:]), "set/images"),
    (SCORE, "mattes/a.png"),
    (SCORE, "mattes"),
    (SCORE, "set/images"),
    ((gfm, "check", "set"), "set/alphas"),
    ((gfm, "convert", "net.ckpt", "net.safetensors"), "net.ckpt"),
    (PAIRS, "set"),
    ((train.main, "ckpt_path=run"), "run/.hydra/overrides.yaml"),
    ((train.main, "ckpt_path=run"), "run/.hydra"),
    ((train.main, "ckpt_path=run"), "run/checkpoints/last.ckpt"),
    ((train.main, "ckpt_path=run"), "run"),
]


@pytest.mark.parametrize(("command", "unreadable"), ROWS)
def test_unreadable_files_are_named(given, monkeypatch, capsys, command, unreadable):
    monkeypatch.chdir(given)
    mode = (given / unreadable).stat().st_mode
    (given / unreadable).chmod(0)
    try:
        with unprivileged():
            assert status_of(monkeypatch, *command) == 1
    finally:
        (given / unreadable).chmod(mode)
    output, errors = capsys.readouterr()
    assert unreadable in output + errors
    assert "Traceback" not in output + errors
    assert len(errors.splitlines()) == 1, errors
