"""Callbacks, which log, draw and print during a run."""

from gfm.compat.lightning_callbacks import EMA, BestCheckpoint, LastCheckpoint
from gfm.training.callbacks.curves import Curves
from gfm.training.callbacks.early_end import EarlyEnd
from gfm.training.callbacks.flat_mattes import FlatMattes
from gfm.training.callbacks.freezing import Freezing
from gfm.training.callbacks.image_table import ImageTable
from gfm.training.callbacks.learning_rate import LearningRate
from gfm.training.callbacks.network_size import NetworkSize
from gfm.training.callbacks.norm_statistics import NormStatistics
from gfm.training.callbacks.pace import Pace
from gfm.training.callbacks.previews import Previews
from gfm.training.callbacks.progress_lines import ProgressBar, ProgressLines
from gfm.training.callbacks.result_picture import ResultPicture
from gfm.training.callbacks.skipped_files import SkippedFiles
from gfm.training.callbacks.time_estimate import TimeEstimate

__all__ = [
    "EMA",
    "BestCheckpoint",
    "Curves",
    "EarlyEnd",
    "FlatMattes",
    "Freezing",
    "ImageTable",
    "LastCheckpoint",
    "LearningRate",
    "NetworkSize",
    "NormStatistics",
    "Pace",
    "Previews",
    "ProgressBar",
    "ProgressLines",
    "ResultPicture",
    "SkippedFiles",
    "TimeEstimate",
]
