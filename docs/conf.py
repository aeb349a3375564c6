"""Configure Sphinx; ``make docs`` builds the pages into ``docs/_build``."""

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import gfm  # noqa: E402

project = "gfm-matting"
copyright = "the authors of gfm-matting"
version = release = gfm.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "configuration",  # docs/configuration.py
]
exclude_patterns = ["_build", "_generated"]
myst_heading_anchors = 3
suppress_warnings = ["misc.highlighting_failure"]

smartquotes = False  # would turn the two dashes of --workers into one
default_role = "py:obj"  # `name` in a docstring becomes a link if it can be resolved
add_module_names = False
python_maximum_signature_line_length = 80
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_typehints_format = "short"
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = "gfm-matting"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_show_sphinx = False
html_copy_source = False
pygments_style = "friendly"
pygments_dark_style = "monokai"


def skip(app: Any, what: str, name: str, obj: Any, *_: Any) -> bool | None:
    """Skip fields of named tuples, which the class docstring describes."""
    return True if (getattr(obj, "__doc__", None) or "").startswith("Alias for field") else None


def setup(app: Any) -> None:
    """Register the hook with Sphinx."""
    app.connect("autodoc-skip-member", skip)
