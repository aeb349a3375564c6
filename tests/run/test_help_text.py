"""``--help`` shows the options, and is quick."""

import os
import subprocess
import sys

import pytest
import yaml

from gfm.run.help_text import annotated, head, read
from tests.conftest import PROJECT

HEAVY = ("torch", "pytorch_lightning", "wandb", "albumentations", "torchvision", "scipy", "cv2")


def ask(module, *arguments, **environment):
    """Return what a command prints, and fail if it imports anything heavy."""
    code = f"import sys, runpy\nsys.argv = [{module!r}, *{list(arguments)!r}]\n"
    code += "try:\n"
    code += f"    runpy.run_module({module!r}, run_name='__main__', alter_sys=True)\n"
    code += "except SystemExit as end:\n    assert not end.code, end.code\n"
    code += f"heavy = sys.modules.keys() & {set(HEAVY)!r}\nassert not heavy, heavy\n"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=PROJECT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["train", "evaluate"])
def test_help_has_every_option_with_its_comment(name):
    shown = ask(name, "--help")
    lines = shown.splitlines()
    text = (PROJECT / f"configs/{name}.yaml").read_text()
    assert lines[0] == head(text)[0]
    for row in read(text):
        if not row.comment or not row.value or row.key.startswith("defaults"):
            continue
        if (
            row.comment.startswith("value with ") and name == "train"
        ):  # replaced by that of the choice
            continue
        start = row.key.split(".")[-1] + ":"
        assert any(x.strip().startswith(start) and row.comment in x for x in lines), row
    assert any(line.startswith("data=demo ") and "# demo | am2k | p3m10k" in line for line in lines)
    assert "am2k, demo, folder, p3m10k" in shown
    assert "--shell-completion" in shown
    assert "crop_sizes:" in shown
    assert "$$" not in shown


def test_help_shows_the_chosen_groups():
    shown = ask("train", "--help", "data=p3m10k", "optimizer=adamw", "optimizer.lr=0.5")
    options = shown.partition("== Options")[2]
    first = head((PROJECT / "configs/data/p3m10k.yaml").read_text())[0]
    assert next(x for x in options.splitlines() if x.startswith("data:")).endswith(f"# {first}")
    assert "  lr: 0.5" in options
    assert "data=p3m10k" in shown
    bases = [x for x in options.splitlines() if x.strip().startswith("num_validation_photos")]
    assert any("#" in line for line in bases)  # of am2k, which p3m10k builds upon


def test_help_includes_config_dir(tmp_path):
    (tmp_path / "backbone").mkdir()
    text = "# A net of theirs.\ndefaults: [r34]\nname: mine   # what it is called\n"
    (tmp_path / "backbone/mine.yaml").write_text(text)
    shown = ask("train", "--config-dir", str(tmp_path), "backbone=mine", "--help")
    assert any("name: mine" in x and "# what it is called" in x for x in shown.splitlines())
    assert any(
        x.startswith("backbone:") and x.endswith("# A net of theirs.") for x in shown.splitlines()
    )


@pytest.mark.parametrize("module", ["train", "evaluate"])
def test_the_configuration_is_shown_without_heavy_imports(module):
    assert "source" in yaml.safe_load(ask(module, "--cfg", "job"))["data"]


def test_completion_without_heavy_imports():
    shown = ask("train", "-sc", "query=bash", COMP_LINE="python train.py backbone=r")
    assert shown.split() == ["backbone=r101", "backbone=r34", "backbone=r34_2b"]
    shown = ask("train", "-sc", "query=bash", COMP_LINE="python train.py recipe.warm")
    assert shown.split() == ["recipe.warmup="]
    assert "hydra_bash_completion" in ask("train", "-sc", "install=bash")


def test_gfm_itself_without_heavy_imports():
    code = "import sys; sys.argv = ['gfm', {!r}]; import gfm.cli\n"
    code += "try:\n    gfm.cli.main()\n"
    code += f"finally:\n    assert not sys.modules.keys() & {set(HEAVY)!r}\n"
    for option in ("--help", "--version"):
        command = [sys.executable, "-c", code.replace("{!r}", repr(option), 1)]
        subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)


def test_comments_are_next_to_their_keys():
    text = "a:\n  b: 1\n  c:\n  - 2\nd: |-\n  x\n  y\n"
    lines = annotated(text, {"a": "all", "a.b": "one", "a.c": "list", "d": "two lines"})
    assert [line.split() for line in lines] == [
        ["a:", "#", "all"],
        ["b:", "1", "#", "one"],
        ["c:", "#", "list"],
        ["-", "2"],
        ["d:", "|-"],
        ["x"],
        ["y"],
    ]
