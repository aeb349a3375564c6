"""Defines ``python train.py`` and ``gfm train``."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from gfm.launch.configs import CONFIGS
from gfm.launch.continuation import continued
from gfm.launch.entry import faults, launch
from gfm.launch.overrides import pasted
from gfm.launch.sweeps import failed, ranked
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
    from gfm.launch.naming import named
    from gfm.launch.train import train

    return train(named(cfg))[0]


def main() -> None:
    """Run the command line."""
    launch(app, continued)


if __name__ == "__main__":
    main()
