"""The Python of docs/finetuning.md, as it stands there but for sizes and paths."""

import re

import numpy as np

from tests.conftest import PROJECT
from tests.run.test_finetune import make_photos, write_weights

SMALLER = {
    '"gfm_r34_tt.pth"': '"small.ckpt"',
    "batch_size=4": "batch_size=2, input_size=32, crop_sizes=[64], num_workers=0",
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
    names = {}
    exec(code, names)
    assert names["trainer"].global_step == 1  # 3 photos in batches of 2
    assert names["module"].model.training
    assert np.asarray(names["alpha"]).shape == (128, 160)
