"""Refusing a checkpoint in spite of ``trust`` gives the reason and the fix."""

import sys
from pathlib import Path

import pytest

from gfm.checkpoints.trust import check_description
from gfm.errors import GFMError

LAB = """
from functools import partial
from shutil import rmtree
from other.parts import Net

def _tiny(): pass
small = partial(_tiny)
"""

REFUSALS = {
    "lab.parts.Net": r"which other\.parts defines: wrap it in .* of lab\.parts, or, if you trust "
    r"other as well, set trust=\[lab,other\], for gfm --trust lab --trust other",
    "lab.parts.rmtree": r"which shutil defines: wrap it",
    "lab.parts.small": "which is a partial, not a class or a function: define it with class or def",
    "lab.parts._tiny": "whose name is private: rename it tiny, and train again",
    "lab.parts.large": r"which lab\.parts does not define: add it there, or train again",
    "lab.gone.tiny": r"but lab\.gone cannot be imported \(ModuleNotFoundError: No module named "
    r"'lab\.gone'\): install or fix it, or add its folder to PYTHONPATH",
    "lab.broken.tiny": r"but lab\.broken cannot be imported \(SyntaxError: .*\): install or fix",
    "third.tiny": r"which gfm\.models does not define; if you trust it, set trust=\[lab,third\], "
    "for gfm --trust lab --trust third",
    "gfm.compat.hydra.instantiate": r"which gfm\.models does not define: update gfm-matting, or "
    "use a file written",
    "tiny": "which is not the name of a class in a module: use a file written",
}
"""Message for each target when ``lab`` is trusted."""


@pytest.fixture
def lab(tmp_path, monkeypatch):
    """Make two packages, one of which imports a class of the other."""
    files = {"lab/parts.py": LAB, "lab/broken.py": "def", "other/parts.py": "class Net: pass"}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    _forget_packages()  # other tests have packages of these names, too
    yield
    _forget_packages()


def _forget_packages():
    for name in [m for m in sys.modules if m.split(".")[0] in ("lab", "other")]:
        del sys.modules[name]


@pytest.mark.parametrize("target", REFUSALS)
def test_a_refusal_despite_trust_gives_the_reason(lab, target):
    with pytest.raises(GFMError, match=f"uses {target}, {REFUSALS[target]}") as error:
        check_description({"_target_": target}, ["gfm.models"], ["lab"], Path("a.ckpt"))
    assert "\n" not in str(error.value)


def test_the_trust_that_a_refusal_asks_for_is_enough(lab):
    node = {"_target_": "lab.parts.Net"}
    check_description(node, ["gfm.models"], ["lab", "other"], Path("a.ckpt"))
