"""Writes and checks overrides in Hydra's grammar, where some characters are special."""

import json
import os
import re
import shlex
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from gfm.compat.hydra import parse_arguments, parse_override, reason
from gfm.errors import GFMError
from gfm.run.configs import CONFIGS, choices
from gfm.system.files import check_name

_PLAIN = re.compile(r"[\w/.:+\-@%]+", re.ASCII)
_QUOTED = re.compile(r"""(['"])(\\.|(?!\1)[^\\])*\1""", re.DOTALL)
_PART = re.compile(rf"(?:^|,)({_QUOTED.pattern.replace('1', '2')}(?=,|$)|[^,]*)", re.DOTALL)
_OF_PATHS = re.compile(
    r"(checkpoint|ckpt_path|init_from|predictions|data\.root|data\.source\.\w+|paths\.\w+"
    r"|hydra\.(?:run|sweep)\.dir)=(.+)"
)


def override(name: str, value: object) -> str:
    """Return ``name=value``, quoted if necessary, so that Hydra reads the value verbatim."""
    return f"{name}={_written(value)}"


def _written(value: object) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    if value is None or isinstance(value, bool | int | float):
        return json.dumps(value)
    text = str(value)
    if _PLAIN.fullmatch(text) and parse_override(f"x={text}").value() == text:  # not a number
        return text
    doubled = re.sub(r"(\\+)(?='|$)", r"\1\1", text)  # special only before a quote
    escaped = doubled.replace("'", r"\'")
    return f"'{escaped}'"


def shell_override(name: str, value: object) -> str:
    """Return the override ``name=value`` as it can be pasted into a shell."""
    return shlex.quote(override(name, value))


def program(name: str) -> list[str]:
    """Return the command for ``train`` or ``evaluate`` matching how this process was started."""
    script = Path(sys.argv[0])
    if script.name in ("train.py", "evaluate.py") and script.resolve().parent == CONFIGS.parent:
        return ["python", str(script.with_name(f"{name}.py"))]
    return ["gfm", name]


def quote_paths(arguments: Sequence[str]) -> list[str]:
    """Quote the paths that Hydra cannot read, such as ``epoch=3.ckpt`` and ``photos [2024]``.

    Lightning gives checkpoints such names, and shells complete them without quotes. Commas separate
    the values of a sweep. An unquoted ``~`` at the beginning is the home folder, which shells do
    not expand after ``NAME=``.
    """
    return [_quote(argument) for argument in arguments]


def _quote(argument: str) -> str:
    match = _OF_PATHS.fullmatch(argument)
    if not match or "${" in match[2]:
        return argument
    with suppress(HydraException):
        parse_override(argument)
        return argument
    parts = [found[1] for found in _PART.finditer(match[2])]
    parts = [p if _QUOTED.fullmatch(p) else _written(os.path.expanduser(p)) for p in parts]
    return f"{match[1]}={','.join(parts)}"


def check_overrides(arguments: Sequence[str], can_sweep: bool = True) -> None:
    """Check that arguments are overrides, and that groups are set to a choice or to options.

    Args:
        arguments: Arguments of a command.
        can_sweep: Whether the command accepts ``-m``.

    Raises:
        GFMError: An argument is malformed, sets a group to ``null`` or a number, or has an effect
            only with ``-m``, which is missing.
    """
    flags, overrides = parse_arguments(arguments)
    sweeps = flags.multirun or "hydra.mode=MULTIRUN" in overrides
    for line in overrides:
        option = _parse(line)
        if not sweeps:
            _check_single(option, line, can_sweep)
        if not option.is_delete() and not option.is_sweep_override():
            _check_choice(option, line)


def _parse(line: str) -> Override:
    check_name(line)
    try:
        option = parse_override(line)
    except HydraException as error:
        raise GFMError(
            f"cannot read the option {line} ({reason(error)}): write NAME=VALUE, and quotes "
            "around a value with special characters, as in \"NAME='VALUE'\""
        ) from error
    if not option.key_or_group:
        raise GFMError(f"{line} names no option: write NAME=VALUE")
    return option


def _check_single(option: Override, line: str, can_sweep: bool) -> None:
    """Check an option of a single run."""
    name = option.key_or_group
    if option.is_sweep_override():
        sweep = "add -m to run each of them, or " if can_sweep else ""
        raise GFMError(
            f"{line} has several values: {sweep}write a list as {name}=[a,b], and a value "
            f"that contains a comma as \"{name}='a,b'\""
        )
    if name == "hydra/launcher":  # Hydra would ignore the launcher and run the job here
        fix = "add -m, also for a single run" if can_sweep else "leave it out"
        raise GFMError(f"{line} launches the runs of a sweep: {fix}")


def _check_choice(option: Override, line: str) -> None:
    """Check that a group is set to a choice or to options."""
    known = choices(option.key_or_group)
    value = option.value()
    names = value if isinstance(value, list) else [value]
    kinds = str if option.is_add() else (str, dict)
    if known and not all(isinstance(one, kinds) for one in names):
        raise GFMError(f"{line}: {option.key_or_group} is one of {', '.join(known)}")
