"""``python evaluate.py …`` and ``gfm evaluate …``."""

import hydra
from omegaconf import DictConfig

from gfm.launch.configs import CONFIGS
from gfm.launch.continuation import in_own_folder
from gfm.launch.entry import faults, launch
from gfm.launch.sweeps import failed, ranked


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="evaluate")
def app(cfg: DictConfig) -> float:
    """Evaluates; returns what ranks a sweep."""
    with faults(go_on=f"paths.run={cfg.paths.run}"):
        return ranked(cfg, _evaluate)
    return failed(cfg)


def _evaluate(cfg: DictConfig) -> dict[str, float]:
    # Here, since torch and Lightning take seconds, which --help should not.
    from gfm.launch.evaluate import evaluate
    from gfm.launch.naming import named

    return evaluate(named(cfg))[0]


def main() -> None:
    """The command line."""
    launch(app, in_own_folder)


if __name__ == "__main__":
    main()
