"""Writes self-contained HTML pages from the templates beside this module."""

from pathlib import Path
from typing import Any

import jinja2

from gfm.system.files import open_atomic


def write_page(path: Path, template: str, **values: Any) -> None:
    """Fill in a template, escaping all values, and write the page atomically.

    Raises:
        WriteError: The file cannot be written.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template(template).stream(values)
    with open_atomic(path) as file:
        page.dump(file, encoding="utf-8")
