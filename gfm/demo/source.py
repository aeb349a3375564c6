"""The demo datasets as a source of files for a run."""

from pathlib import Path

from gfm.data.layout import Roots
from gfm.demo.cache import ensure_demo
from gfm.demo.writer import DemoSize


class DemoSource:
    """The demo datasets, drawn on first use.

    Args:
        root: keeps them from run to run.
        seed: other animals and scenes for every number.
        size: see :class:`gfm.demo.DemoSize`.
    """

    def __init__(self, root: Path | str, seed: int = 0, **size: int) -> None:
        self.root = Path(root)
        self.seed = seed
        self.size = DemoSize(**size)

    def find(self) -> Roots:
        """Draws what is not there yet.

        Raises:
            GFMError: the folder cannot be written, or the size is impossible.
        """
        return ensure_demo(self.root, self.size, self.seed)
