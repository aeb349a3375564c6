"""The authors' weights and datasets, from where they publish them."""

import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gfm.build import build
from gfm.checkpoints.formats import read_weights
from gfm.checkpoints.links import links, released_file, weights_names
from gfm.checkpoints.networks import check_weights
from gfm.errors import GFMError
from gfm.system.extras import need
from gfm.system.files import make_folder
from gfm.system.progress import Progress

_ENCODERS = {"r34": "resnet34", "r34_2b": "resnet34_2b", "d121": "densenet121", "r101": "resnet101"}

# Of the published datasets: the name to give, whose agreement it is under, where it belongs.
_DATA = {
    "am2k": ("AM-2k", "AM-2k", "unpack it to data/AM-2k, or set paths.am2k"),
    "bg20k": ("BG-20k", "BG-20k", "unpack it to data/BG-20k, or set paths.bg20k"),
    "am2k_fg_denoise": (
        "am2k_fg_denoise",
        "AM-2k",
        "unpack it to data/AM-2k/train/fg_denoise, for track.denoise=true",
    ),
    "bg20k_denoise": (
        "bg20k_denoise",
        "BG-20k",
        "unpack it to data/BG-20k/train_denoise, for track.denoise=true",
    ),
}


@dataclass(frozen=True)
class Download:
    """Something that can be downloaded.

    Attributes:
        name: as the user gives it.
        link: of a file or folder on Google Drive.
        agreements: that it is under; addresses by dataset.
        target: the file, or the folder for data.
        hint: where to put it, or how to use it.
        is_folder: whether the link is of a folder.
        check: raises a GFMError unless a file is what was meant.
    """

    name: str
    link: str
    agreements: dict[str, str]
    target: Path
    hint: str
    is_folder: bool
    check: Callable[[Path], None]


def names() -> list[str]:
    """All that can be downloaded, as words of the command line."""
    return [f"weights {name}" for name in weights_names()] + list(_DATA)


def find_weights(name: str, folder: Path | None = None) -> Download:
    """Released weights such as ``r34_2b_tt``; into ``folder``, or where ``released:`` looks.

    Raises:
        GFMError: none are released by that name.
    """
    target = released_file(name)
    name = target.stem.removeprefix("gfm_")
    agreements = {data: _agreement(data) for data in ("AM-2k", "BG-20k")}
    entry = links()["weights"][target.stem]
    return Download(
        f"weights {name}",
        _file_link(entry),
        agreements,
        folder / target.name if folder else target,
        f"use it: python evaluate.py checkpoint=released:{name} data=am2k",
        False,
        lambda path: _check_weights(path, name),
    )


def find_data(name: str, folder: Path | None = None) -> Download:
    """A published dataset, such as ``am2k_fg_denoise``; into ``folder``, or ``data/downloads``.

    Raises:
        GFMError: none is published by that name, or not where it could be downloaded from.
    """
    if name.lower() == "coco":
        raise GFMError(
            f"COCO is published at {links()['datasets']['COCO']['page']}: download its pictures "
            "there, then set paths.coco"
        )
    if name not in _DATA:
        raise GFMError(f"nothing is published as {name!r}: choose one of {', '.join(names())}")
    published, agreement, hint = _DATA[name]
    entry = links()["datasets"][published]
    is_folder = "google_drive_folder" in entry
    link = (
        f"https://drive.google.com/drive/folders/{entry['google_drive_folder']}"
        if is_folder
        else _file_link(entry)
    )
    target = (folder or Path("data/downloads")) / (name if is_folder else f"{name}.zip")
    agreements = {agreement: _agreement(agreement)}
    return Download(name, link, agreements, target, hint, is_folder, _check_archive)


