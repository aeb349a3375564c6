"""Licences are permissive, no code in a file is run, and no network connection is opened."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.reliability.licences import (
    PERMISSIVE,
    PROPRIETARY,
    RESTRICTED,
    WEAK,
    installed,
    licence,
)

SOURCES = [*sorted((PROJECT / "gfm").rglob("*.py")), *PROJECT.glob("*.py")]
RUN_CODE = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}
UNPICKLE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def test_licences_of_dependencies_are_permissive():
    packages = installed()
    assert {"torch", "numpy", "wandb", "aiohttp"} <= set(packages)  # also what others need
    for name, package in packages.items():
        if PROPRIETARY.match(name):
            continue
        text = licence(package)
        assert not RESTRICTED.search(text), f"{name}: {text}"
        assert name in WEAK or PERMISSIVE.search(text), f"{name}: {text}"


def calls(path: Path) -> list[tuple[str, ast.Call]]:
    """Yield the calls in a file, with the whole name as it is written."""
    tree = ast.parse(path.read_text())
    return [(ast.unparse(n.func), n) for n in ast.walk(tree) if isinstance(n, ast.Call)]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PROJECT)))
def test_no_file_of_the_package_runs_text_or_unpickles(path):
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.split(".")[0])
    assert not imported & UNPICKLE
    for name, call in calls(path):
        options = {option.arg: ast.unparse(option.value) for option in call.keywords}
        assert name not in RUN_CODE, f"{path}:{call.lineno}"
        assert options.get("shell", "False") == "False", f"{path}:{call.lineno}"
        if name == "torch.load" or "ckpt_path" in options:
            assert options.get("weights_only") == "True", f"{path}:{call.lineno}"
        if name == "np.load":
            assert options.get("allow_pickle") == "False", f"{path}:{call.lineno}"


CUT_OFF = """
import os, socket

def refuse(*arguments, **_):
    with open(os.environ["GFM_ASKED"], "a") as file:
        print(arguments, file=file)
    raise OSError(101, "Network is unreachable")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
"""
"""Notes what a process asks of the network from its first import on, and refuses it."""


@pytest.fixture
def cut_off(tmp_path, monkeypatch):
    """Run Python without a network, and without the settings that the tests make."""
    place, asked = tmp_path / "site", tmp_path / "asked.txt"
    place.mkdir()
    (place / "sitecustomize.py").write_text(CUT_OFF)
    monkeypatch.setenv("PYTHONPATH", f"{place}{os.pathsep}{PROJECT}")
    monkeypatch.setenv("GFM_ASKED", str(asked))
    monkeypatch.delenv("NO_ALBUMENTATIONS_UPDATE", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)

    def run(*words: object) -> str:
        """Run code, and return the connections that it tried to open."""
        command = [sys.executable, *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=PROJECT, timeout=500)
        assert done.returncode == 0, done.stdout + done.stderr
        return asked.read_text() if asked.exists() else ""

    return run


def test_network_access_is_detected(cut_off):
    """Otherwise the next test would prove nothing."""
    call = "socket.create_connection(('example.org', 80))"
    words = f"import socket, contextlib\nwith contextlib.suppress(OSError): {call}"
    assert "example.org" in cut_off("-c", words)


def test_commands_do_not_access_the_network(tiny_training, tmp_path, cut_off):
    """The demo is drawn, trained on and evaluated, and a photo matted."""
    assert cut_off("train.py", *tiny_training) == ""
    assert (tmp_path / "run/curves.png").is_file()
    checkpoint = tmp_path / "run/checkpoints/last.ckpt"
    data = [o for o in tiny_training if o.startswith(("paths.demo=", "data."))]
    data = [o for o in data if not o.startswith(("data.batch", "data.crop", "data.input"))]
    run = [f"checkpoint={checkpoint}", f"paths.run={tmp_path / 'evaluation'}", "trainer=cpu"]
    assert cut_off("evaluate.py", *run, *data) == ""
    photo = next((tmp_path / "evaluation/alpha").glob("*.png"))
    out = ["-o", tmp_path / "out", "--device", "cpu"]
    assert (
        cut_off(
            "-c",
            "from gfm.cli import main; main()",
            "predict",
            photo,
            "--checkpoint",
            checkpoint,
            *out,
        )
        == ""
    )
    assert (tmp_path / "out/alpha").is_dir()
