"""The configuration reference, written from the YAML files and their comments at every build.

A group is a folder of ``configs/``, a choice a file of it. For each choice: the comment at the top
of its file, the choices it builds upon, and a row for every key with its value and its comment.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

CONFIGS = Path(__file__).parents[1] / "configs"
TARGET = Path(__file__).parent / "_generated/configuration.md"


class Row(NamedTuple):
    """A key of a YAML file."""

    key: str
    value: str
    comment: str


def rows(text: str) -> Iterator[Row]:
    """Keys in their order, nested ones with dots; those that only hold others if commented."""
    lines = text.splitlines()

    def comment(line: int, column: int) -> str:
        beside = lines[line][column:].partition("# ")[2]
        above = []
        while line and lines[line - 1].lstrip().startswith("# "):
            line -= 1
            above.insert(0, lines[line].strip("# "))
        is_head = line == 0  # the comment at the top is the whole file's
        return " ".join([*(above if not is_head else []), beside]).strip()

    def walk(prefix: str, mark: yaml.Mark, node: yaml.Node) -> Iterator[Row]:
        if isinstance(node, yaml.ScalarNode) or node.flow_style:
            end = node.end_mark
            value = text[node.start_mark.index : end.index]
            yield Row(prefix, value, comment(end.line, end.column))
        else:
            if prefix and (own := comment(mark.line, mark.column)):
                yield Row(prefix, "", own)
            if isinstance(node, yaml.MappingNode):
                for key, value in node.value:
                    name = f"{prefix}.{key.value}".lstrip(".")
                    yield from walk(name, key.end_mark, value)
            else:
                for index, value in enumerate(node.value):
                    yield from walk(f"{prefix}.{index}", value.start_mark, value)

    root = yaml.compose(text)
    return walk("", root.start_mark, root) if root else iter(())


def head(text: str) -> list[str]:
    """The comment at the top, line by line; indented lines and commands as code."""
    found = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        line = line[2:] if line != "# @package _global_" else ""
        is_code = line.startswith((" ", "python "))
        found.append(f"`{line.strip()}`" if is_code else escaped(line))
    return [line for line in found if line]


def escaped(text: str) -> str:
    """Comments as plain text in a cell of a table, but for code in backticks."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p[:1] == "`" else re.sub(r"([\\<*_|\[\]])", r"\\\1", p) for p in parts)


def code(text: str) -> str:
    """A value as code; classes of this project link to their reference."""
    if re.fullmatch(r"gfm(\.\w+)+", text):
        return f"{{py:obj}}`{text}`"
    return "`{}`".format(text.replace("|", r"\|")) if text else ""


def table(header: str, lines: list[tuple[str, ...]]) -> str:
    """A Markdown table, or nothing."""
    if not lines:
        return ""
    rule = "|".join([" --- "] * (header.count("|") + 1))
    return "\n".join([f"| {header} |", f"|{rule}|", *(f"| {' | '.join(x)} |" for x in lines), ""])


def choice(text: str, group: str) -> str:
    """What a file says; ``group`` is where its keys go."""
    found = list(rows(text))
    prefix = "" if "# @package _global_" in text or not group else f"{group}."
    bases, groups = [], []
    for key, value, comment in found:
        path = key.split(".")
        if path[0] != "defaults" or value in ("", "_self_"):
            continue
        if len(path) == 3:  # an entry `group: choice`
            name = path[2].removeprefix("override ").removeprefix("/")
            groups.append((code(name), code(value), escaped(comment)))
        else:
            bases += value.strip("[]").split(", ")
    keys = [
        (code(prefix + row.key), code(row.value), escaped(row.comment))
        for row in found
        if row.key.split(".")[0] != "defaults"
    ]
    parts = ["\\\n".join(head(text)) or ("" if found else "Nothing.")]
    if bases:
        parts.append(f"Builds upon {' and '.join(map(code, bases))}.")
    parts += [table("group | choice | of", groups), table("key | value | ", keys)]
    return "\n\n".join(part for part in parts if part)


def page() -> str:
    """The whole reference: entry points, then groups."""
    parts = ["## Entry points"]
    for path in sorted(CONFIGS.glob("*.yaml"), reverse=True):
        parts += [f"### `{path.stem}.py`", choice(path.read_text(encoding="utf-8"), "")]
    for folder in sorted(path for path in CONFIGS.iterdir() if path.is_dir()):
        parts.append(f"## {folder.name}")
        for path in sorted(folder.rglob("*.yaml")):
            name = path.relative_to(folder).with_suffix("").as_posix()
            parts.append(f"### `{folder.name}={name}`")
            parts.append(choice(path.read_text(encoding="utf-8"), folder.name))
    return "\n\n".join(parts) + "\n"


def write(app: object) -> None:
    """Writes the page where it has changed."""
    text = page()
    if not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != text:
        TARGET.parent.mkdir(exist_ok=True)
        TARGET.write_text(text, encoding="utf-8")


def setup(app):  # noqa: ANN001, ANN201
    """Called by Sphinx."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
