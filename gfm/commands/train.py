"""``python train.py …`` and ``gfm train …``."""

import hydra
from omegaconf import DictConfig

from gfm.launch.configs import CONFIGS
from gfm.launch.entry import faults, launch
from gfm.launch.sweeps import FAILED, best


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="train")
def app(cfg: DictConfig) -> float:
    """Trains; returns what a search minimises."""
    with faults():
        # Here, since torch and Lightning take seconds, which --help should not.
        from gfm.launch.continuation import continued
        from gfm.launch.train import train

        cfg = continued(cfg)
        return best(train(cfg)[0], cfg.objective)
    return FAILED


def main() -> None:
    """The command line."""
    launch(app)


if __name__ == "__main__":
    main()
