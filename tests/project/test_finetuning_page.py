"""The commands and the Python code of docs/finetuning.md, run with small networks and photos."""

import re
import shlex

import numpy as np
import pytest

from gfm.checkpoints.links import released_file
from gfm.cli import main as gfm
from gfm.cli.hydra_apps.train import main as train
from gfm.data.dataset import SampleOptions
from gfm.data.images import read_image, write_png
from gfm.run import summary
from gfm.run.before_after import show_before_and_after
from tests.conftest import PROJECT
from tests.reliability.entry import status_of
from tests.run.test_finetune import QUICK, make_photos, write_weights

COMMANDS = """
gfm check mine/
gfm finetune mine/ --weights released:r34_tt --backgrounds bg/ --also /data/AM-2k
gfm finetune cutouts/ --weights best.ckpt --backgrounds bg/
python train.py data=pairs data.root=mine recipe=finetune init_from=gfm_r34_tt.pth
"""
"""What the page promises, as a user types it; test_readme.py runs the shortest."""

SMALLER = {
    '"gfm_r34_tt.pth"': '"small.ckpt"',
    "batch_size=4": "batch_size=2, num_workers=0, samples="
    "SampleOptions(input_size=32, crop_sizes=64)",
    "max_epochs=100": "max_epochs=1, accelerator='cpu', logger=False, enable_progress_bar=False",
    '"photo.jpg"': '"mine/photos/p0.png"',
}


def test_fine_tuning_from_python(tmp_path, monkeypatch):
    page = (PROJECT / "docs/finetuning.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 15
    for old, new in SMALLER.items():
        assert old in code
        code = code.replace(old, new)
    monkeypatch.chdir(tmp_path)
    make_photos(tmp_path / "mine", 5)
    write_weights(tmp_path / "small.ckpt")
    names = {"SampleOptions": SampleOptions}
    exec(code, names)
    assert names["trainer"].global_step == 1  # 3 photos in batches of 2
    assert names["module"].model.training
    assert np.asarray(names["alpha"]).shape == (128, 160)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with photos, cut-outs, backgrounds and weights, in which the commands run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GFM_CACHE", str(tmp_path / "cache"))
    make_photos(tmp_path / "mine", 5)
    make_photos(tmp_path / "AM-2k", 3, first=9)
    for folder in ("cutouts", "bg"):
        (tmp_path / folder).mkdir()
    for path in (tmp_path / "mine/photos").iterdir():
        image, alpha = read_image(path), read_image(tmp_path / "mine/mattes" / path.name)[..., :1]
        write_png(tmp_path / "cutouts" / path.name, np.dstack([image, alpha]))
        write_png(tmp_path / "bg" / path.name, image[::-1])
    released = released_file("r34_tt")
    released.parent.mkdir(parents=True)
    for file in (released, "best.ckpt", "gfm_r34_tt.pth"):
        write_weights(tmp_path / "small.ckpt").rename(file)
    return tmp_path


def _recommend(*shown):
    show_before_and_after(*shown)
    return True


@pytest.mark.parametrize("command", COMMANDS.strip().splitlines())
def test_the_commands(desk, monkeypatch, capsys, command):
    page = (PROJECT / "docs/finetuning.md").read_text("utf-8")
    assert command in page
    words = shlex.split(command.replace("/data/AM-2k", "AM-2k"))
    main, words = (gfm, words[1:]) if words[0] == "gfm" else (train, words[2:])
    if words[0] == "check":
        assert status_of(monkeypatch, main, *words) == 0
        assert capsys.readouterr().out.endswith("no problems\n")
        return
    # So that even the weights of a small network are recommended.
    monkeypatch.setattr(summary, "show_before_and_after", _recommend)
    assert status_of(monkeypatch, main, *words, *QUICK) == 0
    out = capsys.readouterr().out
    assert "before and after, on 2 photos that were not trained on" in " ".join(out.split())
    (run,) = (desk / "runs/train").iterdir()
    assert (run / "result.png").is_file()
    predict = shlex.split(re.search(r"^  (gfm predict .*)$", out, re.MULTILINE)[1])
    photo = ["mine/photos/p0.png" if word == "photo.jpg" else word for word in predict[1:]]
    assert status_of(monkeypatch, gfm, *photo) == 0
    assert (desk / "mattes/alpha/p0.png").is_file()
