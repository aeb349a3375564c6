"""The configuration reference, written from the YAML files and their comments at every build.

A group is a folder of ``configs/``, a choice a file of it. For each choice: the comment at the top
of its file, the choices it builds upon, and a row for every key with its value and its comment.
"""

import re
from pathlib import Path
from typing import Any

from gfm.run.help_text import head, read

CONFIGS = Path(__file__).parents[1] / "configs"
TARGET = Path(__file__).parent / "_generated/configuration.md"


def plain(text: str) -> str:
    """A comment as text in Markdown; what stands in backticks stays code."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p[:1] == "`" else re.sub(r"([\\<*_|\[\]])", r"\\\1", p) for p in parts)


def code(text: str) -> str:
    """A value as code; what is of this project links to its reference."""
    if re.fullmatch(r"gfm(\.\w+)+", text):
        return f"{{py:obj}}`{text}`"
    return "`{}`".format(text.replace("|", r"\|")) if text else ""


def table(*header: str, rows: list[tuple[str, ...]]) -> str:
    """A Markdown table, without its last column if that is empty; nothing without rows."""
    width = len(header) if any(row[-1] for row in rows) else len(header) - 1
    lines = [" | ".join(cells[:width]) for cells in (header, ["---"] * width, *rows)]
    return "\n".join(f"| {line} |" for line in lines) if rows else ""


def top(text: str) -> str:
    """The comment at the top of a file, line by line; commands and indented lines as code."""
    lines = head(text)
    shown = [code(x.strip()) if x.startswith((" ", "python ")) else plain(x) for x in lines]
    return "\\\n".join(shown)


def choice(text: str, group: str) -> str:
    """What a file says; ``group`` is where its keys go."""
    prefix = f"{group}." if group and "@package _global_" not in text else ""
    rows = list(read(text))
    defaults = [row for row in rows if row.key.startswith("defaults")]
    defaults = [row for row in defaults if row.value not in ("", "_self_")]
    groups = [
        (code(re.sub(r"defaults\.\d+\.(override )?/?", "", key)), code(value), plain(comment))
        for key, value, comment, _ in defaults
        if key.count(".") == 2
    ]
    bases = [
        f"Builds upon {code(base)}{': ' * bool(comment)}{plain(comment)}."
        for key, value, comment, _ in defaults
        if key.count(".") < 2
        for base in value.strip("[]").split(", ")
    ]
    keys = [(code(prefix + k), code(v), plain(c)) for k, v, c, _ in rows if k[:8] != "defaults"]
    parts = [
        top(text),
        *bases,
        table("group", "choice", "of", rows=groups),
        table("key", "value", "", rows=keys),
        "" if rows else "Nothing.",
    ]
    return "\n\n".join(part for part in parts if part)


def page() -> str:
    """The whole reference: entry points, then groups."""
    parts = ["## Entry points"]
    for path in (CONFIGS / "train.yaml", CONFIGS / "evaluate.yaml"):
        parts += [f"### `{path.stem}.py`", choice(path.read_text(encoding="utf-8"), "")]
    for folder in sorted(path for path in CONFIGS.iterdir() if path.is_dir()):
        parts.append(f"## {folder.name}")
        for path in sorted(folder.rglob("*.yaml")):
            name = path.relative_to(folder).with_suffix("").as_posix()
            parts.append(f"### `{folder.name}={name}`")
            parts.append(choice(path.read_text(encoding="utf-8"), folder.name))
    return "\n\n".join(parts) + "\n"


def write(app: Any) -> None:
    """Writes the page where it has changed."""
    if not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != page():
        TARGET.parent.mkdir(exist_ok=True)
        TARGET.write_text(page(), encoding="utf-8")


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", write)
