"""Scores mattes: ``python evaluate.py checkpoint=best.ckpt`` or ``predictions=their_mattes/``."""

from gfm.run.evaluate import main

if __name__ == "__main__":
    main()
