"""A package imports only earlier ones, in the order that docs/architecture.md gives."""

import re

import pytest

from tests.conftest import PROJECT

PAGE = (PROJECT / "docs/architecture.md").read_text(encoding="utf-8")
ORDER = re.search(r"```text\n(errors → .*?)```", PAGE, re.DOTALL)[1].replace("\n", " ").split(" → ")
ORDER = [room.strip() for room in ORDER]


def test_the_page_lists_every_package():
    rooms = {p.stem for p in (PROJECT / "gfm").iterdir() if p.suffix == ".py" or p.is_dir()}
    assert rooms - {"__init__", "__pycache__", "py"} == set(ORDER)
    assert len(ORDER) == len(set(ORDER))


def test_the_modules_that_the_page_names_exist():
    for room, text in re.findall(r"^\| `(\w+)/` \| (.*) \|$", PAGE, re.M):
        folder = PROJECT / "gfm" / room
        names = set(re.findall(r"`(\w+)/?`", text)) - {"gfm" if room == "cli" else ""}
        assert all((folder / f"{n}.py").is_file() or (folder / n).is_dir() for n in names), room


def test_the_order_is_that_of_the_page_and_is_kept(monkeypatch, capsys):
    api = pytest.importorskip("importlinter.api", reason="only in the extra 'dev'; see make lint")
    from importlinter.cli import lint_imports

    monkeypatch.chdir(PROJECT)
    (contract,) = api.read_configuration("pyproject.toml")["contracts_options"]
    layers = list(reversed(contract["layers"]))
    layers = [name.strip("()") for name in layers if name.strip("()") in ORDER or "(" not in name]
    assert layers == ORDER
    status = lint_imports(config_filename="pyproject.toml", no_cache=True)
    assert status == 0, capsys.readouterr().out