def download(item: Download) -> Path:
    """Downloads a file or folder, goes on where a broken download stopped, and checks it.

    A file that is there already is checked only.

    Returns:
        the file or folder.

    Raises:
        GFMError: there is no network, the host refuses, or what came is something else.
    """
    gdown: Any = need("gdown", "download", "gfm download")
    if item.is_folder:
        return _download_folder(gdown, item)
    if item.target.is_file():
        item.check(item.target)
        return item.target
    # Weights are told apart by the file's name, so that what is not checked yet has it, too.
    unchecked = item.target.parent / ".unchecked" / item.target.name
    make_folder(unchecked.parent)
    with _faults_of_download(item), _megabytes(item.name) as advance:
        gdown.download(
            item.link, str(unchecked), quiet=True, resume=True, progress=advance, **_PATIENCE
        )
    try:
        item.check(unchecked)
    except GFMError:
        unchecked.unlink()  # so that the next attempt starts anew
        raise
    unchecked.replace(item.target)
    with suppress(OSError):  # another download may still need it
        unchecked.parent.rmdir()
    return item.target


_PATIENCE = {"use_cookies": False, "timeout": 30, "retries": 2}


def _download_folder(gdown: Any, item: Download) -> Path:
    make_folder(item.target)
    with _faults_of_download(item):
        files = gdown.download_folder(
            item.link, output=str(item.target), quiet=False, resume=True, **_PATIENCE
        )
    archives = [Path(file) for file in files if Path(file).suffix in (".zip", ".tar", ".gz")]
    for archive in archives:
        item.check(archive)
    if not files:
        raise GFMError(f"the folder of {item.name} is empty: look at {item.link} with a browser")
    return item.target


@contextmanager
def _faults_of_download(item: Download) -> Iterator[None]:
    requests: Any = need("requests", "download", "gfm download")
    gdown: Any = need("gdown", "download", "gfm download")
    try:
        yield
    except (requests.exceptions.RequestException, gdown.exceptions.DownloadError) as error:
        lost = (requests.exceptions.ConnectionError, requests.exceptions.Timeout)
        is_lost = isinstance(error, lost) or isinstance(error.__cause__, lost)
        reason = "no connection" if is_lost else str(error).strip().splitlines()[0]
        raise GFMError(
            f"cannot download {item.name} ({reason}): try again later, which goes on where it "
            f"stopped, or get {item.link} with a browser and put it at {item.target}"
        ) from error
    except OSError as error:
        raise GFMError(f"cannot write {item.target}: {error.strerror or error}") from error


@contextmanager
def _megabytes(name: str) -> Iterator[Callable[[int, int | None], None]]:
    """A display of what has come."""
    shown: list[Progress] = []

    def advance(done: int, total: int | None) -> None:
        if total is None:
            return
        if not shown:
            shown.append(Progress(max(total // 10**6, 1), f"MB of {name}", done // 10**6))
            shown[0].__enter__()
        shown[0].show(done // 10**6)

    try:
        yield advance
    finally:
        for progress in shown:
            progress.__exit__()


def _check_weights(path: Path, name: str) -> None:
    backbone, _, rosta = name.rpartition("_")
    try:
        checkpoint = read_weights(path)
        found = (checkpoint.encoder_name, checkpoint.model["rosta"])
        if found != (_ENCODERS[backbone], rosta):
            raise GFMError(f"it is {found[0]} with RoSTA {found[1].upper()}")
        with torch.device("meta"):  # names and shapes alone
            model = build(checkpoint.model)
        check_weights(model, checkpoint, path.name)
    except GFMError as error:
        raise GFMError(f"what came is not {name}: {error}") from error


def _check_archive(path: Path) -> None:
    if not (zipfile.is_zipfile(path) or tarfile.is_tarfile(path)):
        raise GFMError(f"what came as {path.name} is no archive: try again later")


def _agreement(dataset: str) -> str:
    return str(links()["datasets"][dataset]["agreement"])


def _file_link(entry: dict[str, str]) -> str:
    return f"https://drive.google.com/uc?id={entry['google_drive_id']}"
