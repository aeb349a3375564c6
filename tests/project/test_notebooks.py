"""The notebooks have no outputs, and the files they show work; ``make notebooks`` runs them."""

import ast
import json
import re
import sys
from pathlib import Path

import pytest
import torch
import yaml

from gfm.compat.hydra import instantiate
from gfm.run.configuration import load_train_config
from tests.conftest import PROJECT, compose_config

NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.ipynb"))


def sources(path: Path, kind: str) -> list[str]:
    """Return the cells of a notebook of one kind, ``markdown`` or ``code``."""
    cells = json.loads(path.read_text())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == kind]


def files(path: Path) -> list[tuple[str, str]]:
    """Return the name and the content of each YAML file that a notebook shows."""
    text = "\n".join(sources(path, "markdown"))
    return re.findall(r"^```yaml\n# (\S+)\n(.*?)^```", text, re.M | re.S)


SHOWN = [(path, name, text) for path in NOTEBOOKS for name, text in files(path)]


def test_the_list_of_notebooks():
    assert [path.stem for path in NOTEBOOKS] == [
        "01_data_and_rssn",
        "02_rosta_and_gfm",
        "03_train_and_evaluate",
        "04_bring_your_own",
        "05_your_own_photos",
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped(path):
    notebook = json.loads(path.read_text())
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert notebook["metadata"].keys() <= {"kernelspec", "language_info"}
    for cell in notebook["cells"]:
        assert not cell["metadata"]
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_lead_somewhere(path):
    links = re.findall(r"\]\(([^)]+)\)", "".join(sources(path, "markdown")))
    assert links
    for link in links:
        assert link.startswith("https://") or (path.parent / link).exists(), link


def test_every_yaml_has_the_name_of_its_file():
    text = "\n".join("\n".join(sources(path, "markdown")) for path in NOTEBOOKS)
    assert len(SHOWN) == text.count("```yaml") == 1


@pytest.mark.parametrize(("path", "name", "text"), SHOWN, ids=[name for _, name, _ in SHOWN])
def test_a_yaml_works_with_the_class_of_its_notebook(path, name, text, tmp_path, monkeypatch):
    folder, group, file = Path(name).parts
    (tmp_path / folder / group).mkdir(parents=True)
    (tmp_path / name).write_text(text)
    known = compose_config("train", [f"{group}=timm", f"paths.run={tmp_path}"])[group]
    assert yaml.safe_load(text).keys() <= known.keys()
    module = yaml.safe_load(text)["encoder"]["_target_"].split(".")[0]
    (tmp_path / f"{module}.py").write_text(_definitions(path))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, module, raising=False)
    places = [f"hydra.searchpath=[file://{tmp_path / folder}]", f"paths.run={tmp_path}"]
    cfg = compose_config("train", [*places, f"{group}={Path(file).stem}"])
    model = instantiate(load_train_config(cfg).network)
    assert model.encoder.channels == [16, 32, 64]
    assert model(torch.rand(1, 3, 32, 48)).alpha.shape == (1, 1, 32, 48)


def _definitions(path: Path) -> str:
    """Return the imports and classes of a notebook as the text of a module."""
    nodes = [node for text in sources(path, "code") for node in ast.parse(text).body]
    kept = [n for n in nodes if isinstance(n, ast.ClassDef | ast.ImportFrom)]
    return "\n".join(ast.unparse(n) for n in kept if getattr(n, "module", "") != "common")
