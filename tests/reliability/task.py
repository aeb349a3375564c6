"""Defines what a task of a campaign is, and the input that all tasks share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gfm.animals import DrawnAnimals
from tests.conftest import DEMO
from tests.inference.small import write_network
from tests.reliability import material
from tests.reliability.outcomes import Outcome

NUM_PHOTOS = 40
"""Number of photos for training, and again for validation."""


@dataclass(frozen=True)
class Task:
    """A command and its outcome.

    Attributes:
        name: Name of the task in the table.
        command: Returns the command for a folder, or the one that resumes it if it has results.
        outcome: Reads the results that must be the same if a run was killed.
        work: Pattern of files whose first change shows that the work has begun.
        set_up: Makes the folder, with the files that it must hold, before the first command.
        alone: Whether only one of the command's child processes is killed; the others must end.
    """

    name: str
    command: Callable[[Path], list[str]]
    outcome: Callable[[Path], Outcome]
    work: str
    set_up: Callable[[Path], object] = Path.mkdir
    alone: bool = False


@dataclass(frozen=True)
class Material:
    """The input of all tasks.

    Attributes:
        folder: Folder that holds all of it.
    """

    folder: Path

    @property
    def photos(self) -> Path:
        """Dataset in the layout of AM-2k."""
        return self.folder / "AM-2k"

    @property
    def weights(self) -> Path:
        """Checkpoint of a small network."""
        return self.folder / "small.ckpt"

    @property
    def predictions(self) -> Path:
        """Folder of mattes of the validation photos."""
        return self.folder / "predictions"

    def write(self) -> None:
        """Write the input."""
        self.folder.mkdir(parents=True)
        material.write_dataset(self.photos, NUM_PHOTOS, NUM_PHOTOS)
        material.write_predictions(self.predictions, NUM_PHOTOS)
        write_network(self.weights)
        DrawnAnimals(self.folder / "demo", **DEMO).find()
