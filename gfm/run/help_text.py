"""Makes the text of ``--help``: the groups, and every option with its value and its comment."""

import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from omegaconf import DictConfig, OmegaConf

_COLUMN = 44  # where comments begin, unless a line is longer
_KEY = re.compile(r"(?P<indent>[ -]*)(?P<name>[\w@][\w@/. -]*):(?P<rest> .*)?")


class Row(NamedTuple):
    """A key of a YAML file.

    Attributes:
        key: Key with dots; items of lists have no names.
        value: Value on the line of the key.
        comment: Comment above and beside the key.
        line: Line number from 0.
    """

    key: str
    value: str
    comment: str
    line: int


def read(text: str) -> Iterator[Row]:
    """Yield every key that begins a line of a YAML file."""
    parents: list[tuple[int, str]] = []
    above: list[str] | None = None  # comments; those at the top are the file's
    for number, line in enumerate(text.splitlines()):
        if line.lstrip().startswith("# "):
            above = [*above, line.strip("# ")] if above is not None else None
            continue
        if found := _KEY.fullmatch(line):
            indent = len(found["indent"])
            parents = [parent for parent in parents if parent[0] < indent]
            parents.append((indent, found["name"]))
            value, _, beside = (found["rest"] or "").partition("# ")
            comment = " ".join([*(above or ()), beside]).strip()
            yield Row(".".join(name for _, name in parents), value.strip(), comment, number)
        above = []


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
        group = row.key.removeprefix("defaults.")
        if group != row.key and group != "hydra" and " " not in group:
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
    # Hydra replaces names with a dollar by its own texts; other dollars are doubled.
    text = "\n\n".join(parts).replace("$", "$$")
    return re.sub(r"@(APP_CONFIG_GROUPS|FLAGS_HELP)", r"$\1", text) + "\n"


def annotated(text: str, comments: Mapping[str, str]) -> list[str]:
    """Return the lines of a YAML text, with comments beside the keys that have one.

    Args:
        text: YAML as OmegaConf writes it.
        comments: Comments by key with dots.
    """
    found = {r.line: comments.get(r.key, "") for r in read(text) if r.value[:1] not in ("|", ">")}
    return _beside([(line, found.get(i, "")) for i, line in enumerate(text.splitlines())])


def _beside(lines: list[tuple[str, str]]) -> list[str]:
    return [f"{text:<{_COLUMN}}# {comment}" if comment else text for text, comment in lines]


def _comments(folders: list[Path], choices: Mapping[str, Any], main: str) -> dict[str, str]:
    """Return the comment of each key, from the chosen files and those that they build on."""
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
    for base in (yaml.safe_load(text) or {}).get("defaults", []):
        if isinstance(base, str) and base != "_self_":
            found |= _of_choice(folders, group, base, prefix)
    found |= {prefix + r.key: r.comment for r in read(text) if r.comment}
    return found | {prefix.rstrip("."): line for line in head(text)[:1]}


def _find(folders: list[Path], name: str) -> str | None:
    path = next((folder / name for folder in folders if (folder / name).is_file()), None)
    return path.read_text(encoding="utf-8") if path else None


def register_help() -> None:
    """Register the text under the name that ``configs/hydra/default.yaml`` uses."""
    OmegaConf.register_new_resolver("gfm_help", help_text, replace=True)
