"""Explains each invalid option in one line, by its name on the command line."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from omegaconf import DictConfig, OmegaConf
from pydantic import ValidationError

from gfm.compat.hydra import format_value
from gfm.errors import GFMError
from gfm.option_types import LINE, Section
from gfm.run.configs import choices

_OPTIONS = "a mapping of options; see --help"
_OPTION = re.compile(r"(?<![\w./-])data\.(?=[a-z])")
"""The beginning of an option of ``data`` in a message, but not in a path."""


class OptionsError(GFMError):
    """Invalid options, with a line for each in ``lines``."""

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = list(lines)


def explain(error: ValidationError, kind: type[Section], cfg: DictConfig) -> OptionsError:
    """Return an error that lists the allowed values of each invalid option.

    Options that interpolate another option are reported only if nothing else is wrong, because the
    user has set the other one.

    Args:
        error: Errors of the validation.
        kind: Class that validated the configuration.
        cfg: Composed configuration.
    """
    schema = kind.model_json_schema()
    options, written = (OmegaConf.to_container(cfg, resolve=r) for r in (True, False))
    lines: dict[bool, dict[str, str]] = {True: {}, False: {}}
    for fault in error.errors():
        path, allowed = _locate(fault["loc"], schema)
        name = ".".join(path)
        if fault["type"] == LINE:
            line = fault["msg"]
        elif fault["type"] == "value_error":  # raised by a validator
            line = str(fault["ctx"]["error"])
        elif fault["type"] == "extra_forbidden":
            name = ".".join(map(str, fault["loc"]))
            line = f"{name}: no such option; see --help"
        elif fault["type"] == "missing":
            line = f"{name} is missing: set it to {_describe(allowed, schema)}"
        else:
            described = " or ".join(choices(name)) or _describe(allowed, schema)
            line = f"{name}={format_value(_find(options, path))}: choose {described}"
        source = _find(written, path)
        is_interpolated = isinstance(source, str | list) and "${" in str(source)
        lines[is_interpolated].setdefault(name, line)
    return OptionsError(list((lines[False] or lines[True]).values()))


@contextmanager
def options_of_set(name: str) -> Iterator[None]:
    """Let errors within the context name the options of a test set, ``sets.<name>.<option>``.

    The code that raises them handles a single set, whose options are ``data.<option>``.
    """
    try:
        yield
    except GFMError as error:
        lines = getattr(error, "lines", [str(error)])
        raise OptionsError([_OPTION.sub(f"sets.{name}.", line) for line in lines]) from error


def _locate(place: Sequence[int | str], schema: Mapping[str, Any]) -> tuple[list[str], Any]:
    """Return the name of the option at the location of an error, and its schema.

    A location may end with list indices and with the alternatives of a union.
    """
    path: list[str] = []
    node: Any = schema
    for part in place:
        node = _follow(node, schema)
        kinds = [_follow(kind, schema) for kind in node.get("anyOf", [node])]
        found = [
            kind.get("properties", {}).get(part) or kind.get("additionalProperties")
            for kind in kinds
            if kind.get("type") == "object"
        ]
        inside = next((kind for kind in found if isinstance(kind, Mapping)), None)
        if inside is None:
            break
        path.append(str(part))
        node = inside
    return path, node


def _follow(node: Any, schema: Mapping[str, Any]) -> Any:
    reference = node.get("$ref")
    return schema["$defs"][reference.split("/")[-1]] if reference else node


def _find(options: Any, path: Sequence[str]) -> Any:
    """Return the value of an option, or of its parent if that is an interpolation."""
    for part in path:
        if not isinstance(options, Mapping):
            break
        options = options.get(part)
    return options


def _describe(node: Any, schema: Mapping[str, Any]) -> str:
    """Describe in words what a JSON schema allows."""
    node = _follow(node, schema)
    if "anyOf" in node:
        return ", or ".join(_describe(kind, schema) for kind in node["anyOf"])
    if "enum" in node or "const" in node:
        return " or ".join(format_value(value) for value in node.get("enum", [node.get("const")]))
    if node.get("type") in ("integer", "number"):
        return _describe_number(node)
    if node.get("type") == "array":
        least, most = node.get("minItems", 0), node.get("maxItems")
        items = _describe(node["items"], schema)
        if least == most:
            return f"a list of {least} items, each {items}"
        return f"a list with items, each {items}" if least else f"a list, each item {items}"
    words = {"string": "text, in quotes if it looks like a number", "boolean": "true or false"}
    return {**words, "null": "null"}.get(node.get("type", ""), _OPTIONS)


def _describe_number(node: Mapping[str, Any]) -> str:
    kind = "a whole number" if node["type"] == "integer" else "a number"
    low, high = node.get("minimum"), node.get("maximum")
    above, below = node.get("exclusiveMinimum"), node.get("exclusiveMaximum")
    if low is None and above is None:
        return kind
    start = f"of at least {low:g}" if low is not None else f"above {above:g}"
    if high is None and below is None:
        return f"{kind} {start}"
    end = f"at most {high:.10g}" if high is not None else f"below {below:g}"
    return f"{kind} {start} and {end}"
