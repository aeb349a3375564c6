"""Defines the commands that a campaign kills, how each is repeated, and which results count."""

import shutil
from pathlib import Path

from tests.reliability.commands import EVALUATE, GFM
from tests.reliability.download_task import download
from tests.reliability.outcomes import Outcome, of_files
from tests.reliability.task import Material, Task
from tests.reliability.training_tasks import TOLD, finetune, train, train_in_two_processes


def all_tasks(given: Material) -> list[Task]:
    """Return all tasks: training, evaluating, preparing, predicting, exporting, downloading."""
    return [
        train(given),
        train_in_two_processes(given, alone=False),
        train_in_two_processes(given, alone=True),
        finetune(given),
        _evaluation("evaluate", given, f"checkpoint={given.weights}"),
        _evaluation("score", given, f"predictions={given.predictions}"),
        _preparation("foregrounds", given),
        _preparation("denoise", given, "--only", "original"),
        _preparation("trimaps", given),
        _pack(given),
        _predict(given),
        _export(given),
        download(),
    ]


def _evaluation(name: str, given: Material, source: str) -> Task:
    data = [f"data.root={given.photos / 'validation'}", "data.images=original", "data.alphas=mask"]
    options = ["data=folder", *data, "trainer=cpu", "data.num_workers=1", source]
    options += ["inference=native"] if name == "evaluate" else []

    def command(folder: Path) -> list[str]:
        return [*EVALUATE, *options, f"paths.run={folder}"]

    def outcome(folder: Path) -> Outcome:
        return of_files(folder, (*TOLD, "journal/*"))  # an interruption may repeat its lines

    return Task(name, command, outcome, "alpha/*")


def _preparation(name: str, given: Material, *more: str) -> Task:
    """Return the task of a command that adds files to a dataset."""

    def command(folder: Path) -> list[str]:
        return [*GFM, "prepare", name, f"paths.am2k={folder}", "--workers", "2", *more]

    def set_up(folder: Path) -> object:
        return shutil.copytree(given.photos, folder)

    return Task(name, command, of_files, "*", set_up)


def _pack(given: Material) -> Task:
    def command(folder: Path) -> list[str]:
        data = f"paths.am2k={given.photos}"
        return [*GFM, "prepare", "pack", data, "--out", str(folder), "--workers", "2"]

    return Task("pack", command, of_files, "*")


def _predict(given: Material) -> Task:
    def command(folder: Path) -> list[str]:
        photos = str(given.photos / "validation/original")
        how = ["--checkpoint", str(given.weights), "--inference", "native", "--device", "cpu"]
        return [*GFM, "predict", photos, *how, "-o", str(folder)]

    return Task("predict", command, of_files, "*.png")


_EXPORT = """
import sys, pathlib
import onnx, onnxruntime, torch.export, gfm.checkpoints.export
pathlib.Path(sys.argv[1], ".begun").touch()
from gfm.cli import main
sys.argv[1:] = sys.argv[2:]
main()
"""
"""Exports; a first file shows that the imports, most of the start-up, are done."""


def _export(given: Material) -> Task:
    def command(folder: Path) -> list[str]:
        what = ["export", "onnx", str(given.weights), str(folder / "small.onnx"), "--overwrite"]
        return [GFM[0], "-c", _EXPORT, str(folder), *what]

    def outcome(folder: Path) -> Outcome:
        return of_files(folder, [".begun"])

    return Task("export", command, outcome, ".begun")
