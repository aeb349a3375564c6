"""Somebody else's files in the current folder are never imported."""

import os
import shutil
import subprocess
import sys

import pytest

from gfm.errors import GFMError
from gfm.system.safe_path import check_launcher
from tests.conftest import PROJECT

STRANGE = (
    *("yaml", "hydra", "typer", "gfm", "multiprocessing", "pickle", "selectors", "tempfile"),
    *("joblib", "submitit", "cloudpickle", "lz4", "numpy", "psutil"),
)

COMMAND = "import sys\nfrom gfm.cli import main\nif __name__ == '__main__':\n    sys.exit(main())\n"

WORKERS = """
import multiprocessing, os
from gfm.system.safe_path import keep_current_folder_off_path

if __name__ == "__main__":
    keep_current_folder_off_path()
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        assert pool.map(len, ["abc"]) == [3]
"""

AS_OLD = WORKERS.replace(
    "    keep_current_folder_off_path()\n",
    """    import sys
    version, sys.version_info = sys.version_info, (3, 10)
    keep_current_folder_off_path()
    sys.version_info = version
    del os.environ["PYTHONSAFEPATH"]  # which Python 3.10 does not know
""",
)

LAUNCHERS = """
import tempfile
from gfm.system.safe_path import keep_current_folder_off_path

if __name__ == "__main__":
    keep_current_folder_off_path()
    from joblib.externals.loky import get_reusable_executor
    assert get_reusable_executor(1).submit(len, "abc").result() == 3
    import submitit
    assert submitit.LocalExecutor(tempfile.mkdtemp(dir="..")).submit(len, "abc").result() == 3
"""


@pytest.fixture
def folder(tmp_path):
    """A folder of photos with modules that report when they are imported."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in STRANGE:
        (folder / f"{name}.py").write_text(f"open('imported_{name}', 'w').close()\n")
    return folder


def run(folder, python, text, *arguments):
    script = folder.parent / "bin/gfm"
    script.parent.mkdir(exist_ok=True)
    script.write_text(text)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"}
    done = subprocess.run(
        [python, str(script), *arguments],
        cwd=folder,
        env={**environment, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert not sorted(folder.glob("imported_*"))
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["train", "evaluate"])
def test_commands_do_not_import_from_the_current_folder(folder, name):
    assert "source" in run(folder, sys.executable, COMMAND, name, "--cfg", "job")


@pytest.mark.parametrize("python", [sys.executable, "python3.10"])
def test_workers_do_not_import_from_the_current_folder(folder, python):
    found = shutil.which(python)
    if not found or subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip(f"needs {python}")
    run(folder, found, WORKERS)


def test_workers_of_python_3_10_do_not_import_from_the_current_folder(folder):
    """Simulated by a later version without ``PYTHONSAFEPATH``."""
    run(folder, sys.executable, AS_OLD)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="older versions refuse such a folder")
def test_processes_of_launchers_do_not_import_from_the_current_folder(folder):
    pytest.importorskip("joblib")
    pytest.importorskip("submitit")
    run(folder, sys.executable, LAUNCHERS)


def test_python_3_10_starts_launchers_only_in_folders_without_modules(folder, monkeypatch):
    joblib = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", [str(folder.parent / "elsewhere/train.py")])
    monkeypatch.setattr(sys, "version_info", (3, 11))
    check_launcher(joblib)
    monkeypatch.setattr(sys, "version_info", (3, 10))
    check_launcher("hydra._internal.core_plugins.basic_launcher.BasicLauncher")
    with pytest.raises(GFMError, match=r"could import \w+\.py from the current folder: start the"):
        check_launcher(joblib)
    monkeypatch.setattr(sys, "argv", [str(folder / "train.py")])
    check_launcher(joblib)
    (folder.parent / "empty").mkdir()
    monkeypatch.chdir(folder.parent / "empty")
    check_launcher(joblib)
