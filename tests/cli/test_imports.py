"""Commands import only what they use."""

import subprocess
import sys

from tests.conftest import PROJECT

CODE = """
import sys

def imported(*names):
    return set(names) & sys.modules.keys()

import gfm.cli
# Spawned workers import the main module, here gfm.cli, before they set their threads.
assert not imported("numpy", "cv2", "torch"), "gfm.cli"
import gfm.prepare.check
assert not imported("torch", "albumentations"), "gfm check"
import gfm.inference.predict_files, gfm.checkpoints
assert not imported("torch._dynamo", "pytorch_lightning"), "gfm predict"
assert sys.modules["torchvision.ops.roi_align"].is_compile_supported("meta") is False
assert imported("torch._dynamo"), "torchvision.ops has what it needs of torch's compiler"
import gfm.run.build, gfm.run.build_evaluation, gfm.run.summary, gfm.training.final_test
import gfm.training.loggers.csv, gfm.training.loggers.finishing
assert not imported("wandb"), "train.py and evaluate.py with logger=csv"
"""


def test_heavy_libraries_are_imported_where_they_are_used():
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
