"""Recognises the results of earlier commands among the files of a folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from gfm.inference.outputs import Output
from gfm.inference.video.codecs import ALPHA_FORMATS, CUTOUT_FORMATS

_OUTPUTS = get_args(Output)
_CLIP_SUFFIXES = {form.suffix for form in (*ALPHA_FORMATS.values(), *CUTOUT_FORMATS.values())}
_GREY, _RGB, _RGBA = 0, 2, 6  # colour types of PNG
_COLOUR_TYPES = {"cutout": _RGBA, "composite": _RGB}


def find_earlier_results(paths: Sequence[Path], out: Path) -> set[Path]:
    """Return the results of earlier commands, whether written to ``out`` or to other folders.

    A result lies below a folder named after an output, and has the format of that output. Any
    colour picture could be a composite, and any clip a result, so these count only in ``out``, or
    if a file outside such folders has the same name.
    """
    folders = {path.parent for path in paths}
    places = {f: [p for p in (f, *f.parents) if p.name in _OUTPUTS] for f in folders}
    names = {path.stem for path in paths if not places[path.parent]}
    here = out.resolve()
    return {
        path
        for path in paths
        for place in places[path.parent]
        if _is_result(path, place.name, path.stem in names, place.parent == here)
    }


def _is_result(path: Path, output: str, has_source: bool, is_in_out: bool) -> bool:
    if path.suffix in _CLIP_SUFFIXES:
        return has_source or is_in_out
    if path.suffix != ".png":
        return False
    if has_source:  # true for most results; the others are opened, which is slow
        return True
    can_be_other = output == "composite" and not is_in_out
    return not can_be_other and _colour_type(path) == _COLOUR_TYPES.get(output, _GREY)


def _colour_type(path: Path) -> int | None:
    """Read the colour type of a PNG file."""
    try:
        with path.open("rb") as file:
            header = file.read(26)
    except OSError:
        return None
    return header[25] if header.startswith(b"\x89PNG") and len(header) == 26 else None
