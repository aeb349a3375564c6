"""Scores mattes: ``python evaluate.py checkpoint=best.ckpt`` or ``predictions=their_mattes/``."""

from gfm.cli.hydra_apps.evaluate import main

if __name__ == "__main__":
    main()
