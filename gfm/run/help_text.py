"""Builds the text of ``--help``: the groups, and every option with its value and comment."""

import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from omegaconf import DictConfig, OmegaConf

_COLUMN = 44  # where comments begin, unless a line is longer


class Row(NamedTuple):
    """A key of a YAML file.

    Attributes:
        key: Dotted key.
        value: Value as it is written.
        comment: Comment above and beside the key.
        line: Line number from 0.
    """

    key: str
    value: str
    comment: str
    line: int


def read(text: str) -> Iterator[Row]:
    """Yield every key of a YAML file that has a value or a comment."""
    lines = text.splitlines()

    def comment(mark: yaml.Mark) -> str:
        beside = lines[mark.line][mark.column :].partition("# ")[2]
        first = mark.line
        while first and lines[first - 1].lstrip().startswith("# "):
            first -= 1
        # A comment at the top describes the file.
        above = lines[first : mark.line] if first else []
        return " ".join([*(line.strip("# ") for line in above), beside]).strip()

    def walk(key: str, mark: yaml.Mark, node: yaml.Node) -> Iterator[Row]:
        if isinstance(node, yaml.ScalarNode) or node.flow_style:
            value = text[node.start_mark.index : node.end_mark.index]
            yield Row(key, value, comment(node.end_mark), node.end_mark.line)
            return
        if key and (own := comment(mark)):
            yield Row(key, "", own, mark.line)
        if isinstance(node, yaml.MappingNode):
            parts = [(name.value, name.end_mark, value) for name, value in node.value]
        else:
            parts = [(str(i), value.start_mark, value) for i, value in enumerate(node.value)]
        for name, end, value in parts:
            yield from walk(f"{key}.{name}".lstrip("."), end, value)

    root = yaml.compose(text)
    return walk("", root.start_mark, root) if root else iter(())


def head(text: str) -> list[str]:
    """Return the lines of the comment at the top of a file."""
    top = (line[2:] for line in takewhile(lambda line: line.startswith("#"), text.splitlines()))
    return [line for line in top if not line.startswith("@package")]


def help_text(*, _root_: DictConfig) -> str:
    """Return the template of Hydra's ``--help`` for the configuration of a command line.

    Args:
        _root_: That configuration, including Hydra's own.
    """
    runtime, job = _root_.hydra.runtime, _root_.hydra.job
    folders = [Path(s.path) for s in runtime.config_sources if s.schema == "file"]
    main = _find(folders, f"{job.config_name}.yaml") or ""
    groups = []
    for row in read(main):
        group = row.key.split(".")[-1]
        if re.fullmatch(r"defaults\.\d+\.[\w/]+", row.key) and group != "hydra":
            choice = runtime.choices.get(group)
            groups.append((f"{group}={'null' if choice is None else choice}", row.comment))
    comments = _comments(folders, runtime.choices, main)
    plain = OmegaConf.masked_copy(_root_, [str(key) for key in _root_ if key != "hydra"])
    sections = {
        "": head(main),
        "Groups: group=choice": [*_beside(groups), "", "@APP_CONFIG_GROUPS"],
        "Options: option=value": annotated(OmegaConf.to_yaml(plain), comments),
        "Flags": ["@FLAGS_HELP"],
    }
    parts = ["\n".join([*([f"== {t} =="] if t else []), *x]) for t, x in sections.items()]
    # Hydra substitutes names after a dollar sign, so other dollar signs are doubled.
    text = "\n\n".join(parts).replace("$", "$$")
    return re.sub(r"@(APP_CONFIG_GROUPS|FLAGS_HELP)", r"$\1", text) + "\n"


def annotated(text: str, comments: Mapping[str, str]) -> list[str]:
    """Return the lines of a YAML text, with comments beside the keys that have one.

    Args:
        text: YAML as OmegaConf writes it.
        comments: Comments by dotted key.
    """
    lines: list[tuple[str, str]] = [(line, "") for line in text.splitlines()]

    def walk(key: str, node: yaml.Node) -> None:
        for name, value in node.value if isinstance(node, yaml.MappingNode) else ():
            place = f"{key}.{name.value}".lstrip(".")
            line = name.start_mark.line
            if value.end_mark.line == line or not isinstance(value, yaml.ScalarNode):
                lines[line] = lines[line][0], comments.get(place, "")
            walk(place, value)

    walk("", yaml.compose(text))
    return _beside(lines)


def _beside(lines: list[tuple[str, str]]) -> list[str]:
    return [f"{text:<{_COLUMN}}# {comment}" if comment else text for text, comment in lines]


def _comments(folders: list[Path], choices: Mapping[str, Any], main: str) -> dict[str, str]:
    """Return the comment of each key, from the chosen files and those they inherit from."""
    found = {row.key: row.comment for row in read(main) if row.comment}
    for group, choice in choices.items():
        if choice and not str(group).startswith("hydra/"):
            name, _, package = str(group).partition("@")
            prefix = package or name
            found |= _of_choice(folders, name, str(choice), f"{prefix.replace('/', '.')}.")
    return found


def _of_choice(folders: list[Path], group: str, choice: str, prefix: str) -> dict[str, str]:
    text = _find(folders, f"{group}/{choice}.yaml")
    if text is None:
        return {}
    prefix = "" if "@package _global_" in text else prefix
    found: dict[str, str] = {}
    rows = list(read(text))
    for row in rows:
        if re.fullmatch(r"defaults(\.\d+)?", row.key):
            for base in row.value.strip("[]").split(", "):
                found |= _of_choice(folders, group, base, prefix) if base != "_self_" else {}
    found |= {prefix + r.key: r.comment for r in rows if r.comment and r.key[:8] != "defaults"}
    return found | {prefix.rstrip("."): line for line in head(text)[:1]}


def _find(folders: list[Path], name: str) -> str | None:
    path = next((folder / name for folder in folders if (folder / name).is_file()), None)
    return path.read_text(encoding="utf-8") if path else None
