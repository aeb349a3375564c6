"""Prints a table of the licences of all installed dependencies.

python -m tests.reliability.licences
"""

import re
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement

PERMISSIVE = re.compile(
    r"\b(mit|[0-9]?-?bsd|apache|psf|python software foundation|isc|hpnd)\b",
    re.IGNORECASE,
)
RESTRICTED = re.compile(
    r"\b(a?gpl|affero|general public|non-?commercial|nc-|sspl|busl)", re.IGNORECASE
)
WEAK = {
    "certifi": "MPL-2.0: a list of certificates, used as it is",
    "tqdm": "MPL-2.0 and MIT: used as it is",
}
"""Packages with a weak copyleft licence, under which changes to their files must be published."""
PROPRIETARY = re.compile(r"nvidia-|cuda-toolkit$")
"""Libraries of NVIDIA, free to use, that come with torch's wheels for Linux, but not for CPUs."""


def installed(root: str = "gfm-matting") -> dict[str, Distribution]:
    """Return all packages, by name, that this one needs without an extra, and that those need."""
    found: dict[str, Distribution] = {}
    waiting = [(root, frozenset[str]())]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue  # needed on a different platform
        for need in needs(found[name], extras):
            if need not in seen:
                seen.add(need)
                waiting.append(need)
    return dict(sorted(found.items()))


def needs(package: Distribution, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for text in package.requires or []:
        wanted = Requirement(text)
        environments = [{"extra": extra} for extra in (extras or {""})]
        if wanted.marker is None or any(map(wanted.marker.evaluate, environments)):
            yield re.sub(r"[-_.]+", "-", wanted.name).lower(), frozenset(wanted.extras)


def licence(package: Distribution) -> str:
    """Return the licence in a package's metadata: expression, classifiers, or the first line."""
    metadata = package.metadata
    if expression := metadata.get("License-Expression"):
        return expression
    classifiers = metadata.get_all("Classifier") or []
    named = [c.split(" :: ")[-1] for c in classifiers if c.startswith("License ::")]
    text = (metadata.get("License") or "").strip().split("\n")[0].strip("= ")
    return ", ".join(named) or text or "not said"


if __name__ == "__main__":
    print("| package | version | licence |\n| --- | --- | --- |")
    for name, package in installed().items():
        print(f"| {name} | {package.version} | {licence(package)} |")
