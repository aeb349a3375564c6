"""A short version of the soak, which takes too long for a test."""

from tests.reliability.load import soak


def test_the_soak_loads_epochs_and_measures_them(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(soak, "_INTERVAL", 0.1)
    soak.soak(tmp_path, minutes=0.01)
    printed = capsys.readouterr().out
    assert "samples in" in printed
    assert "handles" in printed
