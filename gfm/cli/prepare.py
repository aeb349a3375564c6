"""Defines ``gfm prepare`` and ``gfm check``; each imports what it needs when it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gfm.prepare.runner import Options

app = typer.Typer(
    no_args_is_help=True,
    help="Make the files that the published datasets leave to their users. "
    "Every command can be stopped at any moment; run it again to go on.",
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
Shard = Annotated[
    str, typer.Option(help="i/n makes only part i of n, to share the work among machines.")
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Make files again that exist already.")
]


@contextmanager
def _faults(go_on: str | None = "the same command") -> Iterator[None]:
    from gfm.run.exit import report_errors

    with report_errors(go_on):
        yield


def _options(workers: int | None, shard: str, overwrite: bool) -> "Options":
    from gfm.prepare.runner import Options, parse_shard

    return Options(workers, parse_shard(shard), overwrite)


@app.command()
def foregrounds(
    overrides: Overrides = None,
    method: Annotated[
        str,
        typer.Option(help="Method: cf (closed form, as in the paper) or ml (multi-level, faster)."),
    ] = "cf",
    workers: Workers = None,
    shard: Shard = "1/1",
    overwrite: Overwrite = False,
    config_dir: ConfigDir = None,
) -> None:
    """Estimate foreground and background colours of the training photos (train/fg, train/bg).

    They are needed by track.foreground=closed_form. With --method cf, each process takes about 1 GB
    of memory per megapixel.
    """
    with _faults():
        from gfm.cli.datasets import find_roots
        from gfm.prepare.foregrounds import prepare_foregrounds

        options = _options(workers, shard, overwrite)
        roots = find_roots(overrides or [], config_dir)
        prepare_foregrounds(roots.photos, roots.folders, method, options)


@app.command()
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
    shard: Shard = "1/1",
    overwrite: Overwrite = False,
    config_dir: ConfigDir = None,
) -> None:
    """Remove noise from original, fg and the train folder of BG-20k (into <folder>_denoise).

    The results are needed by track=comp_rssn track.denoise=true.
    """
    with _faults():
        from gfm.cli.datasets import find_roots
        from gfm.prepare.denoise import prepare_denoise

        options = _options(workers, shard, overwrite)
        prepare_denoise(find_roots(overrides or [], config_dir), method, sigma, only or [], options)


@app.command()
def trimaps(
    overrides: Overrides = None,
    kernel_size: Annotated[int, typer.Option(help="Side of the elliptic kernel in pixels.")] = 25,
    workers: Workers = None,
    shard: Shard = "1/1",
    overwrite: Overwrite = False,
    config_dir: ConfigDir = None,
) -> None:
    """Make the trimaps of the validation photos (validation/trimap)."""
    with _faults():
        from gfm.cli.datasets import find_roots
        from gfm.prepare.trimaps import prepare_trimaps

        options = _options(workers, shard, overwrite)
        roots = find_roots(overrides or [], config_dir)
        prepare_trimaps(roots.photos, roots.folders, kernel_size, options)


@app.command()
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
    shard: Shard = "1/1",
    overwrite: Overwrite = False,
    config_dir: ConfigDir = None,
) -> None:
    """Store datasets decoded, which loads many times faster but needs many times the disk space."""
    with _faults():
        from gfm.cli.datasets import find_roots
        from gfm.prepare.pack import prepare_pack

        options = _options(workers, shard, overwrite)
        roots = find_roots(overrides or [], config_dir)
        packed = prepare_pack(roots, out, max_side, only or [], options)
        names = {"photos": roots.folders.option, "bg20k": "paths.bg20k", "coco": "paths.coco"}
        typer.echo("use " + " ".join(f"{names[name]}={path}" for name, path in packed.items()))


def check(
    overrides: Overrides = None, workers: Workers = None, config_dir: ConfigDir = None
) -> None:
    """Read every file of a dataset and print all problems; exit with status 1 if there are any."""
    with _faults(go_on=None):
        from gfm.cli.datasets import find_roots
        from gfm.errors import INTERRUPTED, GFMError
        from gfm.prepare.check import check as check_all

        try:
            problems = check_all(find_roots(overrides or [], config_dir), workers)
        except KeyboardInterrupt:
            typer.echo("stopped")
            raise typer.Exit(INTERRUPTED) from None
        if problems:
            raise GFMError(f"{len(problems):,} problem{'s' if len(problems) > 1 else ''}")
        typer.echo("no problems")
