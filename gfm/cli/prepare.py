"""Defines ``gfm prepare`` and ``gfm check``; imports are lazy, to keep --help fast."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gfm.cli.options import OverwriteOption, ShardOption
from gfm.errors import GFMError
from gfm.rosta import TT
from gfm.run.exit import report_errors
from gfm.run.overrides import shell_override
from gfm.system.shards import Shard

if TYPE_CHECKING:
    from gfm.data.layout import Roots
    from gfm.prepare.runner import Options

app = typer.Typer(
    no_args_is_help=True,
    help="Generate files that the published datasets lack. "
    "Stop a command at any time; repeat it to resume.",
)

Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME=VALUE",
        help="The datasets, as for train.py: data=am2k paths.am2k=/data/AM-2k paths.bg20k=…",
    ),
]
ConfigDir = Annotated[
    Path | None,
    typer.Option("--config-dir", help="Folder of your own YAML files, as for train.py."),
]
Workers = Annotated[
    int | None, typer.Option(min=1, help="Number of processes.", show_default="one per core")
]


def _setup(
    overrides: list[str] | None,
    config_dir: Path | None,
    workers: int | None,
    shard: str,
    overwrite: bool,
) -> "tuple[Roots, Options]":
    """Return the datasets to work on, and the options shared by the subcommands."""
    from gfm.cli.datasets import find_roots
    from gfm.prepare.runner import Options

    options = Options(workers, Shard.parse(shard), overwrite)
    return find_roots(overrides or [], config_dir), options


@app.command()
@report_errors("the same command")
def foregrounds(
    overrides: Overrides = None,
    method: Annotated[
        str,
        typer.Option(help="Method: cf (closed form, as in the paper) or ml (multi-level, faster)."),
    ] = "cf",
    workers: Workers = None,
    shard: ShardOption = "1/1",
    overwrite: OverwriteOption = False,
    config_dir: ConfigDir = None,
) -> None:
    """Estimate foreground and background colours of the training photos (train/fg, train/bg).

    track.foreground=closed_form needs them. With --method cf, each process takes about 1 GB of
    memory per megapixel.
    """
    from gfm.prepare.foregrounds import prepare_foregrounds

    roots, options = _setup(overrides, config_dir, workers, shard, overwrite)
    prepare_foregrounds(roots.photos, roots.folders, method, options)


@app.command()
@report_errors("the same command")
def denoise(
    overrides: Overrides = None,
    method: Annotated[
        str,
        typer.Option(
            help="Method: nlm (non-local means) or bm3d (as in the paper; its licence forbids "
            "commercial use)."
        ),
    ] = "nlm",
    sigma: Annotated[
        float, typer.Option(help="Standard deviation of the noise, on the scale of 0..255.")
    ] = 10.0,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Pictures to denoise: original, fg or bg20k; may be repeated.",
            show_default="all that exist",
        ),
    ] = None,
    workers: Workers = None,
    shard: ShardOption = "1/1",
    overwrite: OverwriteOption = False,
    config_dir: ConfigDir = None,
) -> None:
    """Remove noise from original, fg and the train folder of BG-20k (into <folder>_denoise).

    track=comp_rssn track.denoise=true needs the results.
    """
    from gfm.prepare.denoise import prepare_denoise

    roots, options = _setup(overrides, config_dir, workers, shard, overwrite)
    prepare_denoise(roots, method, sigma, only or [], options)


@app.command()
@report_errors("the same command")
def trimaps(
    overrides: Overrides = None,
    kernel_size: Annotated[
        int, typer.Option(help="Side of the elliptic kernel in pixels.")
    ] = TT.kernel_size,
    workers: Workers = None,
    shard: ShardOption = "1/1",
    overwrite: OverwriteOption = False,
    config_dir: ConfigDir = None,
) -> None:
    """Generate the trimaps of the validation photos (validation/trimap)."""
    from gfm.prepare.trimaps import prepare_trimaps

    roots, options = _setup(overrides, config_dir, workers, shard, overwrite)
    prepare_trimaps(roots.photos, roots.folders, kernel_size, options)


@app.command()
@report_errors("the same command")
def pack(
    overrides: Overrides = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the packed datasets.",
            show_default="<dataset>_packed beside each dataset",
        ),
    ] = None,
    max_side: Annotated[
        int, typer.Option(min=0, help="Longest side of backgrounds in pixels; 0 keeps their size.")
    ] = 0,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Datasets to pack: photos, bg20k or coco; may be repeated.",
            show_default="all that exist",
        ),
    ] = None,
    workers: Workers = None,
    shard: ShardOption = "1/1",
    overwrite: OverwriteOption = False,
    config_dir: ConfigDir = None,
) -> None:
    """Store datasets decoded: many times faster to load, and many times larger on disk."""
    from gfm.prepare.pack import prepare_pack

    roots, options = _setup(overrides, config_dir, workers, shard, overwrite)
    packed = prepare_pack(roots, out, max_side, only or [], options)
    names = {"photos": roots.folders.option, "bg20k": "paths.bg20k", "coco": "paths.coco"}
    typer.echo("use " + " ".join(shell_override(names[n], path) for n, path in packed.items()))


@report_errors()
def check(
    datasets: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FOLDER | NAME=VALUE",
            help="A folder of your own photos and mattes, or datasets as for train.py: data=am2k "
            "paths.am2k=/data/AM-2k paths.bg20k=…",
        ),
    ] = None,
    workers: Workers = None,
    config_dir: ConfigDir = None,
) -> None:
    """Read every file of a dataset and print all problems; exit with status 1 if there are any.

    Notes, such as on mattes that are binary, do not count as problems.
    """
    from gfm.cli.datasets import find_datasets
    from gfm.prepare.check import check as check_all

    problems = check_all(find_datasets(datasets or [], config_dir), workers)
    if problems:
        raise GFMError(f"{len(problems):,} problem{'s' if len(problems) > 1 else ''}")
    typer.echo("no problems")
