"""Turns a table of ``configs/table`` into the jobs of a sweep: one run for each cell and repeat.

The runs of a table are ordinary runs: each can be repeated or resumed alone with its own options.
"""

import re
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from omegaconf import DictConfig, OmegaConf
from pydantic import BeforeValidator, Field, ValidationError

from gfm.compat.hydra import parse_override, swept_options
from gfm.errors import GFMError
from gfm.evaluation.published import find_published
from gfm.evaluation.table import Definition, load_definition
from gfm.metrics import metric_names
from gfm.option_types import Section, Text
from gfm.run.overrides import check_overrides, override
from gfm.run.saved_options import Options, by_option, given_overrides
from gfm.run.sweep import RESULT

_COLUMNS = ("sad", "mse", "mad", "grad", "conn", "sad_transition")

_Overrides = Annotated[list[Text], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)]


class TableOptions(Section):
    """A file of ``configs/table``."""

    title: Text
    program: Literal["train", "evaluate"] = "train"
    cells: Annotated[dict[str, _Overrides], Field(min_length=1)]
    options: _Overrides = Field(default_factory=list)
    metrics: list[Text] | None = None
    published: dict[str, Text] = Field(default_factory=dict)
    notes: _Overrides = Field(default_factory=list)


def plan_table(config: DictConfig) -> tuple[Definition, list[list[str]]]:
    """Return a table's definition, and the overrides of each of its runs.

    Args:
        config: Configuration that Hydra passes to ``on_multirun_start``.

    Raises:
        GFMError: The table, or the command line with it, is malformed.
    """
    table = _read(config)
    cells = {label: by_option(options) for label, options in table.cells.items()}
    task = by_option(given_overrides(config.hydra))
    given = {name: o for name, o in task.items() if name.split(".")[0] != "table"}
    if config.get("sets"):
        raise GFMError("a table tests all cells on one set: choose a single data=<name>")
    axis = repeated_option(config)
    _check_command(given, cells, axis)
    repeats = list(dict.fromkeys(_values(given.pop(axis, None)) or [config[axis]]))
    shared = {**by_option(table.options), **given}
    folders: dict[str, list[str]] = {label: [] for label in cells}
    jobs = []
    for label, own in cells.items():
        for number, value in enumerate(repeats):
            # More seeds can be added later, so a folder is named after its seed.
            folder = f"{_file_name(label)}_{axis}{value if axis == 'seed' else number}"
            options = {**shared, **own, axis: override(axis, value)}
            jobs.append([*options.values(), override("hydra.sweep.subdir", folder)])
            folders[label].append(folder)
    columns = _columns(table, config)
    own_options = {label: list(own.values()) for label, own in cells.items()}
    shared_options = list(shared.values())
    return Definition(
        table.title, folders, own_options, shared_options, columns, table.published, table.notes
    ), jobs


def extend_table(sweep: Path, definition: Definition) -> Definition:
    """Merge the definition with the table in a sweep's folder, if any of its runs has begun.

    Raises:
        GFMError: The runs of that table have different options.
    """
    earlier = _begun_table(sweep)
    if earlier is None:
        return definition
    changed = set(earlier.shared) ^ set(definition.shared)
    for label in earlier.options.keys() & definition.options:
        changed |= set(earlier.options[label]) ^ set(definition.options[label])
    if changed:
        raise GFMError(
            f"{sweep} holds a table that differs in {', '.join(sorted(changed))}: repeat its "
            "command to resume it, or set hydra.sweep.dir to a new folder"
        )
    cells = {**earlier.cells, **definition.cells}
    return replace(
        definition,
        cells={n: list(dict.fromkeys([*earlier.cells.get(n, []), *f])) for n, f in cells.items()},
        options={**earlier.options, **definition.options},
        published={**earlier.published, **definition.published},
    )


def _begun_table(sweep: Path) -> Definition | None:
    with suppress(GFMError):  # no table yet, or a damaged one
        table = load_definition(sweep)
        if any((sweep / run / RESULT).is_file() for runs in table.cells.values() for run in runs):
            return table
    return None


def repeated_option(config: DictConfig) -> str:
    """Return the option that differs between the runs of a cell: seed or checkpoint."""
    return "seed" if "seed" in config else "checkpoint"


def _read(config: DictConfig) -> TableOptions:
    """Validate and return the chosen table."""
    plain: Any = OmegaConf.to_container(config.table, resolve=True)
    try:
        table = TableOptions.model_validate(plain)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise GFMError(f"table.{place}: {first['msg'].lower()}") from None
    if (table.program == "train") != ("seed" in config):
        choice = config.hydra.runtime.choices.table
        weights = " checkpoint=<weights>" if table.program == "evaluate" else ""
        command = f"{table.program}.py -m table={choice}{weights}"
        raise GFMError(f"table={choice} is a table of the other command: run python {command}")
    names = [_file_name(label) for label in table.cells]
    for label in table.cells:
        if names.count(_file_name(label)) > 1:
            raise GFMError(f"table.cells: {label} has the folder of a different cell: rename it")
    for label, row in table.published.items():
        if label not in table.cells:
            raise GFMError(f"table.published: {label} is not a cell of the table")
        find_published(row)
    texts = [*table.options, *(text for own in table.cells.values() for text in own)]
    check_overrides(["-m", *texts])  # several values are refused below
    for text in texts:
        option = parse_override(text)
        if option.is_sweep_override() or (option.key_or_group or "").startswith("hydra"):
            raise GFMError(f"table: {text}: choose an option of a run, and one value")
    return table


def _columns(table: TableOptions, config: DictConfig) -> list[str]:
    protocol = OmegaConf.select(config, "metrics.protocol") or config.protocol
    try:
        known = metric_names(protocol, config.extra_metrics)
    except ValueError as error:
        raise GFMError(str(error)) from error
    for name in table.metrics or ():
        if name not in known:
            raise GFMError(f"table.metrics: no metric {name}: choose from {', '.join(known)}")
    return table.metrics or [name for name in _COLUMNS if name in known]


def _check_command(given: Options, cells: dict[str, Options], axis: str) -> None:
    for name in swept_options(given.values()):
        if name != axis:
            raise GFMError(f"{given[name]}: in a table, only {axis} may have several values")
    for label, own in cells.items():
        for name in own:
            if name in given:
                raise GFMError(f"{given[name]}: cell {label} of the table sets {name} itself")
    if axis == "checkpoint" and axis not in given:
        raise GFMError("set checkpoint=<weights> to the weights that the table tests")
    for name in ("test", "trainer.fast_dev_run", "debug"):
        if name in given and ((name == "test") != bool(parse_override(given[name]).value())):
            raise GFMError(f"a table needs the final tests: remove {given[name]}")


def _values(text: str | None) -> list[Any]:
    """Return the values of an override, which may be a sweep."""
    if text is None:
        return []
    option = parse_override(text)
    if not option.is_sweep_override():
        return [option.value()]
    return [parse_override(f"x={v}").value() for v in option.sweep_string_iterator()]


def _file_name(label: str) -> str:
    return re.sub(r"[^\w.+-]+", "_", label).strip("_.").lower() or "cell"
