"""A room imports only rooms that come before it in the order that docs/architecture.md draws."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import PROJECT

PAGE = (PROJECT / "docs/architecture.md").read_text(encoding="utf-8")
ORDER = re.search(r"```text\n(errors → .*?)```", PAGE, re.DOTALL)[1].replace("\n", " ").split(" → ")
ORDER = [room.strip() for room in ORDER]


def _room(module: str) -> str:
    return module.split(".")[1]


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every import of this package in a file, those inside functions included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
            if names == ["gfm"]:
                names = [f"gfm.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("gfm.") and not name.startswith("gfm.__"):
                yield node.lineno, name


def test_the_page_draws_every_room():
    rooms = {p.stem for p in (PROJECT / "gfm").iterdir() if p.suffix == ".py" or p.is_dir()}
    assert rooms - {"__init__", "__pycache__", "py"} == set(ORDER)
    assert len(ORDER) == len(set(ORDER))


def test_the_page_names_modules_that_there_are():
    for room, text in re.findall(r"^\| `(\w+)/` \| (.*) \|$", PAGE, re.M):
        folder = PROJECT / "gfm" / room
        names = set(re.findall(r"`(\w+)/?`", text)) - {"gfm" if room == "cli" else ""}
        assert all((folder / f"{n}.py").is_file() or (folder / n).is_dir() for n in names), room


def test_rooms_import_only_earlier_rooms():
    wrong = []
    for path in sorted((PROJECT / "gfm").rglob("*.py")):
        parts = path.relative_to(PROJECT).with_suffix("").parts
        if parts == ("gfm", "__init__"):
            continue  # the package offers what its rooms hold
        own = ORDER.index(parts[1])
        for line, name in _imports(path):
            if ORDER.index(_room(name)) > own:
                wrong.append(f"{path.relative_to(PROJECT)}:{line} imports {name}")
    assert not wrong, "\n".join(wrong)
