"""Prints a table of runs, and writes it as Markdown, LaTeX, CSV and an HTML page."""

import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.table import Table as RichTable
from rich.text import Text

from gfm.evaluation.html import write_page
from gfm.evaluation.table import Entry, Table, build_table
from gfm.system.console import console
from gfm.system.files import write_table, write_text

_STYLES = {0: "", 1: "bold", 2: "italic"}
_NAMES = {"sad": "SAD", "mse": "MSE", "mad": "MAD", "grad": "Grad", "conn": "Conn"}
_LATEX = {c: f"\\{c}" for c in "&%$#_{}"} | {
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    # At the start of a row, these would be arguments of the command before it.
    "[": "{[}",
    "*": "{*}",
    "±": "$\\pm$",
    "≈": "$\\approx$",
    "†": "$\\dagger$",
}


def publish_table(sweep: Path) -> None:
    """Print the table of a sweep, and write it to ``table.md``, ``.tex``, ``.csv`` and ``.html``.

    Raises:
        GFMError: See :func:`gfm.evaluation.table.build_table`.
        WriteError: A file cannot be written.
    """
    table = build_table(sweep)
    write_text(sweep / "table.md", to_markdown(table))
    write_text(sweep / "table.tex", to_latex(table))
    write_table(sweep / "table.csv", _csv_rows(table), index="cell")
    columns = [(name, column_title(name), table.units.get(name, "")) for name in table.metrics]
    write_page(
        sweep / "table.html", "table.html.jinja", table=table, columns=columns, text=_texts(table)
    )
    _print(table)
    console().print(f"table: {sweep / 'table.md'}, .tex, .csv, .html")


def column_title(metric: str) -> str:
    """Return the heading of a metric, such as ``SAD`` and ``SAD transition``."""
    name, *region = metric.split("_")
    return " ".join([_NAMES.get(name, name), *region])


def to_markdown(table: Table) -> str:
    """Return a table with its title and notes as Markdown."""
    marks = {0: "{}", 1: "**{}**", 2: "*{}*"}
    lines = _lines(table, lambda text, rank: marks[rank].format(_markdown(text)))
    head, *body = [f"| {' | '.join(line)} |" for line in lines]
    rule = f"| --- |{' ---: |' * (len(lines[0]) - 1)}"
    notes = [_markdown(note) for note in table.notes]
    title = f"**{_markdown(table.title)}**"
    return "\n".join([title, "", head, rule, *body, "", *(f"- {n}" for n in notes), ""])


def to_latex(table: Table) -> str:
    """Return a table as LaTeX that needs the package ``booktabs``, with the notes as comments."""
    marks = {0: "{}", 1: "\\textbf{{{}}}", 2: "\\textit{{{}}}"}
    lines = _lines(table, lambda text, rank: marks[rank].format(_latex(text)))
    head, *body = [f"{' & '.join(line)} \\\\" for line in lines]
    return "\n".join(
        [
            f"% {table.title}",
            *(f"% {note}" for note in table.notes),
            f"\\begin{{tabular}}{{l{'r' * (len(lines[0]) - 1)}}}",
            *("\\toprule", head, "\\midrule", *body, "\\bottomrule"),
            "\\end{tabular}",
            "",
        ]
    )


def _lines(table: Table, mark: Callable[[str, int], Any]) -> list[list[Any]]:
    """Return the cells of a table's heading and rows, marked up by their rank."""
    texts = _texts(table)
    heads = ["", *(f"{column_title(name)}{_unit(table, name)}" for name in table.metrics)]
    heads += [f"{column_title(name)}, published" for name in table.published]
    lines = [[mark(head, 0) for head in heads]]
    for row, (shown, published) in zip(table.rows, texts, strict=True):
        ranks = [entry.rank for entry in row.entries] or [0] * len(shown)
        own = [mark(text, rank) for text, rank in zip(shown, ranks, strict=True)]
        lines.append([mark(row.shown, 0), *own, *(mark(text, 0) for text in published)])
    return lines


def _unit(table: Table, metric: str) -> str:
    unit = table.units.get(metric, "")
    return f" ({unit})" if unit in ("thousands", "tens") else ""


def _texts(table: Table) -> list[tuple[list[str], list[str]]]:
    """Return the figures of each row as texts: ours, then published ones."""
    columns = zip(*(row.entries for row in table.rows if row.entries), strict=True)
    decimals = [_decimals([entry.mean for entry in column]) for column in columns]
    rows = []
    for row in table.rows:
        own = [_entry(e, d) for e, d in zip(row.entries, decimals, strict=False)]
        published = [f"{row.published[n]:g}" if n in row.published else "" for n in table.published]
        rows.append((own or ["–"] * len(table.metrics), published))
    return rows


def _entry(entry: Entry, decimals: int) -> str:
    if not math.isfinite(entry.mean):
        return "–"
    text = f"{entry.mean:.{decimals}f}"
    if entry.deviation is not None:
        text += f" ± {entry.deviation:.{decimals}f}"
    return f"{text} ≈" if entry.is_close else text


def _decimals(values: Sequence[float]) -> int:
    """Return the number of decimals that shows three digits of the smallest value."""
    known = [abs(v) for v in values if math.isfinite(v) and v]
    return min(max(0, 2 - math.floor(math.log10(min(known)))), 8) if known else 2


def _csv_rows(table: Table) -> dict[str, dict[str, Any]]:
    """Return unrounded figures by cell."""
    rows = {}
    for row in table.rows:
        line: dict[str, Any] = {"runs": row.num_runs, "options": " ".join(row.options)}
        entries: list[Any] = row.entries or [None] * len(table.metrics)
        for name, entry in zip(table.metrics, entries, strict=True):
            line[name] = entry.mean if entry else None
            line[f"{name}_deviation"] = entry.deviation if entry else None
            line[f"{name}_is_close_to_best"] = entry.is_close if entry else None
        line |= {f"{name}_published": row.published.get(name) for name in table.published}
        rows[row.label] = {**line, "flat_mattes": row.num_flat if row.num_runs else None}
    return rows


def _print(table: Table) -> None:
    (_, *heads), *body = _lines(table, lambda text, rank: Text(text, _STYLES[rank]))
    shown = RichTable(title=table.title, title_justify="left")
    shown.add_column("cell", overflow="fold")
    for head in heads:
        shown.add_column(head, justify="right")
    for line in body:
        shown.add_row(*line)
    console().print(shown)
    for note in table.notes:
        console().print(Text(note))


def _markdown(text: str) -> str:
    return re.sub(r"([\\|*_<>`\[\]])", r"\\\1", text)


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in text)
