"""Checks that a checkpoint describes its network by plain data and trusted classes only."""

import importlib
import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gfm.errors import GFMError

_DEFINED_IN = {"gfm.inference": "gfm.inference.inferers"}
"""Module of a package whose classes a file may use; the rest of the package accesses files."""

_USE_SOUND_FILE = "use a file written by a training run or gfm"


def check_description(node: Any, packages: Sequence[str], trust: Sequence[str], path: Path) -> None:
    """Raise GFMError unless a description in ``path`` is safe to build objects from.

    It may contain text, numbers, lists and dictionaries, but no interpolations, which Hydra would
    resolve. It may use public classes and functions of ``packages``, and of those that the user
    trusts.
    """
    _check_values(node, path)
    for target in _targets(node):
        if refusal := _why_refused(target, packages, trust):
            raise GFMError(f"{path} uses {target}, {refusal}")


def packages_to_trust(node: Any) -> list[str]:
    """Return the packages other than gfm whose classes a description uses, sorted."""
    packages = {str(target).split(".")[0] for target in _targets(node)}
    return sorted(packages - {"gfm"})


def check_state(state: Any, path: Path) -> dict[str, Tensor]:
    """Return the weights in a file; raise GFMError unless they are dense tensors by name."""
    if not isinstance(state, dict):
        raise GFMError(f"{path} has a {type(state).__name__} in place of its network's tensors")
    for name, tensor in state.items():
        is_tensor = isinstance(name, str) and isinstance(tensor, Tensor)
        if not is_tensor or tensor.layout != torch.strided or tensor.device.type == "meta":
            raise GFMError(
                f"{path} has an entry {name!r} that is not a named dense tensor: train again, or "
                "copy or download the file again"
            )
    return state


def check_parts(model: Any, inference: Any, path: Path) -> None:
    """Raise GFMError if a key is missing or invalid in a network's node, or an inferer's."""
    parts: dict[str, type] = {"_target_": str, "rosta": str}
    if isinstance(model, dict) and model.get("_target_") == "gfm.models.gfm.GFM":
        parts["encoder"] = dict  # other networks take the encoder's name, or have a fixed encoder
    for name, kind in parts.items():
        if not isinstance(model, dict) or not isinstance(model.get(name), kind):
            raise GFMError(
                f"{path} does not describe a network ({name} is missing or invalid): "
                f"{_USE_SOUND_FILE}"
            )
    if inference and not (isinstance(inference, dict) and "_target_" in inference):
        raise GFMError(
            f"{path} has inference={inference!r}, which lacks _target_: {_USE_SOUND_FILE}"
        )


_MAX_DEPTH = 50  # levels of nesting in a description; those of runs have five


def _check_values(node: Any, path: Path, depth: int = 0) -> None:
    if depth > _MAX_DEPTH:
        raise GFMError(
            f"{path} describes its network with more than {_MAX_DEPTH} levels of nesting: "
            f"{_USE_SOUND_FILE}"
        )
    if isinstance(node, str):
        if "${" in node:
            raise GFMError(
                f"{path} contains an interpolation, {node!r}, which is never resolved: remove it "
                "from the file, or train again"
            )
    elif isinstance(node, dict):
        _check_values([*node, *node.values()], path, depth)
    elif isinstance(node, list | tuple):
        for value in node:
            _check_values(value, path, depth + 1)
    elif not isinstance(node, int | float | None):
        raise GFMError(
            f"{path} describes its network with a {type(node).__name__}: only text, numbers, "
            "lists and dictionaries are allowed"
        )


def _targets(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "_target_":
                yield value
            else:
                yield from _targets(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from _targets(value)


def _why_refused(target: Any, packages: Sequence[str], trust: Sequence[str]) -> str | None:
    """Return why a target must not be used, and the fix; ``None`` if it may be used."""
    if not isinstance(target, str) or not target.rpartition(".")[0]:
        return f"which is not the name of a class in a module: {_USE_SOUND_FILE}"
    modules = [_DEFINED_IN.get(package, package) for package in packages]
    if _is_inside(target, packages) and _why_not_defined(target, modules) is None:
        return None
    if _is_inside(target, trust):
        return _why_not_defined(target, trust)
    refusal = f"which {' or '.join(packages)} does not define"
    package = target.split(".")[0]
    if package == "gfm":
        return f"{refusal}: update gfm-matting, or {_USE_SOUND_FILE}"
    return f"{refusal}; if you trust it, {_trust_option(*trust, package)}"


def _why_not_defined(target: str, packages: Sequence[str]) -> str | None:
    """Return why a target is not a public class or function defined in ``packages``.

    The name alone is not enough: ``gfm.models.encoders.torch.load`` belongs to torch. The module of
    the target is imported.
    """
    module, _, name = target.rpartition(".")
    if name.startswith("_"):
        return f"whose name is private: rename it {name.lstrip('_')}, and train again"
    try:
        found = getattr(importlib.import_module(module), name, None)
    except Exception as error:  # importing a module may raise anything
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return (
            f"but {module} cannot be imported ({reason}): install or fix it, or add its folder to "
            "PYTHONPATH"
        )
    if found is None:
        return f"which {module} does not define: add it there, or train again"
    if not inspect.isclass(found) and not inspect.isfunction(found):
        kind = type(found).__name__
        return f"which is a {kind}, not a class or a function: define it with class or def"
    home = str(found.__module__)
    if not _is_inside(home, packages):
        package = home.split(".")[0]
        return (
            f"which {home} defines: wrap it in a class or a function of {module}, or, "
            f"if you trust {package} as well, {_trust_option(*packages, package)}"
        )
    return None


def _trust_option(*packages: str) -> str:
    """Return the option that trusts packages, for a message."""
    unique = dict.fromkeys(packages)
    options = " ".join(f"--trust {package}" for package in unique)
    return f"set trust=[{','.join(unique)}], for gfm {options}"


def _is_inside(name: str, packages: Sequence[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)
