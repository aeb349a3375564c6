"""Downloads the weights and datasets that the authors publish."""

import shlex
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from gfm.checkpoints.formats import read_weights
from gfm.checkpoints.links import links, released_file, weights_names
from gfm.checkpoints.loading import check_weights
from gfm.compat.hydra import instantiate
from gfm.compat.torch import skip_random_weights
from gfm.errors import GFMError
from gfm.system.extras import import_optional
from gfm.system.files import make_folder
from gfm.system.progress import Progress

# For each download: its name in `links.json`, the dataset whose agreement applies, and a hint.
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

_LARGEST_WEIGHTS = 4 * 10**9  # bytes; twice those of r101
_LARGEST_ARCHIVE = 200 * 10**9


class _TooLargeError(GFMError):
    """A download exceeds the maximum size of its file."""


@dataclass(frozen=True)
class Download:
    """Something that can be downloaded.

    Attributes:
        name: Name that the user gives.
        link: Link to a file or folder on Google Drive.
        agreements: Addresses of the release agreements that apply, by dataset.
        target: File to write, or folder for the files of a folder.
        hint: How to use the download, or where to put it.
        is_folder: Whether the link leads to a folder.
        check: Checks a downloaded file; raises a GFMError if it is something else.
        max_bytes: Maximum size of a file; a larger download fails.
    """

    name: str
    link: str
    agreements: dict[str, str]
    target: Path
    hint: str
    is_folder: bool
    check: Callable[[Path], None]
    max_bytes: int


def names() -> list[str]:
    """Return the names of everything that can be downloaded, as the command line takes them."""
    return [f"weights {name}" for name in weights_names()] + list(_DATA)


def find_weights(name: str, folder: Path | None = None) -> Download:
    """Return the download of released weights, such as ``r34_2b_tt``.

    Args:
        name: Name of the weights.
        folder: Folder to write to; by default the one in which ``released:`` looks.

    Raises:
        GFMError: No weights are released under this name.
    """
    target = released_file(name)
    name = target.stem.removeprefix("gfm_")
    agreements = {data: _agreement(data) for data in ("AM-2k", "BG-20k")}
    entry = links()["weights"][target.stem]
    source = str(folder / target.name) if folder else f"released:{name}"
    return Download(
        f"weights {name}",
        _file_link(entry),
        agreements,
        folder / target.name if folder else target,
        f"use it: gfm evaluate {shlex.quote(f'checkpoint={source}')} data=am2k",
        False,
        lambda path: _check_weights(path, name),
        _LARGEST_WEIGHTS,
    )


def find_data(name: str, folder: Path | None = None) -> Download:
    """Return the download of a published dataset, such as ``am2k_fg_denoise``.

    Args:
        name: Name of the dataset.
        folder: Folder to write to; by default ``data/downloads``.

    Raises:
        GFMError: No dataset is published under this name, or this command cannot download it.
    """
    if name.lower() == "coco":
        raise GFMError(
            f"COCO is published at {links()['datasets']['COCO']['page']}: download its pictures "
            "from there, then set paths.coco"
        )
    if name not in _DATA:
        raise GFMError(f"no dataset is published as {name!r}: choose one of {', '.join(names())}")
    published, agreement, hint = _DATA[name]
    entry = links()["datasets"][published]
    drive_folder = entry.get("google_drive_folder")
    folder_link = f"https://drive.google.com/drive/folders/{drive_folder}"
    return Download(
        name,
        folder_link if drive_folder else _file_link(entry),
        {agreement: _agreement(agreement)},
        (folder or Path("data/downloads")) / (name if drive_folder else f"{name}.zip"),
        hint,
        drive_folder is not None,
        _check_archive,
        _LARGEST_ARCHIVE,
    )


