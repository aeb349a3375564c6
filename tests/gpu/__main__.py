"""Runs all stages on a GPU and writes gpu_report.md and gpu_report.json.

    make gpu                         python -m tests.gpu --minutes 30
    make gpu ARGS="--device cpu"     rehearse every stage with small sizes on a CPU
    make gpu ARGS="--only waits"     one stage

The exit status is 1 if anything failed.
"""

import argparse
import importlib
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from gfm.errors import INTERRUPTED
from gfm.system.processes import exit_on_sigterm
from tests.gpu.findings import FAIL, Finding
from tests.gpu.report import write_report
from tests.gpu.runner import STAGES, TRAINING, Plan, run_stage, run_stages

_MINIMUM = 45.0  # seconds, because imports from a cold disk are slow
_REHEARSED_MINIMUM = 20.0
NAMES = [*(plan.name for plan in STAGES), TRAINING]


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("tests.gpu", description=__doc__.splitlines()[0])
    text = "total for all stages except training; by default 30, or 6 in a rehearsal"
    parser.add_argument("--minutes", type=float, help=text)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda", help="cpu: rehearse")
    parser.add_argument("--only", nargs="+", choices=NAMES, metavar="STAGE", help=", ".join(NAMES))
    parser.add_argument("--nproc", type=int, default=1, help="number of GPUs")
    parser.add_argument("--train", type=float, default=0, metavar="MINUTES", help="also train r34")
    parser.add_argument("--photos", type=Path, help="real photos: a folder with images and alphas")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder for the report; by default runs/gpu, or a sub-folder of it with --only",
    )
    parser.add_argument("--inside", choices=NAMES, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=60, help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    if arguments.minutes is None:
        arguments.minutes = 30 if arguments.device == "cuda" else 6
    if not arguments.train and not arguments.inside:
        if arguments.photos:
            parser.error(
                "--photos needs --train MINUTES: only the trained network is scored on them"
            )
        if TRAINING in (arguments.only or []):
            parser.error(f"--only {TRAINING} needs --train MINUTES")
    for part in ("images", "alphas") if arguments.photos else ():
        if not (arguments.photos / part).is_dir():
            parser.error(f"--photos {arguments.photos}: {arguments.photos}/{part} does not exist")
    if arguments.out is None:  # so that some stages do not replace the full report
        arguments.out = Path("runs/gpu", *(["-".join(arguments.only)] if arguments.only else []))
    return arguments


def shared_options(arguments: argparse.Namespace) -> list[str]:
    """Return the options that every stage needs."""
    options = ["--device", arguments.device, "--nproc", str(arguments.nproc)]
    options += ["--train", f"{arguments.train:g}"] if arguments.train else []
    return [*options, *(["--photos", str(arguments.photos)] if arguments.photos else [])]


def run_inside(arguments: argparse.Namespace) -> None:
    """Run a stage in this process."""
    from tests.gpu.stage import Stage

    name, out = arguments.inside, arguments.out.resolve()
    files = out / "files" / name
    shutil.rmtree(files, ignore_errors=True)  # runs would resume earlier ones
    files.mkdir(parents=True)
    stage = Stage(
        name,
        arguments.device,
        arguments.seconds,
        out / f"{name}.jsonl",
        files,
        arguments.nproc,
        arguments.train,
        arguments.photos and arguments.photos.resolve(),
    )
    importlib.import_module(f"tests.gpu.{name}").run(stage)


def check_device(arguments: argparse.Namespace) -> None:
    """Exit with a one-line error if there are too few GPUs."""
    if arguments.device == "cpu":
        return
    import torch

    # With an old driver, device_count includes GPUs that torch cannot use.
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if found < arguments.nproc:
        sys.exit(
            f"error: torch {torch.__version__} finds {found} GPUs, and --nproc asks for "
            f'{arguments.nproc}: check nvidia-smi, or rehearse with ARGS="--device cpu"'
        )


def main() -> None:
    """Run the command line."""
    arguments = parse()
    if arguments.inside:
        run_inside(arguments)
        return
    check_device(arguments)
    out = arguments.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    options = shared_options(arguments)
    variables = {"WANDB_MODE": "disabled", "HF_HUB_OFFLINE": "1", "NO_ALBUMENTATIONS_UPDATE": "1"}
    if arguments.device == "cpu":
        variables |= {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    found: list[Finding] = []
    try:
        with exit_on_sigterm():
            for finding in run_chosen(arguments, options, out, variables):
                found.append(finding)  # one by one, to keep those before an interruption
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:  # after an interruption, the report has the stages so far
        report = write_report(found, out, f"python -m tests.gpu {shlex.join(options)}")
        print(report.read_text())
    if any(finding.status == FAIL for finding in found):
        sys.exit(1)


def run_chosen(
    arguments: argparse.Namespace, options: list[str], out: Path, variables: dict[str, str]
) -> Iterator[Finding]:
    """Run the chosen stages, and yield what they find."""
    only = arguments.only or NAMES
    chosen: list[Plan] = [plan for plan in STAGES if plan.name in only]
    minimum = _MINIMUM if arguments.device == "cuda" else _REHEARSED_MINIMUM
    yield from run_stages(chosen, options, out, 60 * arguments.minutes, variables, minimum)
    if arguments.train and TRAINING in only:
        # Drawing the animals and scoring the network also take time.
        limit = 60 * (2 * arguments.train + 15)
        yield from run_stage(TRAINING, options, out, limit, variables)


if __name__ == "__main__":
    main()
