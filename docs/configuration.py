"""Generate the configuration reference from the YAML files and their comments, at every build.

A group is a folder of ``configs/``, and each of its files is a choice. A choice is shown by the
comment at the top of its file, the choices it inherits from, and a table of its keys, values and
comments.
"""

import re
from pathlib import Path
from typing import Any

from gfm.run.help_text import head, read

CONFIGS = Path(__file__).parents[1] / "configs"
TARGET = Path(__file__).parent / "_generated/configuration.md"


def escape(text: str) -> str:
    """Escape a comment for Markdown, except for code in backticks."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p[:1] == "`" else re.sub(r"([\\<*_|\[\]])", r"\\\1", p) for p in parts)


def format_code(text: str) -> str:
    """Format a value as code; names of this project become links to the API."""
    if re.fullmatch(r"gfm(\.\w+)+", text):
        return f"{{py:obj}}`{text}`"
    return "`{}`".format(text.replace("|", r"\|")) if text else ""


def format_table(*header: str, rows: list[tuple[str, ...]]) -> str:
    """Return a Markdown table without an empty last column, or "" if there are no rows."""
    width = len(header) if any(row[-1] for row in rows) else len(header) - 1
    lines = [" | ".join(cells[:width]) for cells in (header, ["---"] * width, *rows)]
    return "\n".join(f"| {line} |" for line in lines) if rows else ""


def format_head(text: str) -> str:
    """Format the comment at the top of a file by lines; commands and indented lines are code."""
    lines = head(text)
    shown = [format_code(x.strip()) if x.startswith((" ", "python ")) else escape(x) for x in lines]
    return "\\\n".join(shown)


def format_choice(text: str, group: str) -> str:
    """Describe the content of a file whose keys belong to ``group``."""
    prefix = f"{group}." if group and "@package _global_" not in text else ""
    rows = list(read(text))
    defaults = [row for row in rows if row.key.startswith("defaults")]
    defaults = [row for row in defaults if row.value not in ("", "_self_")]
    groups = [
        (
            format_code(re.sub(r"defaults\.\d+\.(override )?/?", "", key)),
            format_code(value),
            escape(comment),
        )
        for key, value, comment, _ in defaults
        if key.count(".") == 2
    ]
    bases = [
        f"Inherits from {format_code(base)}{': ' * bool(comment)}{escape(comment)}."
        for key, value, comment, _ in defaults
        if key.count(".") < 2
        for base in value.strip("[]").split(", ")
    ]
    keys = [
        (format_code(prefix + key), format_code(value), escape(comment))
        for key, value, comment, _ in rows
        if not key.startswith("defaults")
    ]
    parts = [
        format_head(text),
        *bases,
        format_table("group", "choice", "of", rows=groups),
        format_table("key", "value", "", rows=keys),
        "" if rows else "Sets nothing.",
    ]
    return "\n\n".join(part for part in parts if part)


def format_page() -> str:
    """Return the whole reference: entry points, then groups."""
    parts = ["## Entry points"]
    for path in (CONFIGS / "train.yaml", CONFIGS / "evaluate.yaml"):
        parts += [f"### `{path.stem}.py`", format_choice(path.read_text(encoding="utf-8"), "")]
    for folder in sorted(path for path in CONFIGS.iterdir() if path.is_dir()):
        parts.append(f"## {folder.name}")
        for path in sorted(folder.rglob("*.yaml")):
            name = path.relative_to(folder).with_suffix("").as_posix()
            parts.append(f"### `{folder.name}={name}`")
            parts.append(format_choice(path.read_text(encoding="utf-8"), folder.name))
    return "\n\n".join(parts) + "\n"


def write_page(app: Any) -> None:
    """Write the page if it has changed."""
    page = format_page()
    if not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != page:
        TARGET.parent.mkdir(exist_ok=True)
        TARGET.write_text(page, encoding="utf-8")


def setup(app: Any) -> None:
    """Register this extension with Sphinx."""
    app.connect("builder-inited", write_page)
