"""Paths on the command line: any file name reaches the configuration unchanged."""

import shlex

import pytest

from gfm.compat.hydra import parse_override
from gfm.errors import GFMError
from gfm.run.app import prepare_arguments
from gfm.run.overrides import check_overrides, override, quote_paths, shell_override

NAMES = [
    "runs/train/2026-01-01_10-00-00/checkpoints/best.ckpt",
    "epoch=11-step=240.ckpt",
    "it's here/a (copy), [1] {2}.ckpt",
    "back\\slash\\",
    "trailing\\'s",
    "ümläut 写真.pth",
    "null",
    "2024",
    "~/x:y@z%.ckpt",
]


def _parsed(text: str) -> object:
    return parse_override(text).value()


@pytest.mark.parametrize("name", NAMES)
def test_an_override_round_trips(name):
    assert _parsed(override("checkpoint", name)) == name


@pytest.mark.parametrize("value", [None, True, 3, 1e-5, ["a b", "2024", 1], []])
def test_other_values_round_trip(value):
    assert _parsed(override("x", value)) == value


def test_paths_with_an_equals_sign_are_quoted():
    given = ["checkpoint=runs/epoch=11-step=240.ckpt", "rosta=tt", "-m", "+x={a: 1}"]
    protected = quote_paths(given)
    assert protected[1:] == given[1:]
    assert _parsed(protected[0]) == "runs/epoch=11-step=240.ckpt"
    assert quote_paths(protected) == protected
    assert quote_paths(["paths.am2k=a=b,'c=d'"]) == ["paths.am2k='a=b','c=d'"]
    for quoted in (
        "checkpoint='a=1,b=2.ckpt'",
        'checkpoint="a=1,b\\"c=2"',
        "paths.am2k='a=1,b','c=2'",
    ):
        assert quote_paths([quoted]) == [quoted]
    assert quote_paths(["paths.am2k='a=1,b',it's=2"]) == [r"paths.am2k='a=1,b','it\'s=2'"]
    assert quote_paths(["checkpoint=${oc.env:X=1}"]) == ["checkpoint=${oc.env:X=1}"]
    assert quote_paths(["hydra.sweep.dir=a=b"]) == ["hydra.sweep.dir='a=b'"]


def test_a_tilde_is_the_home_folder(monkeypatch):
    """Shells do not expand it after ``=``, so runs would be written to a folder named ``~``."""
    monkeypatch.setenv("HOME", "/home/me")
    assert quote_paths(["paths.runs=~/runs"]) == ["paths.runs=/home/me/runs"]
    assert quote_paths(["paths.runs='~/runs'"]) == ["paths.runs='~/runs'"]


@pytest.mark.parametrize("name", NAMES)
def test_a_printed_override_survives_a_shell(name):
    (word,) = shlex.split(shell_override("paths.run", name))
    assert _parsed(word) == name


def test_flags_may_stand_between_overrides():
    """Hydra's parser refuses the second override."""
    given = ["a=b", "--config-dir", "x", "c=d", "-m", "paths.run=y"]
    expected = ["--config-dir", "x", "-m", "a=b", "c=d", "paths.run=y"]
    assert prepare_arguments(given, trains=False) == expected


@pytest.mark.parametrize("sweep", ["rosta=tt,ft", "optimizer.lr=choice(1e-3, 1e-4)"])
def test_several_values_need_a_sweep(sweep):
    for flag in ("-m", "--multirun", "hydra.mode=MULTIRUN"):
        check_overrides([sweep, flag])
    with pytest.raises(GFMError, match="has several values: add -m to run each of them, or"):
        check_overrides([sweep])


def test_a_launcher_needs_a_sweep():
    """Hydra would ignore it, and train on the machine where the command was typed."""
    check_overrides(["hydra/launcher=submitit_slurm", "-m"])
    with pytest.raises(GFMError, match="launches the runs of a sweep: add -m"):
        check_overrides(["hydra/launcher=submitit_slurm"])
