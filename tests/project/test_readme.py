"""Every command of the README and the pages after it runs, on demo data in the place of AM-2k."""

import os
import re
import runpy
import shlex
import shutil
import sys

import pytest
from hydra.core.global_hydra import GlobalHydra
from typer.testing import CliRunner

from gfm.cli import app
from tests.conftest import PROJECT, SMALL_DATA, SMALL_NETWORK, SMALL_TRAINING
from tests.inference.video.clips import draw_frames, write_clip
from tests.run.test_finetune import make_photos, write_weights

README = PROJECT / "README.md"
PAGES = [README, PROJECT / "docs/getting_started.md", PROJECT / "docs/evaluating.md"]
TEXT = "".join(page.read_text(encoding="utf-8") for page in PAGES)
BLOCKS = "".join(re.findall(r"^```bash\n(.*?)^```", TEXT, re.M | re.S))
COMMANDS = [shlex.split(line, comments=True) for line in BLOCKS.splitlines()]
PLACES = {
    "<date>_<time>": "2026-01-01_00-00-00",
    "/data/AM-2k": "AM-2k",
    "/data/BG-20k": "BG-20k",
    "/data/COCO": "COCO",
    "/data/PPM-100": "PPM-100",
}
SMALL = [option for option in SMALL_TRAINING if option not in SMALL_NETWORK]
ADDED = {
    # Tests can neither download weights nor wait for a final test.
    "train.py": [
        *SMALL,
        "recipe.decoder_scale=0.125",
        "trainer.limit_val_batches=1",
        "backbone.pretrained=false",
        "test=false",
    ],
    "evaluate.py": ["trainer.accelerator=cpu", "data.num_workers=0"],
}


def run(script, *overrides) -> int | None:
    """Return the exit status of an entry point, run as if from the command line in this folder."""
    sys.argv = [script, *overrides]
    try:
        runpy.run_path(str(PROJECT / script), run_name="__main__")
    except SystemExit as end:
        return end.code
    finally:
        GlobalHydra.instance().clear()
    return 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory, demo_folder, demo_roots):
    """Make the folder of a README reader: datasets, a run, weights, another method's mattes."""
    place = tmp_path_factory.mktemp("readme")
    (place / "data").mkdir()
    (place / "data/demo").symlink_to(demo_folder)
    for name, root in (
        ("AM-2k", demo_roots.photos),
        ("BG-20k", demo_roots.bg20k),
        ("COCO", demo_roots.coco),
    ):
        shutil.copytree(root, place / name)
    (place / "PPM-100").mkdir()
    shutil.copytree(demo_roots.photos / "validation/original", place / "PPM-100/image")
    shutil.copytree(demo_roots.photos / "validation/mask", place / "PPM-100/matte")
    shutil.copytree(demo_roots.photos / "validation/mask", place / "their_mattes")
    shutil.copytree(demo_roots.photos / "validation/original", place / "photos")
    shutil.copy(min((place / "photos").iterdir()), place / "photo.jpg")
    make_photos(place / "mine", 5)
    write_clip(place / "clip.mp4", draw_frames(2), [0, 40])
    # A fast network; tests/checkpoints reads files with official names.
    weights = write_weights(place / "small.ckpt")
    (place / "cache/weights").mkdir(parents=True)
    for name in ("gfm_r34_2b_tt.pth", "cache/weights/gfm_r34_tt.pth"):
        shutil.copy(weights, place / name)
    return place


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", sys.argv)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    # These are slow, and have separate tests.
    monkeypatch.setattr("gfm.run.summary.draw_curves", lambda *_: False)
    monkeypatch.setattr("gfm.checkpoints.export.write_onnx", lambda path, *_: path.touch() or [])
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("GFM_CACHE", str(folder / "cache"))  # as if downloaded
    return folder


@pytest.fixture(scope="module")
def trained(folder):
    """A finished run of a small network, under the placeholder name of the README."""
    before = os.getcwd(), sys.argv
    os.chdir(folder)
    place = f"hydra.run.dir=runs/train/{PLACES['<date>_<time>']}"
    try:
        status = run("train.py", *SMALL_DATA, *SMALL_TRAINING, "test=false", "track=ori", place)
    finally:
        os.chdir(before[0])
        sys.argv = before[1]
    assert status == 0


def placed(words) -> list[str]:
    for name, place in PLACES.items():
        words = [word.replace(name, place) for word in words]
    return words


def commands(program: str) -> list[str]:
    """Return the arguments of each command of ``program``, without duplicates."""
    return list(dict.fromkeys(shlex.join(w[1:]) for w in COMMANDS if w and w[0] == program))


@pytest.mark.parametrize("command", commands("python"))
def test_python(command, here, trained, tmp_path, capfd):
    script, *options = placed(shlex.split(command))
    if "ckpt_path=last" in options:
        added = ["trainer.max_epochs=2"]
    else:
        added = list(ADDED[script])
        is_demo = not any(o.startswith(("data=", "experiment=")) for o in options)
        added += SMALL_DATA if is_demo or "data=demo" in options else ["data.num_workers=0"]
        added += ["callbacks=none"] if script == "train.py" else []
        added += ["debug=fast"] if "-m" in options else []
    if script == "evaluate.py":  # two of them may begin in the same second
        added.append(f"hydra.run.dir={tmp_path}")
    # Machines that run tests have no GPUs; what several processes do is tested elsewhere.
    options = ["trainer=cpu" if option == "trainer=ddp" else option for option in options]
    status = run(script, *options, *added)
    assert status == 0, capfd.readouterr().err


@pytest.mark.parametrize("command", commands("gfm"))
def test_gfm(command, here, trained, monkeypatch):
    words = placed(shlex.split(command))
    if words[0] == "prepare":
        # The first import would compile for half a minute.
        monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
        pytest.importorskip("pymatting", reason="gfm prepare wants the extra 'prepare'")
    if words[0] in ("demo", "download"):  # one keeps serving, the other needs the network
        words = [words[0], "--help"]
    if words[0] == "finetune":
        words += ["trainer.max_steps=1", "trainer.val_check_interval=1", "data.input_size=64"]
        words += ["data.num_workers=0", "trainer.accelerator=cpu", "trainer.precision=32-true"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output


def test_make():
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(), re.M))
    assert set(re.findall(r"\bmake ([a-z]+)", TEXT)) <= targets
    benchmarks = {p.stem.removeprefix("bench_") for p in PROJECT.glob("tests/benchmarks/bench_*")}
    assert set(re.findall(r"make bench ARGS=(\w+)", TEXT)) <= benchmarks


def test_only_known_programs_are_shown():
    assert {words[0] for words in COMMANDS if words} == {"make", "python", "gfm", "pip"}


def test_pip_installs_extras_that_exist():
    project = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    for command in commands("pip"):
        (extra,) = re.findall(r"\[(\w+)\]", command)
        assert f"\n{extra} = [" in project, command


def test_the_readme_fits_on_a_few_screens():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 130


def _anchor(title: str) -> str:
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def test_links_lead_somewhere():
    """Those of the other pages are checked when Sphinx builds them."""
    for link in re.findall(r"\]\((?!https://)([^)]+)\)", README.read_text(encoding="utf-8")):
        name, _, anchor = link.partition("#")
        assert (PROJECT / name).exists(), link
        if anchor:
            titles = re.findall(r"^#+ (.*)", (PROJECT / name).read_text(encoding="utf-8"), re.M)
            assert anchor in map(_anchor, titles), link
