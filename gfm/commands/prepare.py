"""``gfm prepare …`` and ``gfm check``; what they need is imported when they run."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from gfm.prepare.runner import Options

app = typer.Typer(
    no_args_is_help=True,
    help="Make what the published datasets leave to their users. "
    "Every command can be stopped at any moment: it goes on where it was.",
)

Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME=VALUE",
        help="Which data, as for train.py: data=am2k paths.am2k=/data/AM-2k paths.bg20k=…",
    ),
]
Workers = Annotated[int | None, typer.Option(min=1, help="Processes.", show_default="one per core")]
Shard = Annotated[str, typer.Option(help="i/n: make the i-th of n parts, one for each machine.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Make again what is there.")]


@contextmanager
def _faults() -> Iterator[None]:
    from gfm.launch.entry import faults

    with faults():
        yield


def _options(workers: int | None, shard: str, overwrite: bool) -> "Options":
    from gfm.prepare.runner import Options, parse_shard

    return Options(workers, parse_shard(shard), overwrite)


@app.command()
def foregrounds(
    overrides: Overrides = None,
    method: Annotated[
        str, typer.Option(help="cf: closed form, the paper's. ml: multi-level, fast.")
    ] = "cf",
    workers: Workers = None,
    shard: Shard = "1/1",
    overwrite: Overwrite = False,
) -> None:
    """Colours of foreground and background of the training photos, into train/fg and train/bg.

    Needed by track.foreground=closed_form. Takes about 1 GB of memory per process and megapixel
    with --method cf.
    """
    with _faults():
        from gfm.commands.datasets import find_roots
        from gfm.prepare.foregrounds import prepare_foregrounds

        options = _options(workers, shard, overwrite)
        roots = find_roots(overrides or [])
        prepare_foregrounds(roots.photos, roots.folders, method, options)


@app.command()
def denoise(
    overrides: Overrides = None,
    method: Annotated[
        str, typer.Option(help="nlm: non-local means. bm3d: the paper's, non-commercial licence.")
    ] = "nlm",
    sigma: Annotated[float, typer.Option(help="Noise to remove, of 255.")] = 10.0,
    only: Annotated[
        list[str] | None,
        typer.Option(help="original, fg or bg20k; may be repeated.", show_default="all there are"),
    ] = None,
    workers: Workers = None,
    shard: Shard = "1/1",
    overwrite: Overwrite = False,
) -> None:
    """Pictures without noise: original → original_denoise, fg → fg_denoise, BG-20k's train.

    Needed by track=comp_rssn track.denoise=true.
    """
    with _faults():
        from gfm.commands.datasets import find_roots
        from gfm.prepare.denoise import prepare_denoise

        options = _options(workers, shard, overwrite)
        prepare_denoise(find_roots(overrides or []), method, sigma, only or [], options)


@app.command()
def trimaps(
    overrides: Overrides = None,
    kernel_size: Annotated[int, typer.Option(help="Side of the ellipse in pixels.")] = 25,
    workers: Workers = None,
    shard: Shard = "1/1",
    overwrite: Overwrite = False,
) -> None:
    """Trimaps of the validation photos, into validation/trimap."""
    with _faults():
        from gfm.commands.datasets import find_roots
        from gfm.prepare.trimaps import prepare_trimaps

        options = _options(workers, shard, overwrite)
        roots = find_roots(overrides or [])
        prepare_trimaps(roots.photos, roots.folders, kernel_size, options)


@app.command()
def pack(
    overrides: Overrides = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the results.", show_default="beside, <dataset>_packed"),
    ] = None,
    max_side: Annotated[
        int, typer.Option(min=0, help="Reduce backgrounds to this many pixels; 0 does not.")
    ] = 0,
    only: Annotated[
        list[str] | None,
        typer.Option(help="photos, bg20k or coco; may be repeated.", show_default="all there are"),
    ] = None,
    workers: Workers = None,
    shard: Shard = "1/1",
    overwrite: Overwrite = False,
) -> None:
    """Datasets decoded, for loading many times as fast; takes many times the disk."""
    with _faults():
        from gfm.commands.datasets import find_roots
        from gfm.prepare.pack import prepare_pack

        options = _options(workers, shard, overwrite)
        roots = find_roots(overrides or [])
        packed = prepare_pack(roots, out, max_side, only or [], options)
        names = {"photos": roots.folders.option, "bg20k": "paths.bg20k", "coco": "paths.coco"}
        typer.echo("use " + " ".join(f"{names[name]}={path}" for name, path in packed.items()))


def check(overrides: Overrides = None, workers: Workers = None) -> None:
    """Read every file of a dataset and print all that is wrong; exit status 1 if anything is."""
    with _faults():
        from gfm.commands.datasets import find_roots
        from gfm.errors import GFMError
        from gfm.prepare.check import check as check_all

        try:
            problems = check_all(find_roots(overrides or []), workers)
        except KeyboardInterrupt:
            typer.echo("stopped")
            raise typer.Exit(130) from None
        if problems:
            raise GFMError(f"{len(problems):,} problem{'s' if len(problems) > 1 else ''}")
        typer.echo("no problems")
