"""Trains a matting network: ``python train.py backbone=r34_2b track=comp_rssn``."""

from gfm.cli.hydra_apps.train import main

if __name__ == "__main__":
    main()
