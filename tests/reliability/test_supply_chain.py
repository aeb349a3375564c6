"""Licences are permissive, no code in a file is run, and no network connection is opened."""

import ast
import json
import os
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from gfm.data.images import write_png
from tests.conftest import PROJECT
from tests.reliability.licences import (
    PERMISSIVE,
    PROPRIETARY,
    RESTRICTED,
    WEAK,
    installed,
    licence,
)

FIXED_IN = {
    "aiohttp": "3.13.3",  # CVE-2025-69223
    "filelock": "3.20.3",  # CVE-2026-22701
    "fonttools": "4.60.2",  # CVE-2025-66034
    "gradio": "6.16.0",  # GHSA-j36p-7w88-g82j, CVE-2026-48545
    "h11": "0.16.0",  # CVE-2025-43859
    "hydra-core": "1.3.4",  # CVE-2026-68508
    "jinja2": "3.1.6",  # CVE-2025-27516
    "pillow": "12.3.0",  # CVE-2026-25990, PYSEC-2026-2253 to 2257
    "protobuf": "6.33.5",  # CVE-2026-0994
    "pytorch-lightning": "2.6.0",  # 2.6.2 and 2.6.3 are excluded: GHSA-w37p-236h-pfx3
    "python-multipart": "0.0.22",  # CVE-2026-24486
    "requests": "2.32.4",  # CVE-2024-47081
    "starlette": "0.49.1",  # CVE-2025-62727
    "torch": "2.10.0",  # CVE-2026-24747, in torch.load with weights_only=True
    "tornado": "6.5.3",  # CVE-2025-67724
    "urllib3": "2.6.3",  # CVE-2026-21441
    "virtualenv": "20.36.1",  # CVE-2026-22702
    "werkzeug": "3.1.5",  # CVE-2026-21860
}
"""First version without a known advisory, as of 2026-11-28; docs/reliability.md says how found."""

SOURCES = [*sorted((PROJECT / "gfm").rglob("*.py")), *PROJECT.glob("*.py")]
RUN_CODE = {"eval", "exec", "compile", "__import__", "os.system", "os.popen"}
UNPICKLE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def test_licences_of_dependencies_are_permissive():
    packages = installed()
    assert {"torch", "numpy", "wandb", "aiohttp"} <= set(packages)  # also indirect ones
    for name, package in packages.items():
        if PROPRIETARY.match(name):
            continue
        text = licence(package)
        assert not RESTRICTED.search(text), f"{name}: {text}"
        assert name in WEAK or PERMISSIVE.search(text), f"{name}: {text}"


def read_pins() -> list[Requirement]:
    lines = (PROJECT / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if not line.startswith("#")]


@pytest.mark.parametrize("python", ["3.10.0", "3.11.0", "3.13.0"])
def test_pins_can_be_installed_with_every_python(python):
    environment = {"python_full_version": python, "python_version": python[:4]}
    for pin in read_pins():
        if pin.marker and not pin.marker.evaluate(environment):
            continue
        with suppress(PackageNotFoundError):
            needs = distribution(pin.name).metadata.get("Requires-Python") or ""
            assert python in SpecifierSet(needs), pin


def test_versions_have_no_known_advisory():
    toml = pytest.importorskip("tomllib", reason="needs Python 3.11")
    project = toml.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    required = [Requirement(text) for part in (project["dependencies"], *extras) for text in part]
    minimums = {r.name.lower().replace("_", "-"): r.specifier for r in required}
    pins = {pin.name: next(iter(pin.specifier)).version for pin in read_pins()}
    for name, fixed in FIXED_IN.items():
        assert Version(pins[name]) >= Version(fixed), name
        lowest = [s.version for s in minimums.get(name, ()) if s.operator in (">=", "==")]
        assert all(Version(version) >= Version(fixed) for version in lowest), name
    for version in ("2.6.2", "2.6.3"):
        assert version not in minimums["pytorch-lightning"]


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


COMMANDS = """
import json, sys
from hydra.core.global_hydra import GlobalHydra
from gfm.cli import main
for words in json.loads(sys.argv[1]):
    sys.argv = ["gfm", *words]
    GlobalHydra.instance().clear()
    try:
        main()
    except SystemExit as end:
        assert not end.code, words
"""
"""Runs several commands in one interpreter, because the imports take most of the time."""


def test_commands_do_not_access_the_network(tiny_training, tmp_path, cut_off):
    """The demo is drawn, trained on and evaluated, and a photo matted."""
    checkpoint = f"{tmp_path / 'run/checkpoints/last.ckpt'}"
    data = [o for o in tiny_training if o.startswith(("paths.demo=", "data."))]
    trained = ("data.batch", "data.crop", "data.input", "data.scales")
    data = [o for o in data if not o.startswith(trained)]
    run = [f"checkpoint={checkpoint}", f"paths.run={tmp_path / 'evaluation'}", "trainer=cpu"]
    photo, out = f"{tmp_path / 'photo.png'}", ["-o", f"{tmp_path / 'out'}"]
    write_png(Path(photo), np.zeros((40, 50, 3), np.uint8))
    commands = [
        ["train", *tiny_training],
        ["evaluate", *run, *data],
        ["predict", photo, "--checkpoint", checkpoint, "--device", "cpu", *out],
    ]
    assert cut_off("-c", COMMANDS, json.dumps(commands)) == ""
    assert (tmp_path / "run/curves.png").is_file()
    assert (tmp_path / "out/alpha").is_dir()
