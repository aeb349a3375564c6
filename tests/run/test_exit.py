"""How entry points end: in one line where the input is at fault, else with a traceback."""

import pytest

from gfm.errors import GFMError
from gfm.run.exit import report_errors
from gfm.system.console import open_log
from tests.reliability.entry import evaluate_status


def logged(path, error: Exception) -> str:
    """Return what the log of a run has that raises an error."""

    def run() -> None:
        with report_errors():
            open_log(path)
            raise error

    expected = SystemExit if isinstance(error, GFMError) else type(error)
    with pytest.raises(expected):
        run()
    return path.read_text().partition("\n")[2]


def test_an_unexpected_error_is_logged_with_its_traceback(tmp_path):
    text = logged(tmp_path / "train.log", ZeroDivisionError("by zero"))
    assert text.startswith("Traceback")
    assert "ZeroDivisionError: by zero" in text


def test_bad_input_is_logged_in_one_line(tmp_path):
    text = logged(tmp_path / "train.log", GFMError("no folder x: set y"))
    assert text == "error: no folder x: set y\n"


def test_an_evaluation_that_fails_to_start_has_a_log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert evaluate_status(monkeypatch, "paths.run=run", "protocol=x") == 1
    assert "error: protocol=x" in (tmp_path / "run/evaluate.log").read_text()
