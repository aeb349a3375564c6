"""Printed lines are logged as well; lines for the log only are not printed."""

import re

import pytest
from rich.table import Table
from rich.text import Text

from gfm.system.console import close_log, console, log_only, open_log, show_warning


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


STRANGE = "shoot:camera:1 [bold]x[/] \x1b]0;title\x07 \x1b[31mred \x9b1m \u202egnp.exe"


def test_names_are_printed_as_they_are_and_never_steer_the_terminal(log, capsys):
    table = Table(title=STRANGE)
    table.add_column(STRANGE)
    table.add_row(STRANGE)
    for content in (STRANGE, Text(STRANGE), table):
        console().print(content)
    log_only(STRANGE)
    for text in (capsys.readouterr().out, log.read_text()):
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
        assert "shoot:camera:1 [bold]x[/] \\x1b]0;title" in text
        assert "\\u202egnp.exe" in text


def test_warnings_do_not_steer_the_terminal(capsys):
    show_warning(UserWarning(STRANGE), UserWarning, "file.py", 1)
    assert capsys.readouterr().err.startswith("warning: shoot:camera:1 [bold]x[/] \\x1b]0;title")


def test_styles_reach_a_terminal(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    console().print(Text("error:", "bold red"), STRANGE)
    assert capsys.readouterr().out.startswith("\x1b[1;31merror:\x1b[0m shoot:camera:1")
