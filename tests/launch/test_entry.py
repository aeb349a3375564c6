"""How entry points end: in one line where the input is at fault, else with a traceback."""

import pytest

from gfm.errors import GFMError
from gfm.launch.entry import faults
from gfm.system.console import open_log
from tests.reliability.entry import evaluate_status


def test_an_unforeseen_error_is_logged_with_its_traceback(tmp_path):
    with pytest.raises(ZeroDivisionError), faults():
        open_log(tmp_path / "train.log")
        print(1 / 0)
    logged = (tmp_path / "train.log").read_text()
    assert "Traceback" in logged
    assert "ZeroDivisionError" in logged


def test_a_fault_of_the_input_is_logged_in_one_line(tmp_path):
    with pytest.raises(SystemExit), faults():
        open_log(tmp_path / "train.log")
        raise GFMError("no folder x: set y")
    assert (tmp_path / "train.log").read_text().splitlines()[1:] == ["error: no folder x: set y"]


def test_an_evaluation_that_cannot_begin_has_a_log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert evaluate_status(monkeypatch, "paths.run=run", "protocol=x") == 1
    assert "error: protocol=x" in (tmp_path / "run/evaluate.log").read_text()
