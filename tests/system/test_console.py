"""Printed lines are logged as well; lines for the log only are not printed."""

import pytest

from gfm.system.console import close_log, console, log_only, open_log


@pytest.fixture
def log(tmp_path):
    open_log(tmp_path / "run/train.log")
    yield tmp_path / "run/train.log"
    close_log()


def test_printed_lines_are_logged_and_log_only_lines_are_not_printed(log, capsys):
    console().print("a line")
    console(stderr=True).print("an error")
    log_only("[a traceback]")
    assert log.read_text().splitlines()[1:] == ["a line", "an error", "[a traceback]"]
    assert "traceback" not in "".join(capsys.readouterr())
    close_log()
    log_only("too late")
    assert "too late" not in log.read_text()
