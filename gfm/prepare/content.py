"""Checks the content of photos and mattes: their quality, and whether they are mixed up."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np

from gfm.data.decoding import decode_channels, load
from gfm.data.even_spacing import spread
from gfm.data.headers import read_header
from gfm.data.images import (
    check_size,
    is_packed,
    is_too_small,
    pick_matte,
    read_alpha,
    read_image,
    to_uint8,
)
from gfm.data.layout import Photo
from gfm.errors import GFMError
from gfm.prepare.duplicates import fingerprint
from gfm.rosta import BACKGROUND, FOREGROUND, TRANSITION

Role = Literal["photo", "alpha", "cutout", "trimap", "labels", "layer"]
"""Role of a picture; labels are packed, and a layer belongs to a photo or is a background."""

_FEW = 3  # values that one line lists
_MANY = 20
_SLIPS = 0.001  # fraction of a trimap that may contradict its matte, as where it was drawn by hand
_TRIMAP_VALUES = {BACKGROUND, 127, TRANSITION, FOREGROUND}  # some tools write 127
_NEAR = 8  # distance from 0 or 255 up to which a value was probably meant to be that
_LARGE = 0.01  # fraction of a matte above which such values matter
_BORDER = 0.9  # opaque fraction of the border above which a matte is probably inverted


class Trait(NamedTuple):
    """A property of pictures that is worth reporting.

    Attributes:
        text: Text after "3 of 40 mattes".
        share: Fraction of the pictures above which the trait is a problem; up to it, the trait is
            only a note.
    """

    text: str
    share: float


_NEVER, _MOST, _ANY = 1.0, 0.5, 0.0

TRAITS = {
    "coloured": Trait("are in colour and opaque: mattes are grey, or alpha channels", _ANY),
    "labels": Trait(
        "have a largest value of 1, not 255: multiply masks of 0 and 1 by 255, and 8-bit values "
        "in 16 bits by 257",
        _ANY,
    ),
    "opaque": Trait("are opaque everywhere: a cut-out has transparency", _ANY),
    "dark": Trait("never exceed 127: scale them to 0..255", _MOST),
    "inverted": Trait("are opaque along the border: invert them if they show backgrounds", _MOST),
    "trimap": Trait("hold only 0, 128 and 255, as trimaps do: replace them by mattes", _MOST),
    "binary": Trait("hold only 0 and 255: edges and hair cannot be learnt from them", _NEVER),
    "hazy": Trait(
        "are not quite 0 in most of the background, or not quite 255 in most of the foreground, "
        "which therefore counts as transition: set these pixels to 0 or 255",
        _NEVER,
    ),
    "opacity": Trait("have transparency, which is taken as the matte", _NEVER),
    "transparent": Trait("have transparency, which is ignored", _NEVER),
    "grey": Trait("are grey, as mattes are", _NEVER),
}


class Look(NamedTuple):
    """Findings about a picture.

    Attributes:
        size: (height, width).
        traits: Names in :data:`TRAITS`.
        fault: Problem of this picture alone.
        fingerprint: Of a photo or a cut-out; see :func:`gfm.prepare.duplicates.fingerprint`.
    """

    size: tuple[int, ...]
    traits: frozenset[str] = frozenset()
    fault: str | None = None
    fingerprint: bytes | None = None


def look_at(path: Path, role: Role, alpha: Path | None = None) -> Look:
    """Read and inspect a picture.

    Args:
        path: The picture.
        role: Its role.
        alpha: Matte that a trimap or labels should fit.

    Raises:
        GFMError: The picture is unreadable.
    """
    if role in ("photo", "layer"):
        image = read_image(path)
        if role == "layer":
            return Look(image.shape[:2])
        traits = frozenset(_photo_traits(path, image))
        return Look(image.shape[:2], traits, fingerprint=fingerprint(image))
    if role in ("trimap", "labels"):
        trimap = read_alpha(path)
        # The trimap of a small photo may be all transition.
        fault = None if (trimap == TRANSITION).all() else _constant(trimap, role)
        fault = fault or _other_values(trimap)
        if fault is None and alpha is not None:
            fault = _contradicts(trimap, alpha, role)
        return Look(trimap.shape, fault=fault)
    return _look_at_matte(path, role)


def _photo_traits(path: Path, image: np.ndarray) -> Iterator[str]:
    red, green, blue = cv2.split(np.ascontiguousarray(image[::4, ::4]))
    if max(cv2.absdiff(red, green).max(), cv2.absdiff(red, blue).max()) <= 2:
        yield "grey"
    if not is_packed(path):
        with path.open("rb") as file:
            if read_header(path, file).mode in ("RGBA", "LA", "PA"):
                yield "transparent"


def _look_at_matte(path: Path, role: Role) -> Look:
    colours: Sequence[np.ndarray] = ()
    if is_packed(path):
        matte, opacity = read_alpha(path), None
    else:
        colours, opacity = decode_channels(path, load(path))
        picked = pick_matte(colours, opacity, role == "cutout")
        if picked is None:
            trait = "opaque" if role == "cutout" else "coloured"
            return Look(colours[0].shape, frozenset([trait]))
        matte = picked
    traits = {"opacity"} if matte is opacity and role == "alpha" else set()
    if is_too_small(matte):
        return Look(matte.shape, frozenset(traits | {"labels"}))
    matte = to_uint8(matte)
    fault = _constant(matte, "alpha")
    if fault is None:
        traits |= set(_matte_traits(matte))
    seen = _fingerprint(colours, matte) if role == "cutout" and colours and not fault else None
    return Look(matte.shape, frozenset(traits), fault, seen)


def _fingerprint(colours: Sequence[np.ndarray], matte: np.ndarray) -> bytes | None:
    """Return the fingerprint of what a cut-out shows, ignoring its margin and hidden colours."""
    left, top, width, height = cv2.boundingRect(matte)
    shown = [to_uint8(channel) * (matte > 0) for channel in colours]
    image = np.dstack((shown * 3)[:3])  # three times grey, or RGB
    return fingerprint(image[top : top + height, left : left + width])


def _matte_traits(matte: np.ndarray) -> Iterator[str]:
    if matte.max() <= FOREGROUND // 2:
        yield "dark"
    border = np.concatenate([matte[0], matte[-1], matte[:, 0], matte[:, -1]])
    if (border > FOREGROUND // 2).mean() > _BORDER:
        yield "inverted"
    counts = cv2.calcHist([matte], [0], None, [256], [0, 256]).ravel()
    values = set(np.flatnonzero(counts).tolist())
    if values <= _TRIMAP_VALUES:
        yield "trimap" if values - {BACKGROUND, FOREGROUND} else "binary"
    for exact, *near in (counts[: _NEAR + 1], counts[: -_NEAR - 2 : -1]):
        if sum(near) > max(exact, _LARGE * matte.size):
            yield "hazy"


def _constant(array: np.ndarray, role: Role) -> str | None:
    if array.min() != array.max():
        return None
    value = int(array.flat[0])
    return f"constant {role}, all {value}" if value else f"empty {role}, all 0"


def _other_values(trimap: np.ndarray) -> str | None:
    known = (BACKGROUND, TRANSITION, FOREGROUND)
    others = [int(value) for value in np.unique(trimap) if value not in known]
    if not others:
        return None
    few = ", ".join(map(str, others[:_FEW])) + (", …" if len(others) > _FEW else "")
    return f"a trimap has only the values 0, 128 and 255, but this one also has {few}"


def _contradicts(trimap: np.ndarray, path: Path, role: Role) -> str | None:
    """Return what is wrong with a trimap that cannot have been made from the matte ``path``."""
    with suppress(GFMError):  # faults of the matte are reported separately
        alpha = read_alpha(path)
        if alpha.shape == trimap.shape:
            half = (FOREGROUND + BACKGROUND) // 2
            is_wrong = (trimap == FOREGROUND) & (alpha <= half)
            is_wrong |= (trimap == BACKGROUND) & (alpha > half)
            if is_wrong.mean() > _SLIPS:
                command = "pack" if role == "labels" else "trimaps"
                return (
                    f"contradicts its matte in {is_wrong.sum():,} pixels, as if that had changed "
                    f"since: gfm prepare {command} --overwrite makes it again"
                )
    return None


def shorten(names: Sequence[str]) -> str:
    """Join names with commas, at most 20 of them."""
    more = f" and {len(names) - _MANY:,} more" if len(names) > _MANY else ""
    return ", ".join(names[:_MANY]) + more


def describe(
    looks: Sequence[tuple[Path, Role, Look]], swap: str = "swap their folders"
) -> tuple[list[str], list[str]]:
    """Return problems and notes for a dataset, derived from the traits of its pictures.

    Args:
        looks: Pictures that belong to one dataset.
        swap: Fix if photos and mattes are swapped.
    """
    problems: list[str] = []
    notes: list[str] = []
    mattes = [(path, look) for path, role, look in looks if role in ("alpha", "cutout")]
    photos = [(path, look) for path, role, look in looks if role == "photo"]
    if _share(photos, "grey") > _MOST and _share(mattes, "coloured") > _MOST:
        folders = " and ".join(str(found[0][0].parent) for found in (photos, mattes))
        return [f"{folders}: photos and mattes are swapped; {swap}"], []
    for name, (text, share) in TRAITS.items():
        for what, pictures in (("mattes", mattes), ("photos", photos)):
            paths = [path for path, look in pictures if name in look.traits]
            if not paths or name == "grey":
                continue
            count = f"{len(paths):,} of {len(pictures):,} {what}"
            line = f"{paths[0].parent}: {count} {text}: {shorten([p.name for p in paths])}"
            (problems if len(paths) > share * len(pictures) else notes).append(line)
    return problems, notes


def _share(looks: Sequence[tuple[Path, Look]], trait: str) -> float:
    return sum(trait in look.traits for _, look in looks) / max(len(looks), 1)


def check_photos(photos: Sequence[Photo], num_samples: int = 16) -> list[str]:
    """Inspect some evenly spaced photos and their mattes before a run reads all of them.

    Returns:
        Notes, one line each, such as about binary mattes.

    Raises:
        GFMError: A file is unreadable, or photos and mattes are swapped or of different sizes,
            or most mattes are constant, trimaps, inverted, too dark or in colour.
    """
    looks: list[tuple[Path, Role, Look]] = []
    for photo in spread(photos, num_samples):
        roles: list[tuple[Path, Role]] = [(photo.alpha, "cutout")]
        if not photo.is_cutout:
            roles = [(photo.image, "photo"), (photo.alpha, "alpha")]
        seen = [(path, role, look_at(path, role)) for path, role in roles]
        check_size(photo.image, seen[0][2].size, "its matte", seen[-1][2].size)
        looks += seen
    problems, notes = describe(looks)
    constant = [f"{path}: {look.fault}" for path, _, look in looks if look.fault]
    num_mattes = sum(role != "photo" for _, role, _ in looks)
    if len(constant) > _MOST * num_mattes:
        problems.append(f"{len(constant)} of {num_mattes} mattes are constant: {constant[0]}")
    if problems:
        raise GFMError("; ".join(problems))
    return notes + constant
