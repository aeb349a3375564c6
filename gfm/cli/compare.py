"""Defines ``gfm compare``; imports are lazy, to keep --help fast."""

from pathlib import Path
from typing import Annotated

import typer

from gfm.errors import GFMError
from gfm.run.exit import report_errors

Runs = Annotated[
    list[Path],
    typer.Argument(
        help="Folders of evaluations, or of training runs with a final test; each is compared with "
        "the first. Runs on several test sets are compared by set, too. Or the folder of a table "
        "(train.py -m table=...), whose files are then rewritten.",
        metavar="RUN",
    ),
]
PageFile = Annotated[
    Path | None,
    typer.Option(help="HTML page of all photos to write.", show_default="compare.html"),
]
Metric = Annotated[
    str | None,
    typer.Option(
        help="Metric by which the listed photos are chosen.", show_default="the first one"
    ),
]
Photos = Annotated[
    int | None,
    typer.Option(
        min=0, help="Number of photos with the largest differences to list.", show_default="5"
    ),
]


@report_errors()
def compare(
    runs: Runs, page: PageFile = None, metric: Metric = None, photos: Photos = None
) -> None:
    """Compare runs by metric and by photo, with 95 % intervals of the differences."""
    from gfm.evaluation.comparison import compare_runs
    from gfm.evaluation.comparison_output import check_page, print_comparison, write_comparison
    from gfm.evaluation.table import DEFINITION
    from gfm.evaluation.table_output import publish_table
    from gfm.run.sweep import SWEPT

    if len(runs) == 1 and (runs[0] / DEFINITION).is_file():
        given = {"--page": page, "--metric": metric, "--photos": photos}
        if ignored := [name for name, value in given.items() if value is not None]:
            raise GFMError(
                f"{runs[0]} holds a table: omit {' and '.join(ignored)}, or compare its runs, "
                f"{runs[0]}/*/"
            )
        publish_table(runs[0])
        return
    if len(runs) == 1 and (runs[0] / SWEPT).is_file():
        raise GFMError(f"{runs[0]} is the folder of a sweep: name its runs, such as {runs[0]}/*/")
    page = page or Path("compare.html")
    check_page(page)
    comparison = compare_runs(runs)
    if metric and metric not in comparison.metrics:
        raise GFMError(f"no metric {metric}: choose one of {', '.join(comparison.metrics)}")
    num_photos = 5 if photos is None else photos
    print_comparison(comparison, metric or comparison.metrics[0], num_photos)
    write_comparison(page, comparison)
    typer.echo(f"page: {page}")
