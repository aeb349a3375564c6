"""Defines ``python train.py`` and ``gfm train``."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from gfm.run.configs import CONFIGS
from gfm.run.continuation import continued
from gfm.run.entry import faults, launch
from gfm.run.overrides import pasted
from gfm.run.sweeps import failed, ranked
from gfm.system.run_folder import LAST_CHECKPOINT


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="train")
def app(cfg: DictConfig) -> float:
    """Train, and return the value by which a sweep ranks its runs."""
    run = Path(cfg.paths.run)
    with faults(pasted("ckpt_path", run), run / LAST_CHECKPOINT):
        return ranked(cfg, _train)
    return failed(cfg)


def _train(cfg: DictConfig) -> dict[str, float]:
    # Imported here, because --help should not wait for torch and Lightning.
    from gfm.run.naming import named
    from gfm.run.train import train

    return train(named(cfg))[0]


def main() -> None:
    """Run the command line."""
    launch(app, continued)


if __name__ == "__main__":
    main()
