"""The configuration reference is complete, and the commands on the pages compose."""

import importlib.util
import re
import shlex
from collections.abc import Iterator

import pytest
import yaml

from gfm.run.test_set_options import separate_test_sets
from tests.conftest import PROJECT, compose_config

PAGES = sorted((PROJECT / "docs").glob("*.md"))
CONFIGS = sorted((PROJECT / "configs").rglob("*.yaml"))


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("reference", PROJECT / "docs/configuration.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _values(node, key: str) -> Iterator[tuple[str, object]]:
    """Yield every dotted key with its value; lists of numbers and words count as values."""
    if isinstance(node, dict):
        parts = node.items()
    elif isinstance(node, list) and any(isinstance(part, dict) for part in node):
        parts = enumerate(node)
    else:
        yield key, node
        return
    for name, part in parts:
        yield from _values(part, f"{key}.{name}".lstrip("."))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: str(p.relative_to(PROJECT / "configs")))
def test_every_key_value_and_comment_is_documented(reference, path):
    text = path.read_text(encoding="utf-8")
    rows = {row.key: yaml.safe_load(row.value) for row in reference.read(text)}
    for key, value in _values(yaml.safe_load(text), "") if text else ():
        if key in rows:
            assert rows[key] == value
        elif key != "defaults":  # a mapping in braces is one value
            mapping, name = key.rsplit(".", 1)
            assert rows[mapping][name] == value

    shown = reference.format_choice(text, "group").replace("\\", "")
    comments = [line.partition("# ")[2].strip() for line in text.splitlines()]
    assert all(c in shown for c in comments if not c.startswith("@package"))


def _overrides(line: str) -> list[str]:
    """Return the overrides of a command; for a sweep, those of its first run."""
    words = shlex.split(re.sub(r"<.*?>", "x", line), comments=True)
    is_sweep = "-m" in words
    options = [w for w in words if "=" in w and not w.startswith(("hydra/", "hydra."))]
    return [w.split(",")[0] if is_sweep else w for w in options if "(" not in w]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_every_command_composes(page):
    """Those of the README and of CONTRIBUTING.md are run elsewhere."""
    blocks = re.findall(r"^```bash\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    lines = "".join(blocks).replace("\\\n", "").splitlines()
    for line in lines:
        for script, command in re.findall(
            r"^(?:srun )?python (train|evaluate)\.py (.*)", line.strip()
        ):
            overrides = separate_test_sets(_overrides(command), trains=script == "train")
            compose_config(script, [*overrides, "paths.run=x"])
