"""Runs ``gfm predict`` with a small network, which is loaded once."""

import functools

import pytest
from typer.testing import CliRunner

from gfm.checkpoints import load_network, predictors
from gfm.cli import app
from tests.inference.small import write_network

_load_once = functools.cache(load_network)


def files(folder):
    """Return the files below a folder, sorted."""
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_network(tmp_path_factory.mktemp("weights") / "small.ckpt")


@pytest.fixture
def predict(weights, tmp_path, monkeypatch):
    """Return a function that runs the command on the CPU and writes to ``out``."""
    monkeypatch.setattr(predictors, "load_network", _load_once)

    def run(*arguments, **options):
        place = ["--checkpoint", weights, "-o", tmp_path / "out", "--inference", "native"]
        words = ["predict", *place, "--device", "cpu", *arguments]
        return CliRunner().invoke(app, list(map(str, words)), env={"COLUMNS": "300"}, **options)

    return run