def download(item: Download) -> Path:
    """Download and check a file or folder, resuming an interrupted download; return its path.

    A file that exists already is only checked.

    Raises:
        GFMError: The network is down, the host refuses, or the downloaded file is the wrong one.
    """
    gdown: Any = import_optional("gdown", "download", "gfm download")
    if item.is_folder:
        return _download_folder(gdown, item)
    if item.target.is_file():
        _check(item, item.target, f"remove {item.target}, which existed before")
        return item.target
    # The check reads the RoSTA from the file's name, so the unchecked file has the same name.
    unchecked = item.target.parent / ".unchecked" / item.target.name
    make_folder(unchecked.parent)
    try:
        with _faults_of_download(gdown, item), _megabytes(item) as advance:
            gdown.download(
                item.link, str(unchecked), quiet=True, resume=True, progress=advance, **_PATIENCE
            )
    except _TooLargeError:
        for part in unchecked.parent.glob(f"*{unchecked.name}*"):
            part.unlink()
        raise
    try:
        _check(item, unchecked, "try again later")
    except GFMError:
        unchecked.unlink()  # so that the next attempt starts over
        raise
    unchecked.replace(item.target)
    with suppress(OSError):  # another download may still need it
        unchecked.parent.rmdir()
    return item.target


def _check(item: Download, path: Path, remedy: str) -> None:
    try:
        item.check(path)
    except GFMError as error:
        raise GFMError(f"{error}; {remedy}") from error


_PATIENCE = {"use_cookies": False, "timeout": 30, "retries": 2}


def _download_folder(gdown: Any, item: Download) -> Path:
    make_folder(item.target)
    with _faults_of_download(gdown, item):
        files = gdown.download_folder(
            item.link, output=str(item.target), quiet=False, resume=True, **_PATIENCE
        )
    archives = [Path(file) for file in files if Path(file).suffix in (".zip", ".tar", ".gz")]
    for archive in archives:
        _check(item, archive, f"remove {archive}, and try again later")
    if not files:
        raise GFMError(f"the folder of {item.name} is empty: open {item.link} in a browser")
    return item.target


@contextmanager
def _faults_of_download(gdown: Any, item: Download) -> Iterator[None]:
    requests: Any = import_optional("requests", "download", "gfm download")
    try:
        yield
    except (requests.exceptions.RequestException, gdown.exceptions.DownloadError) as error:
        lost = (requests.exceptions.ConnectionError, requests.exceptions.Timeout)
        is_lost = isinstance(error, lost) or isinstance(error.__cause__, lost)
        reason = "no connection" if is_lost else str(error).strip().splitlines()[0]
        raise GFMError(
            f"cannot download {item.name} ({reason}): repeat the command later to resume where it "
            f"stopped, or get {item.link} with a browser and save it as {item.target}"
        ) from error
    except OSError as error:
        raise GFMError(f"cannot write {item.target}: {error.strerror or error}") from error
    except (LookupError, ValueError, AttributeError) as error:  # gdown expects certain headers
        raise GFMError(
            f"cannot download {item.name}: the host's response cannot be read ({error}); get "
            f"{item.link} with a browser and save it as {item.target}"
        ) from error


@contextmanager
def _megabytes(item: Download) -> Iterator[Callable[[int, int | None], None]]:
    """Provide a function that shows the progress of a download and enforces its maximum size."""
    shown: list[Progress] = []

    def advance(done: int, total: int | None) -> None:
        if max(done, total or 0) > item.max_bytes:
            raise _TooLargeError(
                f"cannot download {item.name}: the host sends more than {item.max_bytes} bytes; "
                f"open {item.link} in a browser"
            )
        if total is None:
            return
        if not shown:
            shown.append(Progress(max(total // 10**6, 1), f"MB of {item.name}", done // 10**6))
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
        if found != (backbone, rosta):
            raise GFMError(f"it is {found[0]} with RoSTA {found[1].upper()}")
        with torch.device("meta"), skip_random_weights():  # only names and shapes matter
            model = instantiate(checkpoint.model)
        check_weights(model, checkpoint, path.name)
    except GFMError as error:
        raise GFMError(f"the downloaded file is not {name}: {error}") from error


def _check_archive(path: Path) -> None:
    if not (zipfile.is_zipfile(path) or tarfile.is_tarfile(path)):
        raise GFMError(f"the downloaded file {path.name} is not an archive")


def _agreement(dataset: str) -> str:
    return str(links()["datasets"][dataset]["agreement"])


def _file_link(entry: dict[str, str]) -> str:
    return f"https://drive.google.com/uc?id={entry['google_drive_id']}"
