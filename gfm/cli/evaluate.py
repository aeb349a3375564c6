"""Defines ``python evaluate.py`` and ``gfm evaluate``."""

import hydra
from omegaconf import DictConfig

from gfm.run.configs import CONFIGS
from gfm.run.continuation import in_own_folder
from gfm.run.entry import faults, launch
from gfm.run.overrides import pasted
from gfm.run.sweeps import failed, ranked


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="evaluate")
def app(cfg: DictConfig) -> float:
    """Evaluate, and return the value by which a sweep ranks its runs."""
    with faults(f"the same command and {pasted('paths.run', cfg.paths.run)}"):
        return ranked(cfg, _evaluate)
    return failed(cfg)


def _evaluate(cfg: DictConfig) -> dict[str, float]:
    # Imported here, because --help should not wait for torch and Lightning.
    from gfm.run.evaluate import evaluate
    from gfm.run.naming import named

    return evaluate(named(cfg))[0]


def main() -> None:
    """Run the command line."""
    launch(app, in_own_folder)


if __name__ == "__main__":
    main()
